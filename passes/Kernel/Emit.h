//===- Emit.h - Kernels as LLVM functions -----------------------*- C++ -*-===//
#ifndef FSDP_PASSES_KERNEL_EMIT_H
#define FSDP_PASSES_KERNEL_EMIT_H

#include "dialects/Train/Train.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinOps.h"

namespace fsdp {
/// Function attribute of elementwise chains: nothing is contracted but inside
/// the formula of one op, so that which ops share a kernel changes no bit.
inline constexpr llvm::StringLiteral kChainAttribute = "fsdp-chain";

struct CompiledKernelInfo {
  int64_t extent = 1;       ///< iterations of the outer parallel loop
  int64_t scratchBytes = 0; ///< a worker's
};

/// Generates `int32_t symbol(void *const *args, void *scratch, int64_t begin,
/// int64_t end)` into `dest`, in the LLVM dialect: args are the kernel's
/// inputs, then its outputs, dense row-major buffers; it computes iterations
/// [begin, end) of its outer loop and returns 0, or 2 when an index in the data
/// is out of range. Any split of [0, extent) gives the same bits. The kernel
/// allocates and copies nothing; an op that would need it is an error.
mlir::FailureOr<CompiledKernelInfo>
emitKernel(train::KernelOp kernel, mlir::ModuleOp dest, llvm::StringRef symbol);

/// What emitKernel says of the code that it would generate.
mlir::FailureOr<CompiledKernelInfo> getKernelInfo(train::KernelOp kernel);

/// A kernel's body before anything in it knows its target.
struct KernelBody {
  mlir::func::FuncOp function;
  CompiledKernelInfo info;
};

/// The first half of emitKernel: `func @symbol_body(memrefs..., scratch if any,
/// begin, end) -> i32` of linalg on memrefs, loops and scalars. Products of
/// tiles are loops, too, unless the body `callsLibrary`.
mlir::FailureOr<KernelBody> emitKernelBody(train::KernelOp kernel,
                                           mlir::ModuleOp dest,
                                           llvm::StringRef symbol,
                                           bool callsLibrary = true);

/// The second half, but for the entry point: that function in the LLVM dialect,
/// with bare pointers, to be inlined into the entry point.
mlir::FailureOr<mlir::LLVM::LLVMFuncOp> lowerKernelBody(train::KernelOp kernel,
                                                        mlir::ModuleOp dest,
                                                        llvm::StringRef symbol);

/// Equal for kernels that compute the same: the kernel's text without names,
/// scopes and locations.
std::string kernelKey(train::KernelOp kernel);
} // namespace fsdp

#endif // FSDP_PASSES_KERNEL_EMIT_H
