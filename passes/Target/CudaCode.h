//===- CudaCode.h - GPU kernels of a program to files -----------*- C++ -*-===//
#ifndef FSDP_PASSES_TARGET_CUDACODE_H
#define FSDP_PASSES_TARGET_CUDACODE_H

#include "passes/Target/Target.h"

namespace fsdp {
/// Generates a kernel into a module of its own, in the LLVM and NVVM dialects.
using EmitGpuKernel =
    llvm::function_ref<mlir::LogicalResult(ProgramKernel &, mlir::ModuleOp)>;

/// kernels.ptx, of all kernels, at least one, for LLVM's `chip`; before it
/// kernels.cubin, for `arch`, where ptxas is installed.
mlir::FailureOr<std::vector<CodeFile>>
compileForGpu(llvm::MutableArrayRef<ProgramKernel> kernels,
              const CodeOptions &options, EmitGpuKernel emit,
              llvm::StringRef chip, llvm::StringRef arch);

/// kernels.so, host code of the same kernels (runtime/abi/simulated.h).
mlir::FailureOr<std::vector<CodeFile>>
compileForSimulator(llvm::MutableArrayRef<ProgramKernel> kernels,
                    const CodeOptions &options, EmitGpuKernel emit);
} // namespace fsdp

#endif // FSDP_PASSES_TARGET_CUDACODE_H
