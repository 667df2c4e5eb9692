//===- ComputedParameters.h - What was computed of parameters ---*- C++ -*-===//
//
// The optimizer computes ahead what depends on parameters alone, and merges the
// result with an initializer of the same contents. Read as a constant it would
// not be trained, read as that parameter it would be trained as another.
//
//===----------------------------------------------------------------------===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_COMPUTEDPARAMETERS_H
#define FSDP_DIALECTS_ONNX_IMPORT_COMPUTEDPARAMETERS_H

#include "dialects/Onnx/Import/Parameters.h"
#include "dialects/Onnx/Import/Records.h"

#include "llvm/ADT/StringSet.h"

namespace fsdp::onnx {
/// An operand whose initializer was computed from a parameter.
struct Computed {
  const Node *node;
  unsigned operand;
  const TensorRecord *record;
  const SignatureLine *parameter;
  /// Whether the call reads the value that the initializer is named after.
  /// Equal initializers are one: it may be another.
  bool sameValue = false;
  /// The initializer is the parameter's own, merged with what the call reads.
  bool merged = false;
  /// What PyTorch reads instead, where it is merged.
  std::string value;
};

/// Tells what a call reads that is gone from the file: neither a placeholder
/// nor an initializer nor the result of a node.
class FoldedValues {
public:
  FoldedValues(const Graph &graph, const std::vector<SignatureLine> &lines);

  /// The value that a parameter's initializer may stand for in a call that does
  /// not read the parameter, as text for a message, or nothing for a constant
  /// of the call. `argument` is the operand's, where its role is known.
  std::optional<std::string> standsFor(const CallRecord &call,
                                       const TensorRecord &record,
                                       std::optional<int> argument) const;
  /// Whether an initializer that was computed ahead is a parameter as it is,
  /// or its transpose: all that lies between is calls like `clone`. `value` is
  /// what the call reads, `targets` has the parameters' names.
  bool isIdentity(const TensorRecord &record, llvm::StringRef value,
                  const llvm::StringMap<size_t> &targets,
                  bool transposed) const;
  /// The first value of a call that is gone, or "".
  std::string firstOf(const CallRecord &call) const;

private:
  bool isGone(llvm::StringRef value) const;
  bool readsMergedBuffer(const CallRecord &call) const;

  const Graph &graph;
  llvm::StringMap<const SignatureLine *> placeholders;
  llvm::StringSet<> results;
};

/// Whether `operand` holds just the transpose of its parameter: a head written
/// as x @ embedding.T.
llvm::FailureOr<bool> isTransposed(const Computed &operand, const Graph &graph,
                                   TensorData &data,
                                   const ParameterTable &table);

/// One error that names them all, if there are any.
llvm::LogicalResult refuseComputed(llvm::ArrayRef<Computed> computed,
                                   mlir::Location loc);
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_COMPUTEDPARAMETERS_H
