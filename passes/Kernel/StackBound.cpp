//===- StackBound.cpp - How much stack a kernel may take ------------------===//
#include "passes/Kernel/StackBound.h"

#include "llvm/IR/DiagnosticHandler.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"

using namespace fsdp;

namespace {
/// Takes LLVM's warnings of large frames; leaves all others to LLVM.
struct StackWatcher : llvm::DiagnosticHandler {
  explicit StackWatcher(StackExcess &excess) : excess(excess) {}

  bool handleDiagnostics(const llvm::DiagnosticInfo &info) override {
    auto *size = llvm::dyn_cast<llvm::DiagnosticInfoStackSize>(&info);
    if (!size)
      return false;
    if (excess.function.empty())
      excess = {size->getFunction().getName().str(), size->getStackSize()};
    return true;
  }

  StackExcess &excess;
};
} // namespace

void fsdp::watchStack(llvm::Module &module, StackExcess &excess) {
  module.getContext().setDiagnosticHandler(
      std::make_unique<StackWatcher>(excess));
  for (llvm::Function &function : module)
    if (!function.isDeclaration())
      function.addFnAttr("warn-stack-size", std::to_string(kMaxStackBytes));
}

std::string fsdp::findDynamicStack(const llvm::Module &module) {
  for (const llvm::Function &function : module)
    for (const llvm::Instruction &instruction : llvm::instructions(function))
      if (auto *alloca = llvm::dyn_cast<llvm::AllocaInst>(&instruction))
        if (!alloca->isStaticAlloca())
          return function.getName().str();
  return "";
}
