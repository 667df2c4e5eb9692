//===- Watch.h - What a kernel for CPUs touches -----------------*- C++ -*-===//
#ifndef FSDP_TEST_PASSES_KERNEL_WATCH_H
#define FSDP_TEST_PASSES_KERNEL_WATCH_H

#include "dialects/Train/Train.h"
#include "passes/Kernel/Emit.h"
#include "test/passes/Kernel/Library.h"
#include "test/passes/Kernel/Tensor.h"
#include "test/simcuda/Access.h"

namespace fsdp::test {
/// Arguments of a kernel that runs, in the rules of the simulated GPU: operands
/// are read, results and scratch are written, and read only once they are.
class Watch {
public:
  Watch(llvm::ArrayRef<Tensor> ins, llvm::ArrayRef<Tensor> outs,
        llvm::MutableArrayRef<char> scratch);

  /// Runs `call`, which tells of each access before it makes it. The first that
  /// it may not make ends it: what is wrong with it, "" for nothing.
  std::string run(llvm::function_ref<void()> call);

  /// An access of what runs, if anything is watched. A kernel's own stack is
  /// its business.
  static void load(const void *address, uint64_t bytes);
  static void store(void *address, uint64_t bytes);

private:
  std::vector<std::unique_ptr<uint8_t[]>> written; ///< which `access` sets
  simcuda::Access access;
};

/// A kernel in its form for this CPU, each of whose accesses is watched.
class WatchedKernel {
public:
  /// Null where it cannot be compiled, and why.
  static std::unique_ptr<WatchedKernel> compile(train::KernelOp op,
                                                std::string &problem);

  /// Runs it as two workers would; what it touched that it may not, or how it
  /// failed, "" for nothing.
  std::string run(llvm::ArrayRef<Tensor> ins, llvm::ArrayRef<Tensor> outs);

private:
  std::unique_ptr<Library> library;
  int32_t (*function)(void *const *, void *, int64_t, int64_t) = nullptr;
  CompiledKernelInfo info;
};
} // namespace fsdp::test

#endif // FSDP_TEST_PASSES_KERNEL_WATCH_H
