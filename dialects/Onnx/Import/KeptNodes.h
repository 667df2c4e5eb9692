//===- KeptNodes.h - Nodes outside the set, as they are ---------*- C++ -*-===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_KEPTNODES_H
#define FSDP_DIALECTS_ONNX_IMPORT_KEPTNODES_H

#include "dialects/Onnx/Import/Import.h"
#include "dialects/Onnx/Import/TensorData.h"
#include "mlir/IR/Builders.h"

namespace fsdp::onnx {
/// The node's attributes as an `onnx.node` has them. Tensors that cannot be
/// loaded are left out, after an error.
mlir::DictionaryAttr attributesOf(const Node &node, mlir::OpBuilder &builder,
                                  TensorData &data);

/// The types that the file states for the node's results; tensors without a
/// rank (of f32, where not even the element type is stated) for the others.
llvm::SmallVector<mlir::Type> statedTypes(const Graph &graph, const Node &node,
                                          const ImportOptions &options,
                                          mlir::OpBuilder &builder);
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_KEPTNODES_H
