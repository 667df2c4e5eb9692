//===- Simulated.h - GPU kernels compiled for the host ----------*- C++ -*-===//
//
// runtime/abi/simulated.h says what such code exports and asks for.
//
//===----------------------------------------------------------------------===//
#ifndef FSDP_PASSES_KERNEL_SIMULATED_H
#define FSDP_PASSES_KERNEL_SIMULATED_H

#include "passes/Kernel/Compile.h"

#include <string>

namespace fsdp {
/// A row of the table of kernels.
struct SimulatedKernel {
  std::string symbol;
  unsigned numArgs = 0; ///< pointers, the status among them
  int threads = 0;      ///< of a block
};

/// The CPU that such code is compiled for.
mlir::FailureOr<KernelTarget> getSimulatorTarget();

/// What emitGpuKernel made in `kernel` as LLVM IR for the host: calls of the
/// hooks, which another module defines, stand for the GPU's instructions and
/// before each access to global memory. The function `<symbol>_call` runs one
/// thread. Fails, with an error, on an instruction without a hook.
mlir::FailureOr<std::unique_ptr<llvm::Module>>
translateForSimulator(mlir::ModuleOp kernel, llvm::StringRef symbol,
                      llvm::LLVMContext &context);

/// What emitKernel made in `kernel`, code for a CPU with the entry `symbol`, as
/// LLVM IR that calls the hooks of loads and stores before each access to what
/// its arguments point to. The hooks are defined in it, empty.
mlir::FailureOr<std::unique_ptr<llvm::Module>>
translateWatched(mlir::ModuleOp kernel, llvm::StringRef symbol,
                 llvm::LLVMContext &context);

/// Defines in `module` the hooks, empty, and the table of `kernels`.
void addSimulatorTable(llvm::Module &module,
                       llvm::ArrayRef<SimulatedKernel> kernels);
} // namespace fsdp

#endif // FSDP_PASSES_KERNEL_SIMULATED_H
