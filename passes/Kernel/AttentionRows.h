//===- AttentionRows.h - Rows of attention's scores -------------*- C++ -*-===//
//
// What kernels share that work on attention's scores, whole or between products
// of the library.
//
//===----------------------------------------------------------------------===//
#ifndef FSDP_PASSES_KERNEL_ATTENTIONROWS_H
#define FSDP_PASSES_KERNEL_ATTENTIONROWS_H

#include "passes/Kernel/Tiles.h"

namespace fsdp {
/// What `mask`, which broadcasts to [B, H, S, T], adds to the first `count`
/// scores of the row at `places`: batch, head and row.
mlir::Value maskRow(Emitter &e, mlir::Value mask,
                    llvm::ArrayRef<mlir::Value> places, mlir::Value count);

/// Zero in columns [from, to) of row `i`.
void clearColumns(Emitter &e, const Tile &tile, mlir::Value i, mlir::Value from,
                  mlir::Value to);
} // namespace fsdp

#endif // FSDP_PASSES_KERNEL_ATTENTIONROWS_H
