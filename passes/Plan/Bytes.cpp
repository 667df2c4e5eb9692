//===- Bytes.cpp - Sizes as people write them -----------------------------===//
#include "passes/Plan/Bytes.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace fsdp;

std::string fsdp::formatBytes(int64_t bytes) {
  const char *units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = bytes;
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(units); ++unit)
    value /= 1024;
  std::string text;
  llvm::raw_string_ostream(text)
      << llvm::format(unit ? "%.2f %s" : "%.0f %s", value, units[unit]);
  return text;
}

std::optional<int64_t> fsdp::parseBytes(StringRef text) {
  const std::pair<StringRef, double> units[] = {{"KiB", 1024.},
                                                {"MiB", 1048576.},
                                                {"GiB", 1073741824.},
                                                {"TiB", 1099511627776.},
                                                {"KB", 1e3},
                                                {"MB", 1e6},
                                                {"GB", 1e9},
                                                {"TB", 1e12},
                                                {"B", 1.}};
  double factor = 1;
  for (auto [name, value] : units)
    if (text.consume_back_insensitive(name)) {
      factor = value;
      break;
    }
  double number;
  if (text.trim().getAsDouble(number) || !(number * factor >= 1) ||
      number * factor > 9e18)
    return std::nullopt;
  return int64_t(number * factor);
}
