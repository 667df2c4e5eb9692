//===- Kernels.h - Generated kernels of a program ---------------*- C++ -*-===//
#ifndef FSDP_PASSES_PLAN_KERNELS_H
#define FSDP_PASSES_PLAN_KERNELS_H

#include "dialects/Train/Train.h"
#include "passes/Kernel/Emit.h"
#include "llvm/ADT/StringMap.h"

namespace fsdp {
/// Generates the kernels of a program, equal ones once, each into a module
/// `@k<number>` inside `module`.
class KernelTable {
public:
  explicit KernelTable(mlir::ModuleOp module) : module(module) {}

  /// Whether the ops of kernel `@k0` stay in a function `@k0_ops`.
  bool keepsOps = false;

  struct Kernel {
    mlir::FlatSymbolRefAttr symbol;
    CompiledKernelInfo info;
  };
  mlir::FailureOr<Kernel> get(train::KernelOp op);

  size_t size() const { return kernels.size(); }
  size_t getNumReused() const { return numReused; }

private:
  void keepOps(train::KernelOp op, llvm::StringRef symbol);

  mlir::ModuleOp module;
  llvm::StringMap<Kernel> kernels;
  size_t numReused = 0;
};
} // namespace fsdp

#endif // FSDP_PASSES_PLAN_KERNELS_H
