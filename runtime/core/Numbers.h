//===- Numbers.h - Numbers for people ---------------------------*- C++ -*-===//

#ifndef FSDPRT_CORE_NUMBERS_H
#define FSDPRT_CORE_NUMBERS_H

#include <cstdint>
#include <string>

namespace fsdprt {

/// "12.3 MiB".
std::string formatBytes(int64_t bytes);

/// "1,234,567".
std::string grouped(int64_t number);

/// A line of a report: a name, and the value in the column of the others'.
std::string nameAndValue(std::string name, const std::string &value);

} // namespace fsdprt

#endif // FSDPRT_CORE_NUMBERS_H
