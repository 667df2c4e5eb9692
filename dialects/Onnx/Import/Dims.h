//===- Dims.h - Symbolic dimensions are bound -------------------*- C++ -*-===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_DIMS_H
#define FSDP_DIALECTS_ONNX_IMPORT_DIMS_H

#include "dialects/Onnx/Import/Graph.h"
#include "dialects/Onnx/Import/Import.h"

namespace fsdp::onnx {
/// Static shapes of the graph's inputs, in their order. Every option has to
/// match something, and every symbolic dimension has to be bound.
mlir::FailureOr<std::vector<llvm::SmallVector<int64_t>>>
bindDims(const Graph &graph, const ImportOptions &options, mlir::Location loc);

/// The shape that the file states for a value, where all of it is known.
std::optional<llvm::SmallVector<int64_t>>
statedShape(const ValueRecord &value, const ImportOptions &options);
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_DIMS_H
