//===- TensorData.h - The bytes of tensors ----------------------*- C++ -*-===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_TENSORDATA_H
#define FSDP_DIALECTS_ONNX_IMPORT_TENSORDATA_H

#include "dialects/Onnx/Evaluate.h"
#include "dialects/Onnx/Import/Graph.h"

namespace fsdp::onnx {
/// Finds and reads tensor data: inside the model's file, or in external files
/// beside it.
class TensorData {
public:
  TensorData(const Graph &graph, mlir::Location loc) : graph(graph), loc(loc) {}

  /// The file that holds an external tensor, absolute; empty when it does not
  /// exist. Fails when the location leaves the model's folder or the file is
  /// too short.
  mlir::FailureOr<std::string> externalFile(const TensorRecord &record);
  /// Fails after an error when the data are not there.
  mlir::FailureOr<llvm::StringRef> bytes(const TensorRecord &record);
  mlir::FailureOr<Tensor> load(const TensorRecord &record);

private:
  const Graph &graph;
  mlir::Location loc;
  llvm::StringMap<std::unique_ptr<llvm::MemoryBuffer>> files;
};
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_TENSORDATA_H
