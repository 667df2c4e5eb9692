//===- Lowering.h - Loops to the LLVM dialect -------------------*- C++ -*-===//
#ifndef FSDP_PASSES_KERNEL_LOWERING_H
#define FSDP_PASSES_KERNEL_LOWERING_H

#include "mlir/IR/BuiltinOps.h"

namespace fsdp {
/// Lowers a module of linalg on memrefs, loops and scalars to the LLVM dialect;
/// memrefs become bare pointers. Fails when an allocation or a copy is left.
mlir::LogicalResult lowerKernel(mlir::ModuleOp module);

/// Loads into `context` all dialects between a kernel's ops and LLVM IR, so
/// that several threads may lower kernels in it at once.
mlir::LogicalResult loadKernelDialects(mlir::MLIRContext *context);

/// Makes i16 of bfloat16 in a module of the LLVM dialect that computes nothing
/// in it, but moves its bits; leaves any other module alone.
void storeHalvesAsIntegers(mlir::ModuleOp module);
} // namespace fsdp

#endif // FSDP_PASSES_KERNEL_LOWERING_H
