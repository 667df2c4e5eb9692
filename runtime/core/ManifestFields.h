//===- ManifestFields.h - Checked fields of a manifest ----------*- C++ -*-===//
//
// What the sections of a manifest are read with. `where` says in messages whose
// field it is.
//
//===----------------------------------------------------------------------===//

#ifndef FSDPRT_CORE_MANIFESTFIELDS_H
#define FSDPRT_CORE_MANIFESTFIELDS_H

#include "core/JsonNumbers.h"
#include "core/Manifest.h"

#include <nlohmann/json.hpp>

#include <type_traits>

namespace fsdprt::fields {

using Json = nlohmann::json;

/// Inside the parser a malformed manifest unwinds as this exception, as
/// nlohmann's own do; parseManifest turns both into a Status.
struct Malformed {
  std::string message;
};

void require(bool condition, const std::string &message);

const Json &member(const Json &object, const char *key,
                   const std::string &where);

template <typename T>
T get(const Json &object, const char *key, const std::string &where) {
  const Json &value = member(object, key, where);
  try {
    // The library would cut numbers to the type.
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      if (value.is_number()) {
        std::optional<int64_t> number = integerIn(value);
        require(number && int64_t(T(*number)) == *number,
                where + ": '" + key + "' is " + value.dump().substr(0, 40) +
                    ", expected a whole number");
        return T(*number);
      }
    }
    return value.get<T>();
  } catch (const Json::exception &) {
    throw Malformed{where + ": '" + key + "' has the wrong type (" +
                    value.dump().substr(0, 40) + ")"};
  }
}

template <typename T>
T getOr(const Json &object, const char *key, T otherwise,
        const std::string &where) {
  return object.contains(key) ? get<T>(object, key, where) : otherwise;
}

/// An integer in [0, kMostElements]: sums and products of two with a world's
/// size do not overflow.
int64_t getSize(const Json &object, const char *key, const std::string &where);
std::vector<int64_t> getIntegers(const Json &object, const char *key,
                                 const std::string &where);
int32_t getDType(const Json &object, const std::string &where);
std::vector<int64_t> getShape(const Json &object, const std::string &where);

/// That bytes are within an arena.
void checkRange(const Manifest &manifest, int64_t arena, int64_t offset,
                int64_t bytes, const std::string &where);
/// A place whose bytes are those of its shape, and within its arena.
Place parsePlace(const Manifest &manifest, const Json &json,
                 const std::string &where);

} // namespace fsdprt::fields

#endif // FSDPRT_CORE_MANIFESTFIELDS_H
