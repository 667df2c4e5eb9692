//===- Compile.h - LLVM modules to objects ----------------------*- C++ -*-===//
#ifndef FSDP_PASSES_KERNEL_COMPILE_H
#define FSDP_PASSES_KERNEL_COMPILE_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/IR/Module.h"

namespace fsdp {
/// A machine to generate code for.
struct KernelTarget {
  std::string triple;
  std::string cpu;      ///< LLVM's name
  std::string features; ///< LLVM's list: "+avx512f,-sse4a"
  /// Vector extensions that the code may use, as /proc/cpuinfo spells them.
  std::vector<std::string> featureNames;
  bool isQuick = false; ///< -O1 in place of -O3, for code that seldom runs
};

/// The target of CPU `cpu`, "native" for this machine; fails when LLVM does not
/// know it.
mlir::FailureOr<KernelTarget> getKernelTarget(llvm::StringRef cpu);

/// Whether LLVM knows the target's CPU; it must know the triple's.
bool knowsCpu(const KernelTarget &target);

/// Registers in `context` how dialects of kernels become LLVM IR, if that is
/// not done yet: each time would change the context, which MLIR 19 does not
/// guard against other threads.
void registerTranslations(mlir::MLIRContext &context);

/// Translates a kernel's module (LLVM dialect) to LLVM IR, with what the
/// vectoriser needs to know.
mlir::FailureOr<std::unique_ptr<llvm::Module>>
translateKernel(mlir::ModuleOp kernel, llvm::LLVMContext &context);

/// Optimises `module` for `target`, which it becomes a module of.
mlir::LogicalResult optimize(llvm::Module &module, const KernelTarget &target);

/// Appends the assembly of a module that was optimised for `target`.
mlir::LogicalResult printAssembly(llvm::Module &module,
                                  const KernelTarget &target,
                                  llvm::SmallVectorImpl<char> &text);

/// Optimises `module` for `target` and appends the object file to
/// `object`.
mlir::LogicalResult compileToObject(llvm::Module &module,
                                    const KernelTarget &target,
                                    llvm::SmallVectorImpl<char> &object);

/// The same as the target's assembly.
mlir::LogicalResult compileToAssembly(llvm::Module &module,
                                      const KernelTarget &target,
                                      llvm::SmallVectorImpl<char> &text);

/// Translation and object at once for a kernel's module. Fails, with an error,
/// when the object leaves a symbol undefined (a kernel calls neither libm nor
/// memcpy), or takes more stack than StackBound.h allows.
mlir::LogicalResult compileKernel(mlir::ModuleOp kernel,
                                  const KernelTarget &target,
                                  llvm::SmallVectorImpl<char> &object);
} // namespace fsdp

#endif // FSDP_PASSES_KERNEL_COMPILE_H
