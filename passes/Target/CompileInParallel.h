//===- CompileInParallel.h - Several kernels at once ------------*- C++ -*-===//
#ifndef FSDP_PASSES_TARGET_COMPILEINPARALLEL_H
#define FSDP_PASSES_TARGET_COMPILEINPARALLEL_H

#include "passes/Target/Target.h"

namespace fsdp {
/// Calls `compile(i)` for each kernel, on the threads of their context, and
/// tells `options` how far it is. Each call works in modules of its own. Fails,
/// with the errors in the kernels' order, when one does.
mlir::LogicalResult
compileInParallel(llvm::ArrayRef<ProgramKernel> kernels,
                  const CodeOptions &options,
                  llvm::function_ref<mlir::LogicalResult(size_t)> compile);
} // namespace fsdp

#endif // FSDP_PASSES_TARGET_COMPILEINPARALLEL_H
