//===- DroppedSums.h - Additions that the optimizer took for none -*- C++ -*-=//
//
// PyTorch's optimizer drops `x + c` and `x - c` where c is at most 1e-8 (the
// absolute tolerance of onnxscript's patterns), the epsilon of a norm for
// instance. The number is gone; the call that reads the sum still names it.
//
//===----------------------------------------------------------------------===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_DROPPEDSUMS_H
#define FSDP_DIALECTS_ONNX_IMPORT_DROPPEDSUMS_H

#include "dialects/Onnx/Import/Records.h"

namespace fsdp::onnx {
/// Fails, with one error at `loc`, where a sum was dropped before a division, a
/// root or a logarithm, which make much of a small number; warns of another,
/// where it moves the result by no more than itself.
llvm::LogicalResult checkDroppedSums(const Graph &graph, mlir::Location loc);
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_DROPPEDSUMS_H
