//===- GpuEmulator.h - Kernels for GPUs, run on the CPU ---------*- C++ -*-===//
#ifndef FSDP_TEST_PASSES_KERNEL_GPUEMULATOR_H
#define FSDP_TEST_PASSES_KERNEL_GPUEMULATOR_H

#include "passes/Kernel/Gpu.h"

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

/// How the threads of a block take turns: each runs until it waits for others.
enum class ThreadOrder { Ascending, Descending };

/// Compiles what emitGpuKernel made in `kernel` for this machine, with calls
/// into the emulator in place of the GPU's instructions. The object defines
/// `<symbol>_call(void *const *args)`.
mlir::LogicalResult compileForEmulator(mlir::ModuleOp kernel,
                                       llvm::StringRef symbol,
                                       llvm::SmallVectorImpl<char> &object);

/// Runs a grid of `blocks` blocks, one after the other, each thread a fiber.
/// `args` are the kernel's parameters. Returns what went wrong, "" for nothing:
/// threads that wait for different things would hang a GPU.
std::string emulate(void (*call)(void *const *), const GpuKernelInfo &info,
                    int64_t blocks, ThreadOrder order, void *const *args);
} // namespace fsdp::test

#endif // FSDP_TEST_PASSES_KERNEL_GPUEMULATOR_H
