//===- Gpu.h - Kernels for NVIDIA GPUs --------------------------*- C++ -*-===//
#ifndef FSDP_PASSES_KERNEL_GPU_H
#define FSDP_PASSES_KERNEL_GPU_H

#include "passes/Kernel/Emit.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/IR/Module.h"

#include <optional>

namespace fsdp {
/// Address space of what a block's threads share.
inline constexpr int64_t kSharedMemory = 3;

inline constexpr int kWarp = 32;
inline constexpr int kMaxThreads = 256; ///< of a block

/// Bytes that a block's variables in shared memory may take: what ptxas accepts
/// without memory asked for at launch.
inline constexpr uint64_t kMaxSharedBytes = 48 * 1024;

/// Pointers that a kernel may take, its status among them: the 4,352 bytes of
/// parameters that a launch has.
inline constexpr size_t kMaxParameters = 4352 / 8;

/// How a kernel is launched: `blocks()` blocks, or fewer, of `threads` threads.
struct GpuKernelInfo {
  int64_t extent = 1;        ///< iterations of the outer parallel loop
  int64_t grain = 1;         ///< iterations that a block takes at once
  int threads = kMaxThreads; ///< a power of two, whole warps
  int64_t scratchBytes = 0;  ///< a block's

  int64_t blocks() const { return (extent + grain - 1) / grain; }
};

/// Generates `void symbol(operands..., results..., scratch if any, status)`,
/// all pointers to global memory, into `dest`, in the LLVM and NVVM dialects.
/// Block b of n takes the chunks b, b + n, ... of `grain` iterations and
/// scratch from b * scratchBytes on. `status` is an int32_t that is overwritten
/// when the kernel fails (see emitKernel). Bits depend on shapes alone: neither
/// on the number of blocks nor on the order in which threads run. Fails, with
/// an error on the op, where that are more than kMaxParameters.
mlir::FailureOr<GpuKernelInfo> emitGpuKernel(train::KernelOp kernel,
                                             mlir::ModuleOp dest,
                                             llvm::StringRef symbol);

/// What emitGpuKernel says of the code that it would generate.
mlir::FailureOr<GpuKernelInfo> getGpuKernelInfo(train::KernelOp kernel);

/// Bytes that a thread reads or writes with one instruction; buffers begin at
/// multiples of them.
inline constexpr int64_t kWideBytes = 16;

/// Neighbours in the index space of `op` that one thread takes at once: as many
/// as have kWideBytes of the widest operand, where they are neighbours in
/// memory too; else 1.
int64_t elementsAtOnce(mlir::linalg::GenericOp op);

/// Which block arguments of a kernel's body may be one buffer.
using MayAlias = llvm::function_ref<bool(mlir::Value, mlir::Value)>;

/// Puts a barrier wherever a thread of a block would read or write what another
/// one wrote or read since the last one. Loops, branches and scalars of `body`
/// are every thread's; its linalg.generic ops and parallel loops are shared as
/// spreadOverThreads shares them.
void insertBarriers(mlir::func::FuncOp body, int threads, MayAlias mayAlias);

/// Shares the linalg.generic ops and parallel loops of `body` among the threads
/// of a block: group i of elementsAtOnce elements is thread i mod `threads`'s
/// (what no group takes, an element at a time), a reduction a tree over the
/// threads' parts, a scalar is stored by thread 0, tiles on the stack lie
/// in shared memory. Fails, with an error, on what cannot be shared.
mlir::LogicalResult spreadOverThreads(mlir::func::FuncOp body, int threads);

/// A kernel's module as LLVM IR for `chip`, optimised. Fails, with an error,
/// when LLVM does not know the chip, the kernel calls a function or its tiles
/// take more than kMaxSharedBytes.
mlir::FailureOr<std::unique_ptr<llvm::Module>>
translateGpuKernel(mlir::ModuleOp kernel, llvm::StringRef chip,
                   llvm::LLVMContext &context);

/// PTX for `chip` of a module of such kernels, which it changes; nothing if
/// LLVM fails.
std::optional<std::string> printPtx(llvm::Module &module, llvm::StringRef chip);

/// Both for one kernel.
mlir::LogicalResult compileToPtx(mlir::ModuleOp kernel, llvm::StringRef chip,
                                 std::string &ptx);
} // namespace fsdp

#endif // FSDP_PASSES_KERNEL_GPU_H
