//===- FlagText.cpp - Options that tools read before passes do ------------===//
#include "passes/Support/FlagText.h"

#include "llvm/Support/FormatVariadic.h"

using llvm::formatv;
using llvm::StringRef;
using namespace fsdp;

/// Far above any machine; sizes stay far below overflow.
static constexpr int64_t kMaxRanks = 1 << 16;

std::string fsdp::readMesh(StringRef text,
                           llvm::SmallVectorImpl<MeshAxis> &axes) {
  llvm::SmallVector<StringRef> parts;
  text.split(parts, ',');
  for (StringRef part : parts) {
    auto [name, size] = part.split('=');
    MeshAxis axis{name.trim()};
    if (axis.name.empty() || size.trim().getAsInteger(10, axis.size) ||
        axis.size < 1 || axis.size > kMaxRanks)
      return formatv("cannot read mesh axis '{0}', expected NAME=SIZE with a "
                     "size from 1 to {1}, as in {2}=8",
                     part, kMaxRanks, kShardAxis);
    axes.push_back(axis);
  }
  if (axes.size() != 1)
    return formatv("mesh '{0}' has {1} axes, expected one: parameters are "
                   "sharded over all ranks",
                   text, axes.size());
  return "";
}

/// What stands behind the pattern, if there is one, which `rule` gets.
static StringRef splitPattern(StringRef text, UnitRule &rule) {
  auto [pattern, value] =
      text.contains('=') ? text.rsplit('=') : std::pair(StringRef(), text);
  rule.pattern = pattern;
  return value;
}

std::string fsdp::readDepth(StringRef flag, StringRef text, UnitRule &rule) {
  if (splitPattern(text, rule).getAsInteger(10, rule.value) || rule.value < 0)
    return formatv("cannot read {0} '{1}', expected N or PATTERN=N with N >= 0",
                   flag, text);
  return "";
}

std::string fsdp::readSwitch(StringRef flag, StringRef text, UnitRule &rule) {
  StringRef value = splitPattern(text, rule);
  rule.value = value == "true";
  if (value != "true" && value != "false")
    return formatv("cannot read {0} '{1}', expected true, false, PATTERN=true "
                   "or PATTERN=false",
                   flag, text);
  return "";
}
