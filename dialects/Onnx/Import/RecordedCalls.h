//===- RecordedCalls.h - What a call says and its nodes do not --*- C++ -*-===//
//
// PyTorch's exporter turns some calls into nodes that have no place for one of
// their arguments, and forward passes that change their own parameters or
// buffers into ones that do not. The call is recorded beside the nodes.
//
//===----------------------------------------------------------------------===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_RECORDEDCALLS_H
#define FSDP_DIALECTS_ONNX_IMPORT_RECORDEDCALLS_H

#include "dialects/Onnx/Import/Records.h"

namespace fsdp::onnx {
/// Fails, with one error at `loc` that names the node, the argument and the
/// way out, where the file would train something else than PyTorch does.
llvm::LogicalResult checkRecordedCalls(const Graph &graph, mlir::Location loc);

/// Without an operand for its mode a Dropout is the identity. But PyTorch's
/// exporters write none at all in eval() mode: such a node of theirs comes from
/// a call that always drops, and is refused.
llvm::LogicalResult checkDropoutMode(const Graph &graph, const Node &node,
                                     mlir::Location loc);
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_RECORDEDCALLS_H
