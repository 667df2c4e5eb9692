//===- Program.h - A compiled program on disk -------------------*- C++ -*-===//
#ifndef FSDP_PASSES_LOWER_PROGRAM_H
#define FSDP_PASSES_LOWER_PROGRAM_H

#include "mlir/IR/BuiltinOps.h"

namespace fsdp {
struct ProgramOptions {
  std::string cpu = "native"; ///< LLVM's name of the CPU, for a CPU's program
  std::string ptxas;          ///< for a GPU's: as CodeOptions has it
  /// Called when a part of the work begins: "kernels", then "host code".
  std::function<void(llvm::StringRef part)> onPart;
  /// Called with (done, all) while kernels are compiled.
  std::function<void(size_t, size_t)> onKernel;
};

/// Writes the planned program in `module` as folder `path`, or where a symlink
/// of that name points: `program.so` and `manifest.json`, whole or not there.
/// An earlier program and an empty folder are replaced; a folder that holds
/// anything else is an error (passes/Output).
mlir::LogicalResult writeProgram(mlir::ModuleOp module, llvm::StringRef path,
                                 const ProgramOptions &options);
} // namespace fsdp

#endif // FSDP_PASSES_LOWER_PROGRAM_H
