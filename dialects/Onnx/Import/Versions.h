//===- Versions.h - Which versions of ONNX are known ------------*- C++ -*-===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_VERSIONS_H
#define FSDP_DIALECTS_ONNX_IMPORT_VERSIONS_H

#include "mlir/IR/Location.h"
#include "llvm/Support/LogicalResult.h"

namespace fsdp::onnx {
/// Fails, with one error at `loc`, where the file's IR is newer than any known:
/// it may mean something that nobody here has read.
llvm::LogicalResult checkIrVersion(int64_t version, mlir::Location loc);

/// The same for an operator set that a model or a function imports.
llvm::LogicalResult checkOpset(llvm::StringRef domain, int64_t version,
                               mlir::Location loc);

/// The opset from which on an operator of the ONNX domain is known: older ones
/// had other defaults, broadcast along an `axis` or dropped values.
int64_t oldestOpset(llvm::StringRef opType);

/// Whether any known version of an operator of the ONNX domain has the
/// attribute.
bool isKnownAttribute(llvm::StringRef opType, llvm::StringRef attribute);
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_VERSIONS_H
