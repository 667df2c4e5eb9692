//===- StopGradients.h - Values read without gradient -----------*- C++ -*-===//
//
// PyTorch's detach is an Identity of the raw export; the optimizer removes it,
// and only the call that reads the value still says so, by its argument's name.
//
//===----------------------------------------------------------------------===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_STOPGRADIENTS_H
#define FSDP_DIALECTS_ONNX_IMPORT_STOPGRADIENTS_H

#include "dialects/Onnx/Import/Import.h"
#include "dialects/Onnx/Import/Records.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringSet.h"

namespace fsdp::onnx {
struct StopTable {
  /// Operand `second` of node `first` is read without gradient.
  llvm::DenseSet<std::pair<const Node *, unsigned>> operands;
  /// Results that `--stop-gradient` names.
  llvm::StringSet<> results;
};

/// Finds them all; fails, with one error at `loc`, where a record tells of one
/// and not which operand it is, or an option names no value.
llvm::LogicalResult findStops(const Graph &graph, const ImportOptions &options,
                              mlir::Location loc, StopTable &table);
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_STOPGRADIENTS_H
