//===- Tiles.h - Products of tiles inside kernels ---------------*- C++ -*-===//
#ifndef FSDP_PASSES_KERNEL_TILES_H
#define FSDP_PASSES_KERNEL_TILES_H

#include "passes/Kernel/Emitter.h"

namespace fsdp {
/// A matrix inside a dense memref: element (i, j) at offset + i * stride + j,
/// or, transposed, at offset + j * stride + i.
struct Tile {
  mlir::Value memref, offset;
  int64_t stride;
  bool transposed = false;

  Tile t() const { return {memref, offset, stride, !transposed}; }
  mlir::Type element() const {
    return llvm::cast<mlir::MemRefType>(memref.getType()).getElementType();
  }
};

struct Extents {
  mlir::Value m, n, k;
};

// Index arithmetic.
mlir::Value addIndex(Emitter &e, mlir::Value a, mlir::Value c);
mlir::Value scaleIndex(Emitter &e, mlir::Value a, int64_t factor);

/// Row `i` of op(tile), `count` long.
mlir::Value line(Emitter &e, const Tile &tile, mlir::Value i,
                 mlir::Value count);

/// Copies `rows` x `columns` elements of what is stored, transposed or not, in
/// the element type of `to`.
void copyTile(Emitter &e, const Tile &from, const Tile &to, mlir::Value rows,
              mlir::Value columns);

/// c = alpha op(a) op(b) (+ c with `add`), c in compute type: in f32 a call of
/// fsdprt_tile_gemm, or of fsdprt_tile_gemm_bf16 where a and b are bf16, if the
/// target has them; else loops.
void product(Emitter &e, const Extents &x, double alpha, const Tile &a,
             const Tile &b, const Tile &c, bool add = false);
} // namespace fsdp

#endif // FSDP_PASSES_KERNEL_TILES_H
