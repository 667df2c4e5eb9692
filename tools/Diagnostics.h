//===- Diagnostics.h - How the tools print errors ---------------*- C++ -*-===//
#ifndef FSDP_TOOLS_DIAGNOSTICS_H
#define FSDP_TOOLS_DIAGNOSTICS_H

#include "mlir/IR/Diagnostics.h"

namespace fsdp {
/// Prints diagnostics about an ONNX model on stderr, one line each:
///
///   model.onnx: error: what is wrong (at 'node or parameter')
///
/// A place in such a file is a name: it has no lines and columns. What is not
/// about the file begins with the tool's name.
class ModelDiagnostics : public mlir::ScopedDiagnosticHandler {
public:
  explicit ModelDiagnostics(mlir::MLIRContext *context);
};
} // namespace fsdp

#endif // FSDP_TOOLS_DIAGNOSTICS_H
