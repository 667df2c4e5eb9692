//===- Step.cpp - What passes over a training step share ------------------===//
#include "passes/Support/Step.h"

#include "llvm/ADT/StringRef.h"

using namespace mlir;
using namespace fsdp;

func::FuncOp fsdp::getFunction(ModuleOp module, StringRef name) {
  auto func = module.lookupSymbol<func::FuncOp>(name);
  if (!func)
    module.emitError("module has no function '")
        << name << "', which this stage works on";
  return func;
}

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
                               ArrayRef<std::string> candidates) {
  SmallVector<std::pair<unsigned, StringRef>> ranked;
  for (const std::string &candidate : candidates)
    ranked.push_back({name.edit_distance(candidate), candidate});
  llvm::sort(ranked);
  std::string text;
  for (auto [distance, candidate] : ArrayRef(ranked).take_front(3))
    text += (text.empty() ? "'" : ", '") + candidate.str() + "'";
  return text;
}

Value fsdp::addArgument(func::FuncOp func, Type type, StringRef role) {
  MLIRContext *context = func.getContext();
  auto attrs = DictionaryAttr::get(context, {{StringAttr::get(context, kRole),
                                              StringAttr::get(context, role)}});
  func.insertArgument(func.getNumArguments(), type, attrs, func.getLoc());
  return func.getArguments().back();
}

void fsdp::setResults(func::FuncOp func, ValueRange values,
                      ArrayRef<StringRef> roles) {
  MLIRContext *context = func.getContext();
  func.getBody().front().getTerminator()->setOperands(values);
  func.setType(
      FunctionType::get(context, func.getArgumentTypes(), values.getTypes()));
  SmallVector<Attribute> attrs;
  for (StringRef role : roles)
    attrs.push_back(DictionaryAttr::get(
        context,
        {{StringAttr::get(context, kRole), StringAttr::get(context, role)}}));
  func.setResAttrsAttr(ArrayAttr::get(context, attrs));
}
