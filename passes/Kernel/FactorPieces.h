//===- FactorPieces.h - What a rank has of parameters -----------*- C++ -*-===//
//
// A rank has elements [begin, end) of each parameter, which lie one after the
// other in its shard: a piece may begin and end inside of a row.
//
//===----------------------------------------------------------------------===//
#ifndef FSDP_PASSES_KERNEL_FACTORPIECES_H
#define FSDP_PASSES_KERNEL_FACTORPIECES_H

#include "mlir/IR/TypeUtilities.h"
#include "passes/Kernel/Emitter.h"

namespace fsdp {
/// arith of indices in short.
struct Indices {
  Emitter &e;

  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value sub(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, int64_t y);
  mlir::Value min(mlir::Value x, mlir::Value y);
  mlir::Value max(mlir::Value x, mlir::Value y);
  mlir::Value div(mlir::Value x, int64_t y);
  mlir::Value ceilDiv(mlir::Value x, int64_t y);
};

/// Elements [begin, end) of a parameter, or rows of it.
struct Span {
  mlir::Value begin, end;
};

struct Piece {
  train::PieceAttr attr;
  int64_t factors;        ///< where its factors begin
  int64_t sums = 0;       ///< where its sums of blocks begin among all of them
  mlir::Value shift = {}; ///< its element e is element e + shift of the shard
  Span elements = {};     ///< that the shard has of it

  int64_t batch() const { return attr.getBatch(); }
  int64_t rows() const { return attr.isVector() ? 1 : attr.getRows(); }
  int64_t columns() const { return attr.getColumns(); }
  /// One at least, that an empty one can be divided by.
  int64_t width() const { return std::max<int64_t>(1, columns()); }
  /// Where the factors of columns begin.
  int64_t columnFactors() const { return factors + attr.getNumRowFactors(); }
};

/// The pieces of a kernel, one after the other.
class Pieces {
public:
  Pieces(Emitter &e, mlir::ArrayAttr attrs);

  /// Finds what rank number `rank` has in its shard of `size` elements.
  void place(mlir::Value rank, int64_t size);

  /// The iterations of this call among the next `count` of the kernel.
  void iterations(int64_t count, llvm::function_ref<void(mlir::Value)> body);

  /// What of `piece` is in block `block` of the shard.
  Span inBlock(const Piece &piece, mlir::Value block);

  /// Elements of block `block` of a shard of `size` elements that are in no
  /// piece, one gap after the other.
  void forGaps(mlir::Value block, int64_t size,
               llvm::function_ref<void(Span)> body);

  /// What is in both; else nothing, at a place that `a` has or ends with.
  Span common(Span a, Span b);

  /// The groups of `size` elements that some of `elements` are in.
  Span groupsOf(Span elements, int64_t size);

  /// Rows that have some of `elements`; of matrix `number` alone, if given.
  Span rowsOf(const Piece &piece, Span elements, mlir::Value number = {});

  /// `elements` of the shard `values`.
  mlir::Value slice(const Piece &piece, mlir::Value values, Span elements);

  /// Sum of the squares of what `element` makes of the elements of `rows`, in
  /// f64.
  mlir::Value squares(llvm::ArrayRef<mlir::Value> rows, Emitter::Body element);

  Emitter &e;
  Indices i;
  llvm::SmallVector<Piece> all;
  int64_t numFactors = 0;
  int64_t blocks = 0; ///< of the shard
};

/// The gradient of an element as an update takes it.
struct Gradient {
  mlir::Type type;  ///< the parameters'
  mlir::Value clip; ///< null: there is none

  mlir::Value operator()(mlir::OpBuilder &b, mlir::Location loc,
                         mlir::Value g) const;
};

int64_t sizeOf(mlir::Value memref);

/// The kernels of train.factor_squares and train.factor_update.
mlir::LogicalResult emitFactorUpdate(Emitter &e, mlir::Operation *op);
} // namespace fsdp

#endif // FSDP_PASSES_KERNEL_FACTORPIECES_H
