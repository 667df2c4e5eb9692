//===- Manifest.h - The manifest of a program -------------------*- C++ -*-===//
#ifndef FSDP_PASSES_LOWER_MANIFEST_H
#define FSDP_PASSES_LOWER_MANIFEST_H

#include "passes/Target/Target.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

namespace fsdp {
/// What the manifest says of the machine a program is compiled for.
struct ProgramTarget {
  std::string kind = "cpu"; ///< or "cuda"
  std::string triple;
  std::string cpu;
  std::vector<std::string> features; ///< that the host must have: "avx512f"
  std::string arch;                  ///< of GPUs: "sm_90"; "": none
  std::vector<CodeFile> kernels;     ///< their code, beside the program's
};

/// The manifest (runtime/abi/MANIFEST.md) of a module with phases, arenas and
/// placed buffers.
mlir::FailureOr<llvm::json::Object> buildManifest(mlir::ModuleOp module,
                                                  const ProgramTarget &target);
} // namespace fsdp

#endif // FSDP_PASSES_LOWER_MANIFEST_H
