//===- EmitProduct.cpp - Products that the GEMM library has not -----------===//
//
// In full precision a row of C is computed in blocks of columns, by loops. In
// half precision, on hosts whose library cannot, one iteration computes a tile
// of C: it widens the tiles of A and B that it needs into scratch, kDepth of
// the sum at a time, and adds their products (Tiles.h) in f32; the tile is
// rounded once. Tiles and the order of sums follow from the shapes alone.
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/Tiles.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace fsdp;

namespace {
/// Where the matrices of a product stand in an operand.
struct Matrices {
  SmallVector<int64_t> batch; ///< strides in elements, 0 where broadcast
  int64_t row, column;        ///< strides of the operand after transposing

  Matrices(Value memref, bool transposed, size_t batchRank) {
    auto type = cast<MemRefType>(memref.getType());
    ArrayRef<int64_t> shape = type.getShape();
    row = shape.back(), column = 1;
    int64_t stride = shape[shape.size() - 2] * shape.back();
    for (size_t d = shape.size() - 2; d-- > 0; stride *= shape[d])
      batch.insert(batch.begin(), shape[d] == 1 ? 0 : stride);
    batch.insert(batch.begin(), batchRank - batch.size(), 0);
    if (transposed)
      std::swap(row, column);
  }

  Value offset(Emitter &e, ArrayRef<Value> indices) const {
    Value sum = e.index(0);
    for (auto [i, stride] : llvm::zip(indices, batch))
      sum = addIndex(e, sum, scaleIndex(e, i, stride));
    return sum;
  }
};

/// A row of C in blocks of columns, contributions in the order of k.
LogicalResult emitLoops(Emitter &e, onnx::MatMulOp op) {
  auto c = cast<MemRefType>(e.outs[0].getType());
  Type element = e.computeType(c.getElementType());
  size_t batchRank = c.getRank() - 2;
  Matrices a(e.ins[0], op.getTransA(), batchRank);
  Matrices b(e.ins[1], op.getTransB(), batchRank);
  auto aType = cast<MemRefType>(e.ins[0].getType());
  int64_t width = c.getShape().back();
  int64_t depth = aType.getShape()[aType.getRank() - (op.getTransA() ? 2 : 1)];
  SmallVector<int64_t> space(c.getShape().drop_back());
  space.push_back(llvm::divideCeil(width, kColumnBlock));
  e.extent = 1;
  for (int64_t extent : space)
    e.extent *= extent;
  Value out = e.view(e.outs[0], {c.getNumElements() / width, width});
  Value tile = e.stack(element, {kColumnBlock});
  e.loop(e.begin, e.end, [&](Value i) {
    SmallVector<Value> place = e.delinearize(i, space);
    ArrayRef<Value> batch = ArrayRef(place).take_front(batchRank);
    Emitter::Columns columns = e.columnBlock(place.back(), width);
    Value sums = e.slice(tile, e.index(0), columns.size);
    e.fill(sums, e.number(element, 0));
    Value aRow = e.strided(
        e.ins[0],
        addIndex(e, a.offset(e, batch), scaleIndex(e, place[batchRank], a.row)),
        e.b.getIndexAttr(depth), a.column);
    Value bBlock =
        addIndex(e, b.offset(e, batch), scaleIndex(e, columns.low, b.column));
    e.loop(e.index(0), e.index(depth), [&](Value k) {
      Value factor = e.load(aRow, k);
      Value bRow =
          e.strided(e.ins[1], addIndex(e, bBlock, scaleIndex(e, k, b.row)),
                    columns.size, b.column);
      e.map({sums, bRow}, sums,
            [&](OpBuilder &nested, Location loc, ValueRange args) -> Value {
              Value product =
                  nested.create<arith::MulFOp>(loc, factor, args[1]);
              return nested.create<arith::AddFOp>(loc, args[0], product);
            });
    });
    Value row = e.b.create<arith::DivUIOp>(e.loc, i, e.index(space.back()));
    e.map({sums}, e.slice(e.row(out, row), columns),
          [](OpBuilder &, Location, ValueRange args) { return args[0]; });
  });
  return success();
}

//===----------------------------------------------------------------------===//
// Half precision
//===----------------------------------------------------------------------===//

/// A tile of C, and how much of a sum is widened at once. Every element of B
/// is widened for 2 * kRows operations, one of A for 2 * kColumns.
constexpr int64_t kRows = 128, kColumns = 512, kDepth = 256;

bool isHalf(Type type) { return onnx::statisticsType(type) != type; }

/// Extents of a product and of its tiles. A batch that shares B and whose rows
/// of A follow each other is more rows of one product.
struct TiledShape {
  SmallVector<int64_t> batch;
  int64_t m, n, k;
  int64_t rows, columns, depth; ///< of a tile, at most

  explicit TiledShape(onnx::MatMulOp op) {
    auto a = cast<RankedTensorType>(op.getLhs().getType()).getShape();
    auto b = cast<RankedTensorType>(op.getRhs().getType()).getShape();
    auto c = cast<RankedTensorType>(op.getY().getType()).getShape();
    batch.assign(c.begin(), c.end() - 2);
    m = c[c.size() - 2], n = c.back();
    k = a[a.size() - (op.getTransA() ? 2 : 1)];
    bool sharesB =
        llvm::all_of(b.drop_back(2), [](int64_t d) { return d == 1; });
    if (sharesB && !op.getTransA() && a.drop_back() == c.drop_back()) {
      for (int64_t extent : batch)
        m *= extent;
      batch.clear();
    }
    rows = std::min(m, kRows), columns = std::min(n, kColumns);
    depth = std::min(k, kDepth);
  }
};

/// Part `number` of [0, whole) in parts of `size`.
struct Span {
  Value first, size;
};
Span spanOf(Emitter &e, Value number, int64_t size, int64_t whole) {
  Value first = scaleIndex(e, number, size);
  Value left = e.b.create<arith::SubIOp>(e.loc, e.index(whole), first);
  return {first, e.b.create<arith::MinSIOp>(e.loc, left, e.index(size))};
}

/// One operand, and where its tiles are widened.
struct Operand {
  Value memref;
  Matrices matrices;
  int64_t stride; ///< from one stored row to the next
  Tile wide;

  /// Of an operand of a tiled product, `batchRank` of whose batch dimensions
  /// are left; the others are rows, or 1.
  Operand(Value memref, bool transposed, size_t batchRank, size_t fullRank,
          Tile wide)
      : memref(memref), matrices(memref, transposed, fullRank),
        stride(cast<MemRefType>(memref.getType()).getShape().back()),
        wide(wide) {
    matrices.batch.resize(batchRank);
  }

  Tile tile(Emitter &e, ArrayRef<Value> batch, Span rows, Span columns) const {
    Value offset = matrices.offset(e, batch);
    offset = addIndex(e, offset, scaleIndex(e, rows.first, matrices.row));
    offset = addIndex(e, offset, scaleIndex(e, columns.first, matrices.column));
    return {memref, offset, stride};
  }

  /// The tile `rows` x `columns` of the operand, in f32.
  Tile widened(Emitter &e, ArrayRef<Value> batch, Span rows,
               Span columns) const {
    bool swap = wide.transposed;
    copyTile(e, tile(e, batch, rows, columns), wide,
             swap ? columns.size : rows.size, swap ? rows.size : columns.size);
    return wide;
  }
};

LogicalResult emitTiles(Emitter &e, onnx::MatMulOp op) {
  TiledShape s(op);
  size_t batchRank = s.batch.size();
  size_t fullRank = cast<MemRefType>(e.outs[0].getType()).getRank() - 2;
  int64_t reserved = 0;
  auto reserve = [&](int64_t height, int64_t width, bool transposed) {
    Tile tile = {e.scratch, e.index(reserved), transposed ? height : width,
                 transposed};
    reserved += height * width;
    return tile;
  };
  Operand a(e.ins[0], op.getTransA(), batchRank, fullRank,
            reserve(s.rows, s.depth, op.getTransA()));
  Operand b(e.ins[1], op.getTransB(), batchRank, fullRank,
            reserve(s.depth, s.columns, op.getTransB()));
  Operand c(e.outs[0], false, batchRank, fullRank, Tile());
  bool isRounded = isHalf(getElementTypeOrSelf(c.memref));
  Tile sums = isRounded ? reserve(s.rows, s.columns, false) : Tile();

  SmallVector<int64_t> space = s.batch;
  space.push_back(llvm::divideCeil(s.m, kRows));
  space.push_back(llvm::divideCeil(s.n, kColumns));
  e.extent = 1;
  for (int64_t extent : space)
    e.extent *= extent;
  e.loop(e.begin, e.end, [&](Value i) {
    SmallVector<Value> place = e.delinearize(i, space);
    ArrayRef<Value> batch = ArrayRef(place).take_front(batchRank);
    Span rows = spanOf(e, place[batchRank], kRows, s.m);
    Span columns = spanOf(e, place[batchRank + 1], kColumns, s.n);
    Tile result = c.tile(e, batch, rows, columns);
    Tile into = isRounded ? sums : result;
    e.loop(e.index(0), rows.size, [&](Value row) {
      e.fill(line(e, into, row, columns.size), e.number(e.b.getF32Type(), 0));
    });
    Value parts = e.index(llvm::divideCeil(s.k, kDepth));
    e.loop(e.index(0), parts, [&](Value part) {
      Span depth = spanOf(e, part, kDepth, s.k);
      Tile left = a.widened(e, batch, rows, depth);
      Tile right = b.widened(e, batch, depth, columns);
      product(e, {rows.size, columns.size, depth.size}, 1, left, right, into,
              /*add=*/true);
    });
    if (isRounded)
      copyTile(e, sums, result, rows.size, columns.size);
  });
  return success();
}
} // namespace

MemRefType fsdp::scratchOfProduct(Operation *op) {
  auto matmul = dyn_cast<onnx::MatMulOp>(op);
  if (!matmul || !isHalf(getElementTypeOrSelf(matmul.getLhs())))
    return nullptr;
  TiledShape s(matmul);
  int64_t elements = s.depth * (s.rows + s.columns);
  if (isHalf(getElementTypeOrSelf(matmul.getY())))
    elements += s.rows * s.columns;
  return MemRefType::get({elements}, Float32Type::get(op->getContext()));
}

LogicalResult fsdp::emitProduct(Emitter &e, Operation *op) {
  auto matmul = cast<onnx::MatMulOp>(op);
  return isHalf(getElementTypeOrSelf(matmul.getLhs())) ? emitTiles(e, matmul)
                                                       : emitLoops(e, matmul);
}
