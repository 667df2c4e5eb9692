//===- Converter.h - From protobuf's messages to a graph --------*- C++ -*-===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_CONVERTER_H
#define FSDP_DIALECTS_ONNX_IMPORT_CONVERTER_H

#include "dialects/Onnx/Import/Graph.h"

#include "mlir/IR/Diagnostics.h"
#include "onnx-ml.pb.h"

namespace fsdp::onnx {
namespace pb = fsdp_onnx;

/// Fills a graph from the file's messages; every error is at `loc`.
class Converter {
public:
  Converter(Graph &graph, mlir::Location loc) : graph(graph), loc(loc) {}
  llvm::LogicalResult convert(const pb::ModelProto &model);

private:
  mlir::FailureOr<TensorRecord> convertTensor(const pb::TensorProto &tensor,
                                              llvm::StringRef what);
  llvm::LogicalResult convertExternal(const pb::TensorProto &tensor,
                                      TensorRecord &record);
  mlir::FailureOr<Node> convertNode(const pb::NodeProto &node);
  mlir::FailureOr<NodeAttribute>
  convertAttribute(const pb::AttributeProto &attribute, llvm::StringRef node);
  mlir::FailureOr<Body> convertBody(const pb::AttributeProto &attribute);
  ValueRecord convertValue(const pb::ValueInfoProto &value);
  llvm::LogicalResult convertInitializers(const pb::GraphProto &graph);
  llvm::LogicalResult convertNodes(const pb::ModelProto &model);
  template <typename Opsets>
  llvm::LogicalResult readVersions(const Opsets &opsets);
  mlir::InFlightDiagnostic error() { return mlir::emitError(loc); }

  Graph &graph;
  mlir::Location loc;
  llvm::StringMap<int64_t> versions;
};
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_CONVERTER_H
