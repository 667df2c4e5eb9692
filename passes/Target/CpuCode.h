//===- CpuCode.h - The CPU's code of a kernel -------------------*- C++ -*-===//
#ifndef FSDP_PASSES_TARGET_CPUCODE_H
#define FSDP_PASSES_TARGET_CPUCODE_H

#include "passes/Kernel/Compile.h"
#include "passes/Kernel/Emit.h"

namespace fsdp {
/// Appends to `object` the code of `kernel` as function `symbol`, for `target`,
/// and says how it is run. Works in a module of its own, on any thread. Fails
/// with an error.
mlir::FailureOr<CompiledKernelInfo>
compileForCpu(train::KernelOp kernel, llvm::StringRef symbol,
              const KernelTarget &target, llvm::SmallVectorImpl<char> &object);
} // namespace fsdp

#endif // FSDP_PASSES_TARGET_CPUCODE_H
