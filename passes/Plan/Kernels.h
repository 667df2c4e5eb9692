//===- Kernels.h - Generated kernels of a program ---------------*- C++ -*-===//
#ifndef FSDP_PASSES_PLAN_KERNELS_H
#define FSDP_PASSES_PLAN_KERNELS_H

#include "dialects/Train/Train.h"
#include "passes/Target/Target.h"
#include "llvm/ADT/StringMap.h"

namespace fsdp {
/// Collects the kernels of a program, equal ones once, each in a module
/// `@k<number>` inside `module`, as the op of a function of that name.
class KernelTable {
public:
  KernelTable(mlir::ModuleOp module, const Target &target)
      : module(module), target(target) {}

  struct Kernel {
    mlir::FlatSymbolRefAttr symbol;
    KernelShape shape;
  };
  mlir::FailureOr<Kernel> get(train::KernelOp op);

  size_t size() const { return kernels.size(); }
  size_t getNumReused() const { return numReused; }

private:
  mlir::ModuleOp module;
  const Target &target;
  llvm::StringMap<Kernel> kernels;
  size_t numReused = 0;
};

/// The kernel in a module that KernelTable made; null when `own` is no such
/// module: a function of its name that returns the results of one kernel of its
/// arguments, in order.
train::KernelOp kernelIn(mlir::ModuleOp own);
} // namespace fsdp

#endif // FSDP_PASSES_PLAN_KERNELS_H
