//===- JsonNumbers.h - Whole numbers of a JSON file -------------*- C++ -*-===//

#ifndef FSDPRT_CORE_JSONNUMBERS_H
#define FSDPRT_CORE_JSONNUMBERS_H

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <vector>

namespace fsdprt {

/// A whole number that 64 bits with sign hold; none for anything else, which
/// the library would cut to fit.
inline std::optional<int64_t> integerIn(const nlohmann::json &value) {
  if (!value.is_number_integer() ||
      (value.is_number_unsigned() &&
       value.get<uint64_t>() > uint64_t(INT64_MAX)))
    return std::nullopt;
  return value.get<int64_t>();
}

/// A list of such.
inline std::optional<std::vector<int64_t>>
integersIn(const nlohmann::json &list) {
  std::vector<int64_t> numbers;
  if (!list.is_array())
    return std::nullopt;
  for (const nlohmann::json &value : list) {
    std::optional<int64_t> number = integerIn(value);
    if (!number)
      return std::nullopt;
    numbers.push_back(*number);
  }
  return numbers;
}

} // namespace fsdprt

#endif // FSDPRT_CORE_JSONNUMBERS_H
