//===- ReferenceCode.h - What a GPU's kernels are held to -------*- C++ -*-===//
#ifndef FSDP_PASSES_TARGET_REFERENCECODE_H
#define FSDP_PASSES_TARGET_REFERENCECODE_H

#include "passes/Kernel/Compile.h"
#include "passes/Kernel/Emit.h"
#include "passes/Target/Target.h"

namespace fsdp {
/// What a reference is compiled for where the rest of the host's code is for
/// `hostCpu`. Fails where LLVM does not know that.
mlir::FailureOr<KernelTarget> getReferenceTarget(llvm::StringRef hostCpu);

/// The kernels of a program for GPUs as the CPU computes them: reference.so,
/// which exports the table of runtime/abi/reference.h.
class ReferenceCode {
public:
  ReferenceCode(size_t numKernels, KernelTarget host)
      : host(std::move(host)), entries(numKernels) {}

  /// Compiles kernel number `i`. Several threads may, each another kernel.
  /// Fails with an error.
  mlir::LogicalResult add(size_t i, const ProgramKernel &kernel);

  /// Links what was added, in its order, to a file of the folder.
  mlir::FailureOr<CodeFile> link(const CodeOptions &options);

private:
  struct Entry {
    train::KernelOp op;
    std::string symbol;
    CompiledKernelInfo info;
    llvm::SmallVector<char, 0> object;
  };
  void addTable(llvm::Module &module) const;

  const KernelTarget host;
  std::vector<Entry> entries;
};
} // namespace fsdp

#endif // FSDP_PASSES_TARGET_REFERENCECODE_H
