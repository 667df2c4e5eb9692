//===- Report.h - What fsdp-compile tells of a program ----------*- C++ -*-===//
#ifndef FSDP_TOOLS_FSDP_COMPILE_REPORT_H
#define FSDP_TOOLS_FSDP_COMPILE_REPORT_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/raw_ostream.h"

namespace fsdp {
/// How many parameters are trainable, frozen and without a gradient.
void reportParameters(mlir::ModuleOp module, llvm::raw_ostream &os);

/// A table of the units with parameters and gathered bytes, the arenas by kind
/// of buffer, and the peak of a rank.
void reportPlan(mlir::ModuleOp module, llvm::raw_ostream &os);
} // namespace fsdp

#endif // FSDP_TOOLS_FSDP_COMPILE_REPORT_H
