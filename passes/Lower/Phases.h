//===- Phases.h - Phases as LLVM functions ----------------------*- C++ -*-===//
#ifndef FSDP_PASSES_LOWER_PHASES_H
#define FSDP_PASSES_LOWER_PHASES_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/IR/Module.h"

namespace fsdp {
/// The entry point of phase `name` in a compiled program.
std::string phaseSymbol(llvm::StringRef name);

/// Translates the phases of `module` (with offsets) to LLVM: one function a
/// run of dispatches of one unit, each dispatch a call and a check of its
/// status, and one function a phase that calls these in order. Fails, with an
/// error, when offsets are missing.
mlir::FailureOr<std::unique_ptr<llvm::Module>>
translatePhases(mlir::ModuleOp module, llvm::LLVMContext &context);
} // namespace fsdp

#endif // FSDP_PASSES_LOWER_PHASES_H
