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
  /// The file says that it is not trained.
  bool frozen = false;
  /// Place in the order of declaration.
  size_t order = 0;
};

/// A parameter or persistent buffer of the exported model that is not in the
/// file.
struct LostName {
  std::string name;
  /// Place in the order of declaration.
  size_t order = 0;
  bool buffer = false;
  /// A recorded call reads it: it was merged or computed ahead.
  bool isRead = false;
};

/// A bias of zeros that is no operand of its node; what is added is `scale`
/// times it.
struct DroppedBias {
  size_t parameter = 0;
  double scale = 1;
};

struct ParameterTable {
  std::vector<Parameter> parameters;
  std::vector<LostName> lost;
  /// Names that were left out on request: saved files lack them.
  std::vector<std::string> dropped;
  /// Initializers that are constants because the user said so.
  std::vector<std::string> constants;
  /// The optimizer of PyTorch's exporter went over the file.
  bool optimized = false;

  /// The parameter that operand `second` of node `first` reads, and whether
  /// the node wants its transpose.
  struct Use {
    size_t parameter;
    bool transposed;
  };
  llvm::DenseMap<std::pair<const Node *, unsigned>, Use> uses;
  /// Parameters of zeros to be added to the result of a product (or given to
  /// a LayerNormalization as its bias).
  llvm::DenseMap<const Node *, DroppedBias> droppedBiases;
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
  /// The parameter of this name or alias.
  std::optional<size_t> find(llvm::StringRef name) const;
  bool isRead(size_t parameter) const;
  /// Removes a parameter; what reads it reads `replacement`.
  void erase(size_t parameter, size_t replacement);
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
llvm::LogicalResult recoverBySignature(const Graph &graph,
                                       const ImportOptions &options,
                                       TensorData &data, mlir::Location loc,
                                       ParameterTable &table);
/// By the names of PyTorch's legacy exporter.
llvm::LogicalResult recoverByNames(const Graph &graph,
                                   const ImportOptions &options,
                                   TensorData &data, mlir::Location loc,
                                   ParameterTable &table);
/// By what the user says, or the file's training information: for files that
/// PyTorch did not write.
llvm::LogicalResult recoverAsTold(const Graph &graph,
                                  const ImportOptions &options,
                                  mlir::Location loc, ParameterTable &table);
/// The rows that embeddings spare the gradient, where no record tells them: by
/// `--padding-idx`, without which a table with rows of zeros is refused.
llvm::LogicalResult findPaddingRows(const Graph &graph,
                                    const ImportOptions &options,
                                    TensorData &data, mlir::Location loc,
                                    ParameterTable &table);

/// `--tie`: two names of one parameter, whose shapes and contents have to agree
/// where the file has both.
llvm::LogicalResult applyTies(const Graph &graph, const ImportOptions &options,
                              TensorData &data, mlir::Location loc,
                              ParameterTable &table);
/// `--rename`: the names of the model in files that lost them.
llvm::LogicalResult applyRenames(const Graph &graph,
                                 const ImportOptions &options,
                                 mlir::Location loc, ParameterTable &table);
/// `--drop-unused`, and one error for all names that are lost after it.
llvm::LogicalResult accountForLost(const ImportOptions &options,
                                   mlir::Location loc, ParameterTable &table);

/// Declares the parameters as `onnx.parameter`s.
llvm::LogicalResult emitParameters(const Graph &graph,
                                   const ImportOptions &options,
                                   TensorData &data, mlir::OpBuilder &builder,
                                   mlir::Location loc,
                                   const ParameterTable &table);

/// Whether `name` matches one of the glob patterns.
bool matchesAny(llvm::StringRef name, const std::vector<std::string> &patterns);

/// Each of the patterns of `--flag` has to match one of the names, which are
/// `what` ("parameter").
llvm::LogicalResult checkPatterns(llvm::StringRef flag,
                                  llvm::ArrayRef<std::string> patterns,
                                  llvm::ArrayRef<std::string> names,
                                  llvm::StringRef what, mlir::Location loc);

bool isFloatData(int32_t dataType);

/// Operands that no model trains: the ratio of a Dropout, the bounds of a Clip.
bool isSetting(const Node &node, unsigned operand);

/// The bytes of a tensor; nothing where its file is not there.
llvm::FailureOr<std::optional<llvm::StringRef>>
bytesOf(const TensorRecord &record, TensorData &data);
/// Whether two parameters of one shape have the same values; taken as such
/// where the data of one are not there.
llvm::FailureOr<bool> equalContents(const Parameter &a, const Parameter &b,
                                    TensorData &data);
/// Names for a message: "'a', 'b' and 3 more".
std::string listNames(llvm::ArrayRef<std::string> names);

/// Whether matrix `a` holds the transpose of matrix `b`; no where the data of
/// one are not there.
llvm::FailureOr<bool> isTransposeOf(const TensorRecord &a,
                                    const TensorRecord &b, TensorData &data);
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_PARAMETERS_H
