//===- Kernels.h - The kernels of a planned program -------------*- C++ -*-===//
#ifndef FSDP_PASSES_LOWER_KERNELS_H
#define FSDP_PASSES_LOWER_KERNELS_H

#include "passes/Target/Target.h"

namespace fsdp {
/// The kernels of `module`, in order, with their shapes not known yet; fails,
/// with an error, where a module in it holds none.
mlir::FailureOr<std::vector<ProgramKernel>> findKernels(mlir::ModuleOp module);

/// Fails, with an error, where a launch is not what the code of its kernel, one
/// of `kernels`, expects. A grid may have any number of blocks.
mlir::LogicalResult checkLaunches(mlir::ModuleOp module,
                                  llvm::ArrayRef<ProgramKernel> kernels);
} // namespace fsdp

#endif // FSDP_PASSES_LOWER_KERNELS_H
