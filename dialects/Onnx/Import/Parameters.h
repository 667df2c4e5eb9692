//===- Parameters.h - The parameters of the exported model ------*- C++ -*-===//
//
// Exporters merge equal initializers, drop zero biases, transpose and rename
// weights and leave constants that look like weights. What is trained must be
// the model that was exported: each operand of each node that reads an
// initializer is assigned the parameter it meant, or found to be a constant.
//
//===----------------------------------------------------------------------===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_PARAMETERS_H
#define FSDP_DIALECTS_ONNX_IMPORT_PARAMETERS_H

#include "dialects/Onnx/Import/Import.h"
#include "dialects/Onnx/Import/Records.h"
#include "dialects/Onnx/Import/TensorData.h"
#include "dialects/Onnx/Onnx.h"
#include "llvm/ADT/DenseMap.h"

namespace fsdp::onnx {
struct Parameter {
  std::string name;
  std::vector<std::string> aliases;
  /// Shape as PyTorch has it.
  llvm::SmallVector<int64_t> shape;
  /// Null for a bias of zeros that the exporter dropped.
  const TensorRecord *source = nullptr;
  /// The source holds the transpose.
  bool transposed = false;
  bool buffer = false;
  /// Scales a normalisation: starts at 1.
  bool isScale = false;
  /// Place in the order of declaration.
  size_t order = 0;
};

struct ParameterTable {
  std::vector<Parameter> parameters;

  /// The parameter that operand `second` of node `first` reads, and whether
  /// the node wants its transpose.
  struct Use {
    size_t parameter;
    bool transposed;
  };
  llvm::DenseMap<std::pair<const Node *, unsigned>, Use> uses;
  /// Parameters of zeros to be added to the result of a product (or given to
  /// a LayerNormalization as its bias).
  llvm::DenseMap<const Node *, size_t> droppedBiases;
  /// Values that are initializers: these and the Identities of them.
  llvm::StringMap<const TensorRecord *> weights;

  /// Rows of embeddings that get no gradient, where no record tells them.
  llvm::DenseMap<const Node *, int64_t> paddingRows;
  /// For scopes read from node paths.
  ContainerPrefixes containers;

  void use(const Node &node, unsigned operand, size_t parameter,
           bool transposed) {
    uses[{&node, operand}] = {parameter, transposed};
  }
};

/// Inputs that are parameters (by the signature or by `--param`) become
/// initializers without data.
llvm::LogicalResult declareInputParameters(Graph &graph,
                                           const ImportOptions &options,
                                           mlir::Location loc);

/// Whether the file has the graph signature of PyTorch's dynamo exporter.
bool hasSignature(const Graph &graph);

llvm::LogicalResult recoverParameters(const Graph &graph,
                                      const ImportOptions &options,
                                      TensorData &data, mlir::Location loc,
                                      ParameterTable &table);
/// By the records of PyTorch's dynamo exporter.
llvm::LogicalResult recoverBySignature(const Graph &graph, TensorData &data,
                                       mlir::Location loc,
                                       ParameterTable &table);
/// By the names of the legacy exporter, and for files without records.
llvm::LogicalResult recoverByNames(const Graph &graph,
                                   const ImportOptions &options,
                                   TensorData &data, mlir::Location loc,
                                   ParameterTable &table);
/// The rows that embeddings spare the gradient, where no record tells them: by
/// `--padding-idx`, without which a table with rows of zeros is refused.
llvm::LogicalResult findPaddingRows(const Graph &graph,
                                    const ImportOptions &options,
                                    TensorData &data, mlir::Location loc,
                                    ParameterTable &table);

/// Declares the parameters as `onnx.parameter`s.
llvm::LogicalResult emitParameters(const Graph &graph,
                                   const ImportOptions &options,
                                   TensorData &data, mlir::OpBuilder &builder,
                                   mlir::Location loc,
                                   const ParameterTable &table);

/// Whether `name` matches one of the glob patterns.
bool matchesAny(llvm::StringRef name, const std::vector<std::string> &patterns);

bool isFloatData(int32_t dataType);

/// Whether matrix `a` holds the transpose of matrix `b`; no where the data of
/// one are not there.
llvm::FailureOr<bool> isTransposeOf(const TensorRecord &a,
                                    const TensorRecord &b, TensorData &data);
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_PARAMETERS_H
