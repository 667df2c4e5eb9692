//===- Glob.cpp - Patterns of parameter and module names ------------------===//
#include "dialects/Onnx/Glob.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"

using llvm::StringRef;

bool fsdp::matchesGlob(StringRef pattern, StringRef name) {
  if (pattern.empty())
    return name.empty();
  if (pattern.front() == '*') {
    bool deep = pattern.starts_with("**");
    StringRef rest = pattern.drop_front(deep ? 2 : 1);
    for (size_t i = 0; i <= name.size(); ++i) {
      if (matchesGlob(rest, name.drop_front(i)))
        return true;
      if (i < name.size() && name[i] == '.' && !deep)
        return false;
    }
    return false;
  }
  if (name.empty() ||
      (pattern.front() != '?' && pattern.front() != name.front()))
    return false;
  return matchesGlob(pattern.drop_front(), name.drop_front());
}

std::string fsdp::nearestNames(StringRef name,
                               llvm::ArrayRef<std::string> candidates) {
  llvm::SmallVector<std::pair<unsigned, StringRef>> ranked;
  for (const std::string &candidate : candidates)
    ranked.push_back({name.edit_distance(candidate), candidate});
  llvm::sort(ranked);
  std::string text;
  for (auto [distance, candidate] : llvm::ArrayRef(ranked).take_front(3))
    text += (text.empty() ? "'" : ", '") + candidate.str() + "'";
  return text;
}

/// Parameters are in modules: a module's pattern where parameters are asked
/// for, a parameter's where modules are, one that lacks what stands in front.
static std::string repair(StringRef pattern,
                          llvm::ArrayRef<std::string> candidates) {
  std::string name = pattern.str();
  for (const std::string &changed :
       {name + ".**", pattern.rsplit('.').first.str(), "**." + name,
        "**." + name + ".**"})
    if (llvm::any_of(candidates, [&](StringRef candidate) {
          return fsdp::matchesGlob(changed, candidate);
        }))
      return changed;
  return "";
}

std::string fsdp::suggestNames(StringRef pattern,
                               llvm::ArrayRef<std::string> candidates) {
  if (candidates.empty())
    return "";
  std::string changed = repair(pattern, candidates);
  return (changed.empty() ? "" : ", '" + changed + "' would") +
         "; nearest: " + nearestNames(pattern, candidates);
}
