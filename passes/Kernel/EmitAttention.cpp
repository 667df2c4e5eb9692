//===- EmitAttention.cpp - Attention in row blocks ------------------------===//
//
// The scores of kBlock rows at a time, [rows, T], lie in scratch; what is done
// with them between the products (Tiles.h) is a pass over each row. Products of
// bf16 are summed in f32; probabilities and the scores' gradients, which are
// f32 between products, are rounded where they are factors.
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/AttentionRows.h"
#include "passes/Kernel/MathExpansion.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;
using namespace fsdp;

namespace {
/// Rows of scores that are in scratch together.
constexpr int64_t kBlock = 128;

/// Bytes of a tile in scratch, so that the next is aligned.
int64_t paddedBytes(int64_t elements, Type element) {
  return llvm::alignTo(elements * element.getIntOrFloatBitWidth() / 8, 64);
}

/// What forward and backward share: the shapes, and where things lie.
struct Attention {
  Attention(Emitter &e, Value q, Value k, Value v, Value mask, double scale,
            bool causal)
      : e(e), q(q), k(k), v(v), mask(mask), scale(scale), causal(causal) {
    auto qShape = cast<MemRefType>(q.getType()).getShape();
    auto vShape = cast<MemRefType>(v.getType()).getShape();
    B = qShape[0], H = qShape[1], S = qShape[2], D = qShape[3];
    Hk = vShape[1], T = vShape[2], Dv = vShape[3];
    stored = cast<MemRefType>(q.getType()).getElementType();
    element = e.computeType(stored);
    isHalf = element != stored;
    blocks = llvm::divideCeil(S, kBlock);
    rows = std::min(S, kBlock);
  }

  /// Rows [first, first + rows) of matrix `index` of a [..., width] tensor with
  /// `height` rows a matrix.
  Tile tile(Value memref, Value index, int64_t height, int64_t width,
            Value first) const {
    Value row = addIndex(e, scaleIndex(e, index, height), first);
    return {memref, scaleIndex(e, row, width), width};
  }
  /// The next `height` rows of `width` elements of the scratch.
  Tile reserve(int64_t height, int64_t width, Type type) {
    auto memref = MemRefType::get({height * width}, type);
    Value view = e.b.create<memref::ViewOp>(e.loc, memref, e.scratch,
                                            e.index(reserved), ValueRange());
    reserved += paddedBytes(height * width, type);
    return {view, e.index(0), width};
  }
  /// Where a result is computed that ends in `tile`, of `height` rows at most:
  /// there, or in scratch where it must be rounded.
  Tile resultOf(const Tile &tile, int64_t height) {
    return isHalf ? reserve(height, tile.stride, element) : tile;
  }
  /// Where `tile`, of block rows, is rounded to be a factor: in place where the
  /// compute type is the stored one.
  Tile factorOf(const Tile &tile) {
    return isHalf ? reserve(rows, tile.stride, stored) : tile;
  }
  void storeRounded(ArrayRef<Value> ins, const Tile &wide, const Tile &factor,
                    Value i, Value count, Emitter::Body body) const;
  void finish(const Tile &wide, const Tile &tile, Value count) const;

  /// One block of rows of one head.
  struct Block {
    Value batch, head;  ///< of q
    Value matrix, keys; ///< number of q's matrix and of k's
    Value first, rows;  ///< in the matrix
    Value columns;      ///< that any of the rows sees
  };
  Block block(Value batch, Value head, Value number) const;
  Value visible(const Block &at, Value i) const;
  Value scoreRow(const Tile &scores, const Block &at, Value i,
                 Value count) const;

  Emitter &e;
  Value q, k, v, mask;
  double scale;
  bool causal;
  int64_t B, H, Hk, S, T, D, Dv, blocks;
  int64_t rows;         ///< of a block
  int64_t reserved = 0; ///< bytes of the scratch
  Type stored;          ///< of the tensors
  Type element;         ///< that is computed in
  bool isHalf;          ///< tensors are stored in half precision
};

/// Row `i` of `wide`, and of `factor` where that is another, becomes
/// body(ins...).
void Attention::storeRounded(ArrayRef<Value> ins, const Tile &wide,
                             const Tile &factor, Value i, Value count,
                             Emitter::Body body) const {
  SmallVector<Value> outs = {line(e, wide, i, count)};
  if (isHalf)
    outs.push_back(line(e, factor, i, count));
  e.mapAll(ins, outs, [&](OpBuilder &b, Location loc, ValueRange args) {
    return SmallVector<Value>(outs.size(),
                              body(b, loc, args.take_front(ins.size())));
  });
}

/// Puts the first `count` rows of a result where they belong.
void Attention::finish(const Tile &wide, const Tile &tile, Value count) const {
  if (!isHalf)
    return;
  copyTile(e, wide, tile, count, e.index(wide.stride));
}

Attention::Block Attention::block(Value batch, Value head, Value number) const {
  Block at;
  at.batch = batch;
  at.head = head;
  at.matrix = addIndex(e, scaleIndex(e, batch, H), head);
  Value shared = e.b.create<arith::DivUIOp>(e.loc, head, e.index(H / Hk));
  at.keys = addIndex(e, scaleIndex(e, batch, Hk), shared);
  at.first = scaleIndex(e, number, kBlock);
  Value left = e.b.create<arith::SubIOp>(e.loc, e.index(S), at.first);
  at.rows = e.b.create<arith::MinSIOp>(e.loc, left, e.index(kBlock));
  at.columns = causal
                   ? addIndex(e, addIndex(e, at.first, at.rows), e.index(T - S))
                   : e.index(T);
  return at;
}

/// Columns that row `i` of the block sees.
Value Attention::visible(const Block &at, Value i) const {
  return causal ? addIndex(e, addIndex(e, at.first, i), e.index(T - S + 1))
                : e.index(T);
}

/// Row `i` of `scores`, `count` long, with the mask added.
Value Attention::scoreRow(const Tile &scores, const Block &at, Value i,
                          Value count) const {
  Value row = line(e, scores, i, count);
  if (!mask)
    return row;
  Value added =
      maskRow(e, mask, {at.batch, at.head, addIndex(e, at.first, i)}, count);
  e.map({row, added}, row,
        [](OpBuilder &b, Location loc, ValueRange args) -> Value {
          return b.create<arith::AddFOp>(loc, args[0], args[1]);
        });
  return row;
}

/// Zero in columns [from, to) of row `i`, which the row does not see.
void clearRest(const Attention &a, const Tile &tile, Value i, Value from,
               Value to) {
  if (a.causal)
    clearColumns(a.e, tile, i, from, to);
}

LogicalResult emit(Emitter &e, onnx::AttentionOp op) {
  Attention a(e, e.ins[0], e.ins[1], e.ins[2],
              op.getMask() ? e.ins[3] : Value(),
              op.getScale().convertToDouble(), op.getCausal());
  Value y = e.outs[0];
  Value most = e.view(e.outs[1], {a.B * a.H * a.S});
  Value sums = e.view(e.outs[2], {a.B * a.H * a.S});
  Value low = e.number(a.element, -std::numeric_limits<double>::infinity());
  e.extent = a.B * a.H * a.blocks;
  Tile scores = a.reserve(a.rows, a.T, a.element), powers = a.factorOf(scores);
  e.loop(e.begin, e.end, [&](Value iteration) {
    SmallVector<Value> at = e.delinearize(iteration, {a.B, a.H, a.blocks});
    Attention::Block block = a.block(at[0], at[1], at[2]);
    Value zero = e.index(0);
    Tile result = a.tile(y, block.matrix, a.S, a.Dv, block.first);
    Tile out = a.resultOf(result, a.rows);
    Tile q = a.tile(a.q, block.matrix, a.S, a.D, block.first);
    Tile k = a.tile(a.k, block.keys, a.T, a.D, zero);
    Tile v = a.tile(a.v, block.keys, a.T, a.Dv, zero);
    product(e, {block.rows, block.columns, e.index(a.D)}, a.scale, q, k.t(),
            scores);
    Value rowOfAll = addIndex(e, scaleIndex(e, block.matrix, a.S), block.first);
    e.loop(zero, block.rows, [&](Value i) {
      Value count = a.visible(block, i);
      Value row = a.scoreRow(scores, block, i, count);
      Value largest = e.reduce(
          {row}, low, [](OpBuilder &b, Location loc, ValueRange args) -> Value {
            return b.create<arith::MaxNumFOp>(loc, args[0], args[1],
                                              kVectorizableMax);
          });
      a.storeRounded({row}, scores, powers, i, count,
                     [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                       return emitExpNonPositive(
                           b, loc,
                           b.create<arith::SubFOp>(loc, args[0], largest));
                     });
      Value total =
          e.sum({row}, a.element,
                [](OpBuilder &, Location, ValueRange args) { return args[0]; });
      clearRest(a, powers, i, count, block.columns);
      e.store(largest, most, addIndex(e, rowOfAll, i));
      e.store(total, sums, addIndex(e, rowOfAll, i));
    });
    product(e, {block.rows, e.index(a.Dv), block.columns}, 1, powers, v, out);
    e.loop(zero, block.rows, [&](Value i) {
      Value factor =
          e.div(e.number(a.element, 1), e.load(sums, addIndex(e, rowOfAll, i)));
      Value width = e.index(a.Dv);
      e.map({line(e, out, i, width)}, line(e, result, i, width),
            [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
              return b.create<arith::MulFOp>(loc, args[0], factor);
            });
    });
  });
  return success();
}

/// The probabilities of row `i` from its scores and what the forward saved.
void emitProbabilities(const Attention &a, const Tile &scores,
                       const Tile &factor, const Attention::Block &block,
                       Value most, Value sums, Value i, Value count) {
  Emitter &e = a.e;
  Value row = a.scoreRow(scores, block, i, count);
  Value place = addIndex(
      e, addIndex(e, scaleIndex(e, block.matrix, a.S), block.first), i);
  Value largest = e.load(most, place);
  Value share = e.div(e.number(a.element, 1), e.load(sums, place));
  a.storeRounded({row}, scores, factor, i, count,
                 [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                   Value power = emitExpNonPositive(
                       b, loc, b.create<arith::SubFOp>(loc, args[0], largest));
                   return b.create<arith::MulFOp>(loc, power, share);
                 });
  clearRest(a, factor, i, count, block.columns);
}

/// Row `i` of `factor` becomes ds = p (dp - sum(p dp)).
void emitScoreGradients(const Attention &a, const Tile &scores,
                        const Tile &gradients, const Tile &factor,
                        const Attention::Block &block, Value i, Value count) {
  Emitter &e = a.e;
  Value p = line(e, scores, i, count), dp = line(e, gradients, i, count);
  Value dot = e.sum({p, dp}, a.element,
                    [](OpBuilder &b, Location loc, ValueRange args) -> Value {
                      return b.create<arith::MulFOp>(loc, args[0], args[1]);
                    });
  e.map({p, dp}, line(e, factor, i, count),
        [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
          return b.create<arith::MulFOp>(
              loc, args[0], b.create<arith::SubFOp>(loc, args[1], dot));
        });
  clearRest(a, factor, i, count, block.columns);
}

/// One iteration is one head of k and v: its gradients are summed over blocks
/// and heads of q in this order, whoever computes them.
LogicalResult emit(Emitter &e, train::AttentionGradOp op) {
  Attention a(e, e.ins[0], e.ins[1], e.ins[2],
              op.getMask() ? e.ins[6] : Value(),
              op.getScale().convertToDouble(), op.getCausal());
  Value most = e.view(e.ins[3], {a.B * a.H * a.S});
  Value sums = e.view(e.ins[4], {a.B * a.H * a.S});
  Value dy = e.ins[5], dq = e.outs[0];
  Value dk = e.outs[1], dv = e.outs[2];
  Value zero = e.index(0);
  auto clear = [&](const Tile &tile, int64_t count) {
    e.fill(e.strided(tile.memref, tile.offset, e.index(count), 1),
           e.number(a.element, 0));
  };
  e.extent = a.B * a.Hk;
  Tile p = a.reserve(a.rows, a.T, a.element), pFactor = a.factorOf(p);
  Tile dp = a.reserve(a.rows, a.T, a.element), ds = a.factorOf(dp);
  e.loop(e.begin, e.end, [&](Value iteration) {
    SmallVector<Value> at = e.delinearize(iteration, {a.B, a.Hk});
    Value D = e.index(a.D), Dv = e.index(a.Dv), T = e.index(a.T);
    Tile dkResult = a.tile(dk, iteration, a.T, a.D, zero);
    Tile dvResult = a.tile(dv, iteration, a.T, a.Dv, zero);
    Tile dkTile = a.resultOf(dkResult, a.T), dvTile = a.resultOf(dvResult, a.T);
    Tile k = a.tile(a.k, iteration, a.T, a.D, zero);
    Tile v = a.tile(a.v, iteration, a.T, a.Dv, zero);
    clear(dkTile, a.T * a.D);
    clear(dvTile, a.T * a.Dv);
    e.loop(zero, e.index(a.H / a.Hk * a.blocks), [&](Value inner) {
      SmallVector<Value> step = e.delinearize(inner, {a.H / a.Hk, a.blocks});
      Value head = addIndex(e, scaleIndex(e, at[1], a.H / a.Hk), step[0]);
      Attention::Block block = a.block(at[0], head, step[1]);
      Value rows = block.rows, columns = block.columns;
      Tile dqResult = a.tile(dq, block.matrix, a.S, a.D, block.first);
      Tile q = a.tile(a.q, block.matrix, a.S, a.D, block.first);
      Tile grad = a.tile(dy, block.matrix, a.S, a.Dv, block.first);
      Tile dqTile = a.resultOf(dqResult, a.rows);
      product(e, {rows, columns, D}, a.scale, q, k.t(), p);
      e.loop(zero, rows, [&](Value i) {
        emitProbabilities(a, p, pFactor, block, most, sums, i,
                          a.visible(block, i));
      });
      product(e, {columns, Dv, rows}, 1, pFactor.t(), grad, dvTile,
              /*add=*/true);
      product(e, {rows, columns, Dv}, 1, grad, v.t(), dp);
      e.loop(zero, rows, [&](Value i) {
        emitScoreGradients(a, p, dp, ds, block, i, a.visible(block, i));
      });
      product(e, {columns, D, rows}, a.scale, ds.t(), q, dkTile, /*add=*/true);
      // Last: dq may lie where q or dy did.
      product(e, {rows, D, columns}, a.scale, ds, k, dqTile);
      a.finish(dqTile, dqResult, rows);
    });
    a.finish(dkTile, dkResult, T);
    a.finish(dvTile, dvResult, T);
  });
  return success();
}
} // namespace

MemRefType fsdp::scratchOfAttention(Operation *op) {
  if (!isa<onnx::AttentionOp, train::AttentionGradOp>(op))
    return nullptr;
  auto shapeOf = [&](unsigned operand) {
    return cast<RankedTensorType>(op->getOperand(operand).getType()).getShape();
  };
  int64_t rows = std::min(shapeOf(0)[2], kBlock), T = shapeOf(1)[2];
  int64_t D = shapeOf(0)[3], Dv = shapeOf(2)[3];
  Type stored =
      cast<RankedTensorType>(op->getOperand(0).getType()).getElementType();
  Type element = onnx::statisticsType(stored);
  bool isForward = isa<onnx::AttentionOp>(op), isHalf = element != stored;
  int64_t scores = paddedBytes(rows * T, element);
  if (isHalf)
    scores += paddedBytes(rows * T, stored);
  SmallVector<int64_t> wide; // y, or dk, dv, dq
  if (isHalf && isForward)
    wide = {rows * Dv};
  else if (isHalf)
    wide = {T * D, T * Dv, rows * D};
  int64_t bytes = isForward ? scores : 2 * scores;
  for (int64_t elements : wide)
    bytes += paddedBytes(elements, element);
  return MemRefType::get({bytes}, IntegerType::get(op->getContext(), 8));
}

LogicalResult fsdp::emitAttention(Emitter &e, Operation *op) {
  Type element =
      cast<RankedTensorType>(op->getOperand(0).getType()).getElementType();
  if (!element.isF32() && !element.isF64() && !element.isBF16())
    return op->emitOpError("has no kernel for element type ")
           << element << ", expected f32, f64 or bf16";
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<onnx::AttentionOp, train::AttentionGradOp>(
          [&](auto typed) { return emit(e, typed); })
      .Default(
          [](Operation *other) { return other->emitOpError("has no kernel"); });
}
