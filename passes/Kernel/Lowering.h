//===- Lowering.h - Loops to the LLVM dialect -------------------*- C++ -*-===//
#ifndef FSDP_PASSES_KERNEL_LOWERING_H
#define FSDP_PASSES_KERNEL_LOWERING_H

#include "mlir/IR/BuiltinOps.h"

namespace fsdp {
/// Lowers a module of linalg on memrefs, loops and scalars to the LLVM dialect;
/// memrefs become bare pointers. Fails when an allocation or a copy is left.
mlir::LogicalResult lowerKernel(mlir::ModuleOp module);

/// Makes i16 of bfloat16 in a module of the LLVM dialect that computes nothing
/// in it, but moves its bits; leaves any other module alone.
void storeHalvesAsIntegers(mlir::ModuleOp module);
} // namespace fsdp

#endif // FSDP_PASSES_KERNEL_LOWERING_H
