//===- Places.h - Indices as places in a table ------------------*- C++ -*-===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_PLACES_H
#define FSDP_DIALECTS_ONNX_IMPORT_PLACES_H

#include "dialects/Onnx/Import/Handlers.h"

namespace fsdp::onnx {
/// Indices into `extent` elements, and which of them are outside (absent where
/// that is known of none).
struct Wrapped {
  Operand index, outside;
};

/// Fails, after an error, where indices are no whole numbers.
llvm::LogicalResult checkIndices(NodeContext &c, const Operand &given);
/// Negative indices count from the end.
mlir::FailureOr<Wrapped> wrap(NodeContext &c, const Operand &given,
                              int64_t extent);
/// Adds `next` * `stride` to the places so far; either may be absent.
llvm::LogicalResult addPlaces(NodeContext &c, Wrapped &sum, const Wrapped &next,
                              int64_t stride);
/// The places as one operand: -1, which no table has, where one of several
/// indices is outside although their sum is not.
MaybeOperand placesOf(NodeContext &c, const Wrapped &sum, bool isSum);
/// GatherND's and ScatterND's indices [..., depth] into the dimensions
/// `extents` as places [...] in those merged.
MaybeOperand mergedPlaces(NodeContext &c, const Operand &indices,
                          llvm::ArrayRef<int64_t> extents);
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_PLACES_H
