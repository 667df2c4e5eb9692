//===- Plan.h - Planned programs as text ------------------------*- C++ -*-===//
#ifndef FSDP_TOOLS_PLAN_H
#define FSDP_TOOLS_PLAN_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"

namespace fsdp {
/// Registers what the text of a planned program may hold, and no more: what
/// reads it is open to everybody's files.
void registerPlan(mlir::DialectRegistry &registry);

/// Whether `module` is a program that can be lowered, by --fsdprt-verify and
/// --program-verify; fails after an error.
mlir::LogicalResult verifyPlan(mlir::ModuleOp module);
} // namespace fsdp

#endif // FSDP_TOOLS_PLAN_H
