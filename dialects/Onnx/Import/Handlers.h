//===- Handlers.h - How each ONNX operator is imported ----------*- C++ -*-===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_HANDLERS_H
#define FSDP_DIALECTS_ONNX_IMPORT_HANDLERS_H

#include "dialects/Onnx/Import/Emitter.h"
#include "dialects/Onnx/Import/Graph.h"
#include "dialects/Onnx/Import/Records.h"
#include "dialects/Onnx/Import/TensorData.h"

namespace fsdp::onnx {
struct NodeContext {
  const Node &node;
  Emitter &e;
  std::vector<Operand> in;
  std::vector<Operand> out;
  TensorData &data;
  /// padding_idx of an embedding, where the file's records do not tell it.
  std::optional<int64_t> paddingRow;
  /// The log-softmax behind a value: its input and axis.
  llvm::DenseMap<mlir::Value, std::pair<mlir::Value, int64_t>> &logSoftmax;
  /// The input of an IsNaN behind its result.
  llvm::DenseMap<mlir::Value, mlir::Value> &nanTests;

  bool has(unsigned i) const { return i < in.size() && in[i].present(); }
  int64_t integer(llvm::StringRef name, int64_t otherwise) const;
  double real(llvm::StringRef name, double otherwise) const;
  std::string text(llvm::StringRef name, llvm::StringRef otherwise) const;
  const NodeAttribute *attribute(llvm::StringRef name) const;
  /// Fails, after an error, where the node is of a version of its operator that
  /// is older than known, or has an attribute that no known version has, and
  /// which may change the result.
  llvm::LogicalResult checkAttributes() const;
  /// The tensor of an attribute.
  mlir::FailureOr<Tensor> tensor(llvm::StringRef name) const;
  /// The integers of a constant operand, or nothing.
  std::optional<llvm::SmallVector<int64_t>> constantInts(unsigned i) const;
  /// Integers that are an operand in newer versions of an operator and an
  /// attribute in older ones; nothing where neither is there or known.
  std::optional<llvm::SmallVector<int64_t>> ints(unsigned i,
                                                 llvm::StringRef name) const;
  /// The axis counted from the front; fails after an error when outside.
  mlir::FailureOr<int64_t> axis(int64_t value, int64_t rank) const;
  mlir::FailureOr<llvm::SmallVector<int64_t>>
  axes(llvm::ArrayRef<int64_t> values, int64_t rank) const;
  llvm::LogicalResult result(MaybeOperand value) {
    if (failed(value))
      return mlir::failure();
    out.push_back(std::move(*value));
    return mlir::success();
  }
};

/// Fills `out`. Fails with an error where the model is wrong, without any
/// where the operator (or this use of it) is outside the set.
using Handler = llvm::LogicalResult (*)(NodeContext &);
using HandlerTable = llvm::StringMap<Handler>;

void addMathHandlers(HandlerTable &table);
void addActivationHandlers(HandlerTable &table);
void addReductionHandlers(HandlerTable &table);
void addShapeHandlers(HandlerTable &table);
void addTensorHandlers(HandlerTable &table);
void addNNHandlers(HandlerTable &table);
void addAttentionHandlers(HandlerTable &table);
void addIndexHandlers(HandlerTable &table);
void addOrderHandlers(HandlerTable &table);
void addEinsumHandlers(HandlerTable &table);

/// The handlers of all groups.
HandlerTable allHandlers();

/// Indices into `extent` elements, of which negative ones count from the end;
/// those that are outside stay so, and so does what is an input.
MaybeOperand wrapIndices(NodeContext &c, const Operand &indices,
                         int64_t extent);

/// How many operands a node needs at least.
size_t requiredOperands(const Node &node);

/// Operators that take or give more than tensors.
bool takesSequence(llvm::StringRef opType);
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_HANDLERS_H
