//===- RecordedValues.h - Calls and the values they name --------*- C++ -*-===//
//
// PyTorch's optimizer removes nodes whose record no other node has. The calls
// that read their results still name them.
//
//===----------------------------------------------------------------------===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_RECORDEDVALUES_H
#define FSDP_DIALECTS_ONNX_IMPORT_RECORDEDVALUES_H

#include "dialects/Onnx/Import/Records.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringSet.h"

namespace fsdp::onnx {
using Names = llvm::SetVector<llvm::StringRef>;

/// The nodes that one call became.
struct Call {
  CallRecord record;
  llvm::SmallVector<const Node *> nodes;
};

/// The values of a file beside those that its records name.
class RecordedValues {
public:
  explicit RecordedValues(const Graph &graph);

  /// Each call once, in order of its first node.
  const llvm::MapVector<llvm::StringRef, Call> &calls() const {
    return allCalls;
  }
  /// Whether the file has a value of this name.
  bool isDefined(llvm::StringRef value) const {
    return defined.contains(value);
  }
  bool isInput(llvm::StringRef value) const { return inputs.contains(value); }
  /// Whether the signature has it: a parameter, a buffer or an input.
  bool isPlaceholder(llvm::StringRef value) const {
    return placeholders.contains(value);
  }
  /// Whether the file says that a value has no floating elements.
  bool isWhole(llvm::StringRef value) const;
  /// The computed values, or inputs, that the call's nodes read and neither its
  /// record names nor it computed, but for whole numbers.
  Names otherOperands(const Call &call) const;

private:
  const Graph &graph;
  llvm::StringSet<> defined, inputs, placeholders;
  llvm::MapVector<llvm::StringRef, Call> allCalls;
};
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_RECORDEDVALUES_H
