//===- UnitRules.cpp - A value for each unit, by pattern ------------------===//
#include "passes/Shard/UnitRules.h"
#include "dialects/Fsdp/Fsdp.h"
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

FailureOr<UnitRules> UnitRules::parse(ModuleOp module, StringRef flag,
                                      ArrayRef<std::string> rules,
                                      ReadUnitRule read) {
  UnitRules result;
  for (StringRef text : rules) {
    UnitRule rule;
    if (std::string problem = read(flag, text, rule); !problem.empty())
      return module.emitError(problem);
    if (rule.pattern.empty()) {
      result.all = rule.value;
      continue;
    }
    if (failed(checkPattern(module, flag, rule.pattern)))
      return failure();
    result.exceptions.push_back({rule.pattern.str(), rule.value});
  }
  return result;
}

std::optional<int64_t> UnitRules::of(StringRef unit) const {
  for (auto &[pattern, value] : llvm::reverse(exceptions))
    if (matchesGlob(pattern, unit))
      return value;
  return all;
}
