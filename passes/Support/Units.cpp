//===- Units.cpp - Which modules are FSDP units ---------------------------===//
#include "passes/Support/Units.h"
#include "dialects/Onnx/Glob.h"

#include "llvm/ADT/StringExtras.h"

using llvm::SmallVector;
using llvm::StringRef;
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
  return !last.empty() && llvm::all_of(last, llvm::isDigit);
}

StringRef fsdp::unitOfName(StringRef name,
                           llvm::ArrayRef<std::string> patterns) {
  StringRef found;
  for (StringRef path : enclosingModules(name)) {
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
