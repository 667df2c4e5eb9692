//===- KernelExecutor.h - Runs functions of onnx and train ops --*- C++ -*-===//
#ifndef FSDP_TEST_PASSES_KERNEL_KERNELEXECUTOR_H
#define FSDP_TEST_PASSES_KERNEL_KERNELEXECUTOR_H

#include "dialects/Train/Train.h"
#include "passes/Kernel/Gpu.h"
#include "runtime/abi/simulated.h"
#include "test/passes/Kernel/Library.h"
#include "test/passes/Kernel/Tensor.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringMap.h"

#include <memory>
#include <string>
#include <vector>

namespace fsdp::test {
/// Compiles and runs a function kernel by kernel, for tests. Every kernel is
/// run three times, over its whole range, over the range in pieces, and with
/// every result in the buffer of an operand that it may take over; different
/// bits are an error. So is a symbol that the object does not define.
class KernelExecutor {
public:
  using Function = int32_t (*)(void *const *, void *, int64_t, int64_t);
  struct Kernel {
    Function function = nullptr;
    CompiledKernelInfo info;
    const fsdprt_simulated_kernel *gpuCall = nullptr; ///< with checksGpu
    GpuKernelInfo gpuInfo;
  };

  /// Run each kernel in the form for GPUs, too (GpuEmulator.h): with many
  /// blocks and few, its threads in two orders, in place. The bits must be the
  /// same each time and the values those of the CPU's form but for rounding.
  bool checksGpu = false;
  /// To test that check: the form for GPUs has no barriers.
  bool dropsBarriers = false;

  /// The results of `func` (a straight line) for `inputs`, or nothing and an
  /// error in `message()`.
  std::optional<std::vector<Tensor>> run(mlir::func::FuncOp func,
                                         llvm::ArrayRef<Tensor> inputs);

  /// Status of one kernel over its whole range.
  int32_t launch(train::KernelOp kernel, llvm::ArrayRef<Tensor> inputs,
                 llvm::ArrayRef<Tensor> outputs);

  /// The kernel, compiled once; null and an error in `message()`.
  const Kernel *compile(train::KernelOp op);

  const std::string &message() const { return error; }
  size_t getNumCompiled() const { return kernels.size(); }

private:
  /// The object, linked and loaded; null and an error in `message()`.
  Library *load(llvm::StringRef object);
  bool runKernel(train::KernelOp op, llvm::DenseMap<mlir::Value, Tensor> &env);
  bool compileGpu(train::KernelOp op, llvm::StringRef symbol, Kernel &kernel);
  bool runGpu(train::KernelOp op, const Kernel &kernel,
              llvm::ArrayRef<Tensor> ins, llvm::ArrayRef<Tensor> wanted);
  bool runAllInPlace(const Kernel &kernel, llvm::ArrayRef<Tensor> ins,
                     llvm::ArrayRef<Tensor> outs,
                     llvm::ArrayRef<llvm::SmallVector<unsigned>> inPlace);
  bool call(const Kernel &kernel, llvm::ArrayRef<Tensor> ins,
            llvm::ArrayRef<Tensor> outs, int64_t begin, int64_t end);
  bool fail(const llvm::Twine &text) {
    error = text.str();
    return false;
  }

  std::vector<std::unique_ptr<Library>> libraries;
  llvm::StringMap<Kernel> kernels;
  std::string error;
};

/// A context with the dialects that kernels are written in.
std::unique_ptr<mlir::MLIRContext> createContext();
} // namespace fsdp::test

#endif // FSDP_TEST_PASSES_KERNEL_KERNELEXECUTOR_H
