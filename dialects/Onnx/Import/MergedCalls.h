//===- MergedCalls.h - Calls that the optimizer took for others -*- C++ -*-===//
//
// The optimizer of PyTorch's exporter makes one of two equal nodes and removes
// those that copy. It does so behind a detach as well, which it has removed
// before: `sigmoid(h) + sigmoid(h.detach())` has one Sigmoid, whose gradient is
// that of both. The call that reads the result still names the one that is
// gone.
//
//===----------------------------------------------------------------------===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_MERGEDCALLS_H
#define FSDP_DIALECTS_ONNX_IMPORT_MERGEDCALLS_H

#include "dialects/Onnx/Import/Parameters.h"
#include "dialects/Onnx/Import/StopGradients.h"

namespace fsdp::onnx {
/// Of a file that tells of a detach anywhere, refuses such calls between a
/// parameter and the results, by name, with one error at `loc`; of another
/// file, in which they may well be what they seem, warns of them.
llvm::LogicalResult checkMergedCalls(const Graph &graph,
                                     const ParameterTable &parameters,
                                     const StopTable &stops,
                                     mlir::Location loc);
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_MERGEDCALLS_H
