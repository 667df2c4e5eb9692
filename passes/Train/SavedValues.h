//===- SavedValues.h - What to keep from forward to backward ----*- C++ -*-===//
#ifndef FSDP_PASSES_TRAIN_SAVEDVALUES_H
#define FSDP_PASSES_TRAIN_SAVEDVALUES_H

#include "mlir/IR/ValueRange.h"
#include "llvm/ADT/DenseSet.h"

namespace fsdp {
/// What may be kept, and what it costs: how `cheapestSaved` sees a graph.
struct SavedCosts {
  /// Bytes that keeping a value costs; 0 where it is kept anyway.
  llvm::function_ref<int64_t(mlir::Value)> bytes;
  /// Whether a value cannot be computed again from its op's operands.
  llvm::function_ref<bool(mlir::Value)> isSource;
  /// Whether a value is always there: nothing is to be kept for it.
  llvm::function_ref<bool(mlir::Value)> isFree;
};

/// The values to keep so that each of `needed` is kept or can be computed from
/// kept ones, at the least cost in bytes; of several such choices the one that
/// computes least (a minimum cut, nearest to `needed`).
llvm::DenseSet<mlir::Value> cheapestSaved(mlir::ValueRange needed,
                                          const SavedCosts &costs);
} // namespace fsdp

#endif // FSDP_PASSES_TRAIN_SAVEDVALUES_H
