//===- RecomputeRules.cpp - Which modules are computed again --------------===//
#include "passes/Train/RecomputeRules.h"
#include "dialects/Onnx/Glob.h"
#include "passes/Support/Units.h"

#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace fsdp;

/// "a.b" -> "a", "a.b": the modules that an op of this scope belongs to.
static SmallVector<StringRef> modulesOf(StringRef scope) {
  SmallVector<StringRef> modules = enclosingModules(scope);
  if (!scope.empty())
    modules.push_back(scope);
  return modules;
}

static LogicalResult checkPattern(ModuleOp module, StringRef pattern,
                                  ArrayRef<StringRef> modules) {
  if (llvm::any_of(modules,
                   [&](StringRef path) { return matchesGlob(pattern, path); }))
    return success();
  std::vector<std::string> names;
  for (StringRef path : modules)
    names.push_back(path.str());
  return module.emitError()
         << "--recompute '" << pattern << "' matches no module"
         << suggestNames(pattern, names);
}

FailureOr<RecomputeRules> RecomputeRules::parse(ModuleOp module,
                                                ArrayRef<std::string> texts,
                                                ArrayRef<std::string> units,
                                                ArrayRef<StringRef> scopes) {
  RecomputeRules rules;
  rules.units = units;
  llvm::SetVector<StringRef> modules;
  for (StringRef scope : scopes)
    for (StringRef path : modulesOf(scope))
      modules.insert(path);
  for (StringRef text : texts) {
    auto [pattern, what] = text.split('=');
    if (pattern.empty() || (text.contains('=') && what != "elementwise"))
      return module.emitError() << "cannot read --recompute '" << text
                                << "', expected PATTERN or PATTERN=elementwise";
    if (failed(checkPattern(module, pattern, modules.getArrayRef())))
      return failure();
    rules.rules.push_back({pattern.str(), !what.empty()});
  }
  return rules;
}

RecomputedModule RecomputeRules::regionOf(StringRef scope) const {
  auto [it, isNew] = known.try_emplace(scope);
  if (isNew)
    it->second = findRegion(it->first());
  return it->second;
}

/// A part of `scope`.
RecomputedModule RecomputeRules::findRegion(StringRef scope) const {
  for (const Rule &rule : llvm::reverse(rules))
    for (StringRef path : modulesOf(scope)) {
      if (!matchesGlob(rule.pattern, path))
        continue;
      size_t unit = unitOfName((scope + ".").str(), units).size();
      return {unit > path.size() ? scope.take_front(unit) : path,
              rule.elementwise};
    }
  return {};
}
