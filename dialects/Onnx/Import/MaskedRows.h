//===- MaskedRows.h - Attention over no key at all --------------*- C++ -*-===//
//
// PyTorch's scaled_dot_product_attention gives 0 for a query that a mask hides
// every key from. ONNX's Softmax gives NaN, or, where the exporter writes the
// lowest finite number for -inf, the mean of all values.
//
//===----------------------------------------------------------------------===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_MASKEDROWS_H
#define FSDP_DIALECTS_ONNX_IMPORT_MASKEDROWS_H

#include "dialects/Onnx/Import/Emitter.h"
#include "dialects/Onnx/Import/Graph.h"

namespace fsdp::onnx {
/// Whether the node's record is of scaled_dot_product_attention.
bool isFromSdpa(const Node &node);

/// softmax(scores + mask) along the last dimension; 0 in the rows of `mask`
/// that hold nothing above `lowest`.
MaybeOperand maskedSoftmax(Emitter &e, const Operand &scores,
                           const Operand &mask, double lowest);

/// The same for `x`, a sum of scores and a mask that has such rows, or may have
/// them since it is chosen by computed bools; nothing for any other value.
/// `lowest` is -inf, or the lowest finite number of x's type for `finite`.
mlir::FailureOr<std::optional<Operand>>
softmaxOfMasked(Emitter &e, mlir::Value x, bool finite);
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_MASKEDROWS_H
