//===- Plan.h - Planned programs as text ------------------------*- C++ -*-===//
#ifndef FSDP_TOOLS_PLAN_H
#define FSDP_TOOLS_PLAN_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/MemoryBuffer.h"

namespace fsdp {
/// Registers what the text of a planned program may hold, and no more: what
/// reads it is open to everybody's files.
void registerPlan(mlir::DialectRegistry &registry);

/// Parses the text of a planned program; `text` is named after its file. An
/// error of the parser is printed and ends the process with status 1.
mlir::OwningOpRef<mlir::ModuleOp>
parsePlan(std::unique_ptr<llvm::MemoryBuffer> text, mlir::MLIRContext *context);

/// Whether `module` is a program that can be lowered, by --fsdprt-verify and
/// --program-verify; fails after an error.
mlir::LogicalResult verifyPlan(mlir::ModuleOp module);
} // namespace fsdp

#endif // FSDP_TOOLS_PLAN_H
