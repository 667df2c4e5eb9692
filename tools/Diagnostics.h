//===- Diagnostics.h - How the tools print errors ---------------*- C++ -*-===//
#ifndef FSDP_TOOLS_DIAGNOSTICS_H
#define FSDP_TOOLS_DIAGNOSTICS_H

#include "mlir/IR/Diagnostics.h"

namespace fsdp {
/// Prints a diagnostic on stderr, one line for it and each of its notes:
///
///   model.onnx: error: what is wrong (at 'node or parameter')
///   plan.mlir:3:7: error: what is wrong
///
/// A place in an ONNX model is a name: it has no lines and columns. What is not
/// about a file begins with the tool's name.
void printDiagnostic(const mlir::Diagnostic &diagnostic);

/// Prints all diagnostics of a context.
class ModelDiagnostics : public mlir::ScopedDiagnosticHandler {
public:
  explicit ModelDiagnostics(mlir::MLIRContext *context);
};
} // namespace fsdp

#endif // FSDP_TOOLS_DIAGNOSTICS_H
