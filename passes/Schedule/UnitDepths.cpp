//===- UnitDepths.cpp - A number for each unit, by pattern ----------------===//
#include "passes/Schedule/UnitDepths.h"
#include "dialects/Fsdp/Fsdp.h"
#include "passes/Support/FlagText.h"
#include "passes/Support/Step.h"

using namespace mlir;
using namespace fsdp;

static LogicalResult checkPattern(ModuleOp module, StringRef flag,
                                  StringRef pattern) {
  std::vector<std::string> names;
  for (auto unit : module.getOps<sharding::UnitOp>()) {
    if (matchesGlob(pattern, unit.getSymName()))
      return success();
    names.push_back(unit.getSymName().str());
  }
  return module.emitError() << flag << " '" << pattern << "' matches no unit"
                            << suggestNames(pattern, names);
}

FailureOr<UnitDepths> UnitDepths::parse(ModuleOp module, StringRef flag,
                                        ArrayRef<std::string> rules,
                                        int64_t fallback) {
  UnitDepths depths;
  depths.fallback = fallback;
  for (StringRef text : rules) {
    DepthRule rule;
    if (std::string problem = readDepth(flag, text, rule); !problem.empty())
      return module.emitError(problem);
    if (rule.pattern.empty()) {
      depths.fallback = rule.depth;
      continue;
    }
    if (failed(checkPattern(module, flag, rule.pattern)))
      return failure();
    depths.exceptions.push_back({rule.pattern.str(), rule.depth});
  }
  return depths;
}

int64_t UnitDepths::of(StringRef unit) const {
  for (auto &[pattern, depth] : llvm::reverse(exceptions))
    if (matchesGlob(pattern, unit))
      return depth;
  return fallback;
}

int64_t UnitDepths::largest() const {
  int64_t most = fallback;
  for (auto &[pattern, depth] : exceptions)
    most = std::max(most, depth);
  return most;
}
