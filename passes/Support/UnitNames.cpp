//===- UnitNames.cpp - Which unit a name belongs to -----------------------===//
#include "passes/Support/UnitNames.h"

#include "dialects/Onnx/Glob.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace fsdp;

SmallVector<StringRef> fsdp::enclosingModules(StringRef name) {
  SmallVector<StringRef> modules;
  for (size_t i = 0; i < name.size(); ++i)
    if (name[i] == '.')
      modules.push_back(name.take_front(i));
  return modules;
}

/// Whether the last component of `path` is a number: an element of a list.
static bool isListElement(StringRef path) {
  StringRef last = path.rsplit('.').second;
  if (last.empty())
    last = path;
  return !last.empty() &&
         llvm::all_of(last, [](char c) { return c >= '0' && c <= '9'; });
}

StringRef UnitNames::longest(ArrayRef<StringRef> modules) const {
  StringRef found = kRootUnit;
  for (StringRef path : modules) {
    bool isUnit = patterns.empty() ? isListElement(path)
                                   : llvm::any_of(patterns, [&](auto &pattern) {
                                       return matchesGlob(pattern, path);
                                     });
    if (!isUnit)
      continue;
    found = path;
    if (patterns.empty()) // the outermost list decides
      break;
  }
  return found;
}

StringRef UnitNames::unitOf(StringRef parameter) const {
  return longest(enclosingModules(parameter));
}

StringRef UnitNames::unitOfScope(StringRef scope) const {
  SmallVector<StringRef> modules = enclosingModules(scope);
  modules.push_back(scope);
  return longest(modules);
}
