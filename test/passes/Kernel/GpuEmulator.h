//===- GpuEmulator.h - Kernels for GPUs, run on the CPU ---------*- C++ -*-===//
#ifndef FSDP_TEST_PASSES_KERNEL_GPUEMULATOR_H
#define FSDP_TEST_PASSES_KERNEL_GPUEMULATOR_H

#include "passes/Kernel/Gpu.h"
#include "runtime/abi/simulated.h"
#include "test/passes/Kernel/Library.h"
#include "test/simcuda/Block.h"

#include "llvm/ADT/SmallVector.h"

namespace fsdp::test {
/// AddressSanitizer does not follow jumps from one stack to another.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FSDP_NO_EMULATOR
#endif
#endif
#ifdef FSDP_NO_EMULATOR
inline constexpr bool kCanEmulate = false;
#else
inline constexpr bool kCanEmulate = true;
#endif

/// Compiles what emitGpuKernel made in `kernel` to an object with the exports
/// of runtime/abi/simulated.h.
mlir::LogicalResult compileForEmulator(mlir::ModuleOp kernel,
                                       llvm::StringRef symbol,
                                       const GpuKernelInfo &info,
                                       llvm::SmallVectorImpl<char> &object);

/// The kernel of such an object that was linked and loaded, ready to be
/// emulated; null if there is none.
const fsdprt_simulated_kernel *findEmulatedKernel(const Library &library);

/// Runs a grid of `blocks` blocks, as the simulator does (simcuda::runGrid).
/// `args` are the kernel's parameters. Returns what went wrong, "" for nothing.
std::string emulate(const fsdprt_simulated_kernel &kernel, int64_t blocks,
                    simcuda::Order order, void *const *args);
} // namespace fsdp::test

#endif // FSDP_TEST_PASSES_KERNEL_GPUEMULATOR_H
