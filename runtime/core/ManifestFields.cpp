//===- ManifestFields.cpp - Checked fields of a manifest ------------------===//

#include "core/ManifestFields.h"

#include "core/DType.h"

using namespace fsdprt;
using fields::Json;

void fields::require(bool condition, const std::string &message) {
  if (!condition)
    throw Malformed{message};
}

const Json &fields::member(const Json &object, const char *key,
                           const std::string &where) {
  require(object.is_object(), where + " is not an object");
  auto it = object.find(key);
  require(it != object.end(), where + " has no '" + key + "'");
  return *it;
}

int64_t fields::getSize(const Json &object, const char *key,
                        const std::string &where) {
  int64_t size = get<int64_t>(object, key, where);
  require(size >= 0 && size <= kMostElements, where + ": '" + key + "' is " +
                                                  std::to_string(size) +
                                                  ", expected a size");
  return size;
}

std::vector<int64_t> fields::getIntegers(const Json &object, const char *key,
                                         const std::string &where) {
  std::optional<std::vector<int64_t>> numbers =
      integersIn(member(object, key, where));
  require(numbers.has_value(),
          where + ": '" + key + "' is no list of whole numbers");
  return *numbers;
}

int32_t fields::getDType(const Json &object, const std::string &where) {
  Expected<int32_t> dtype =
      parseDType(get<std::string>(object, "dtype", where));
  require(dtype.ok(), where + ": " + dtype.status().message());
  return *dtype;
}

std::vector<int64_t> fields::getShape(const Json &object,
                                      const std::string &where) {
  std::vector<int64_t> shape = getIntegers(object, "shape", where);
  require(boundedProduct(shape).has_value(),
          where + ": invalid shape " + shapeString(shape));
  return shape;
}

void fields::checkRange(const Manifest &manifest, int64_t arena, int64_t offset,
                        int64_t bytes, const std::string &where) {
  require(arena >= 0 && arena < int64_t(manifest.arenas.size()),
          where + ": arena " + std::to_string(arena) + " does not exist");
  int64_t size = manifest.arenas[arena].bytes;
  require(offset >= 0 && bytes >= 0 && offset <= size && bytes <= size - offset,
          where + ": bytes [" + std::to_string(offset) + ", +" +
              std::to_string(bytes) + ") reach beyond the " +
              std::to_string(size) + " bytes of arena '" +
              manifest.arenas[arena].name + "'");
}

Place fields::parsePlace(const Manifest &manifest, const Json &json,
                         const std::string &where) {
  Place place;
  place.arena = get<int32_t>(json, "arena", where);
  place.offset = get<int64_t>(json, "offset", where);
  place.bytes = get<int64_t>(json, "bytes", where);
  place.dtype = getDType(json, where);
  place.shape = getShape(json, where);
  checkRange(manifest, place.arena, place.offset, place.bytes, where);
  require(place.bytes == productOf(place.shape) * sizeOfDType(place.dtype),
          where + ": " + std::to_string(place.bytes) +
              " bytes do not hold shape " + shapeString(place.shape));
  return place;
}
