//===- EmitAttention.cpp - Attention in row blocks ------------------------===//
//
// The scores of kBlock rows at a time, [rows, T], lie in scratch; what is done
// with them between the products is a pass over each row. In f32 the products
// are calls of fsdprt_tile_gemm where the target has it, in f64 loops. Half
// precision is widened into scratch first: what a block of rows needs.
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/Emitter.h"
#include "passes/Kernel/MathExpansion.h"
#include "runtime/abi/fsdprt.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
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

/// A matrix inside a dense memref: element (i, j) at offset + i * stride + j,
/// or, transposed, at offset + j * stride + i.
struct Tile {
  Value memref, offset;
  int64_t stride;
  bool transposed = false;

  Tile t() const { return {memref, offset, stride, !transposed}; }
};

struct Extents {
  Value m, n, k;
};

Value addIndex(Emitter &e, Value a, Value c) {
  return e.b.create<arith::AddIOp>(e.loc, a, c);
}
Value scaleIndex(Emitter &e, Value a, int64_t factor) {
  return e.b.create<arith::MulIOp>(e.loc, a, e.index(factor));
}
Value toI64(Emitter &e, Value index) {
  return e.b.create<arith::IndexCastOp>(e.loc, e.b.getI64Type(), index);
}

Value addressOf(Emitter &e, const Tile &tile) {
  Value base =
      e.b.create<memref::ExtractAlignedPointerAsIndexOp>(e.loc, tile.memref);
  Value at = addIndex(e, base, scaleIndex(e, tile.offset, sizeof(float)));
  return e.b.create<LLVM::IntToPtrOp>(
      e.loc, LLVM::LLVMPointerType::get(e.b.getContext()), toI64(e, at));
}

/// The declaration of fsdprt_tile_gemm in the kernel's module.
LLVM::LLVMFuncOp tileGemm(Emitter &e) {
  constexpr StringLiteral name = "fsdprt_tile_gemm";
  auto module =
      e.b.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  if (auto known = module.lookupSymbol<LLVM::LLVMFuncOp>(name))
    return known;
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPointToStart(module.getBody());
  Type i64 = e.b.getI64Type(), f32 = e.b.getF32Type();
  Type pointer = LLVM::LLVMPointerType::get(e.b.getContext());
  Type types[] = {e.b.getI32Type(), i64, i64,     i64, f32, pointer, i64,
                  pointer,          i64, pointer, i64};
  return e.b.create<LLVM::LLVMFuncOp>(
      e.loc, name, LLVM::LLVMFunctionType::get(e.b.getI32Type(), types));
}

void callLibrary(Emitter &e, const Extents &x, double alpha, const Tile &a,
                 const Tile &b, const Tile &c, bool add) {
  int flags = (a.transposed ? FSDPRT_TILE_TRANS_A : 0) |
              (b.transposed ? FSDPRT_TILE_TRANS_B : 0) |
              (add ? FSDPRT_TILE_ADD : 0);
  Type i32 = e.b.getI32Type(), i64 = e.b.getI64Type();
  Value operands[] = {e.number(i32, flags),
                      toI64(e, x.m),
                      toI64(e, x.n),
                      toI64(e, x.k),
                      e.number(e.b.getF32Type(), alpha),
                      addressOf(e, a),
                      e.number(i64, a.stride),
                      addressOf(e, b),
                      e.number(i64, b.stride),
                      addressOf(e, c),
                      e.number(i64, c.stride)};
  Value status =
      e.b.create<LLVM::CallOp>(e.loc, tileGemm(e), operands).getResult();
  Value failed = e.b.create<arith::CmpIOp>(e.loc, arith::CmpIPredicate::ne,
                                           status, e.number(i32, 0));
  auto ifOp = e.b.create<scf::IfOp>(e.loc, failed, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPointToStart(ifOp.thenBlock());
  e.store(status, e.status);
}

/// Row `i` of op(tile), `count` long.
Value line(Emitter &e, const Tile &tile, Value i, Value count) {
  Value step = tile.transposed ? i : scaleIndex(e, i, tile.stride);
  return e.strided(tile.memref, addIndex(e, tile.offset, step), count,
                   tile.transposed ? tile.stride : 1);
}

void emitLoops(Emitter &e, const Extents &x, double alpha, const Tile &a,
               const Tile &b, const Tile &c, bool add) {
  Type type = cast<MemRefType>(c.memref.getType()).getElementType();
  e.parallelLoop(e.index(0), x.m, [&](Value i) {
    Value out = line(e, c, i, x.n), row = line(e, a, i, x.k);
    e.parallelLoop(e.index(0), x.n, [&](Value j) {
      Value column = line(e, b.t(), j, x.k);
      Value sum =
          e.sum({row, column}, type,
                [](OpBuilder &b, Location loc, ValueRange args) -> Value {
                  return b.create<arith::MulFOp>(loc, args[0], args[1]);
                });
      Value result = e.mul(e.number(type, alpha), sum);
      e.store(add ? e.add(e.load(out, j), result) : result, out, j);
    });
  });
}

/// c = alpha op(a) op(b) (+ c with `add`).
void product(Emitter &e, const Extents &x, double alpha, const Tile &a,
             const Tile &b, const Tile &c, bool add = false) {
  bool isF32 = cast<MemRefType>(c.memref.getType()).getElementType().isF32();
  bool isCall = isF32 && e.callsLibrary;
  (isCall ? callLibrary : emitLoops)(e, x, alpha, a, b, c, add);
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
    Type stored = cast<MemRefType>(q.getType()).getElementType();
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
  Tile reserve(int64_t height, int64_t width) {
    Tile tile = {e.scratch, e.index(reserved), width};
    reserved += height * width;
    return tile;
  }
  /// Where a result is computed that ends in `tile`, of `height` rows at most:
  /// there, or in scratch where it must be rounded.
  Tile resultOf(const Tile &tile, int64_t height) {
    return isHalf ? reserve(height, tile.stride) : tile;
  }
  /// `tile`, whose first `count` of `height` rows are read, in compute type.
  Tile operand(const Tile &tile, int64_t height, Value count) {
    Tile wide = resultOf(tile, height);
    copyRows(tile, wide, count);
    return wide;
  }
  /// Puts the first `count` rows of a result where they belong.
  void finish(const Tile &wide, const Tile &tile, Value count) const {
    copyRows(wide, tile, count);
  }
  void copyRows(const Tile &from, const Tile &to, Value count) const;

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
  int64_t reserved = 0; ///< elements of the scratch
  Type element;         ///< that is computed in
  bool isHalf;          ///< tensors are stored in half precision
};

/// Nothing to do where tensors are stored in the compute type.
void Attention::copyRows(const Tile &from, const Tile &to, Value count) const {
  if (!isHalf)
    return;
  Value width = e.index(from.stride);
  e.loop(e.index(0), count, [&](Value i) {
    e.map({line(e, from, i, width)}, line(e, to, i, width),
          [](OpBuilder &, Location, ValueRange args) { return args[0]; });
  });
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
  ArrayRef<int64_t> shape = cast<MemRefType>(mask.getType()).getShape();
  Value places[] = {at.batch, at.head, addIndex(e, at.first, i)};
  Value offset = e.index(0);
  int64_t step = 1, last = 0;
  for (size_t d = shape.size(); d-- > 0;) {
    size_t full = d + 4 - shape.size();
    if (full == 3)
      last = shape[d] == 1 ? 0 : 1;
    else if (shape[d] != 1)
      offset = addIndex(e, offset, scaleIndex(e, places[full], step));
    step *= shape[d];
  }
  Value added = e.strided(mask, offset, count, last);
  e.map({row, added}, row,
        [](OpBuilder &b, Location loc, ValueRange args) -> Value {
          return b.create<arith::AddFOp>(loc, args[0], args[1]);
        });
  return row;
}

/// Zero in columns [from, to) of row `i`, which the row does not see.
void clearRest(const Attention &a, const Tile &tile, Value i, Value from,
               Value to) {
  if (!a.causal)
    return;
  Emitter &e = a.e;
  Value offset = addIndex(
      e, addIndex(e, tile.offset, scaleIndex(e, i, tile.stride)), from);
  Value count = e.b.create<arith::SubIOp>(e.loc, to, from);
  e.fill(e.strided(tile.memref, offset, count, 1), e.number(a.element, 0));
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
  Tile scores = a.reserve(a.rows, a.T);
  e.loop(e.begin, e.end, [&](Value iteration) {
    SmallVector<Value> at = e.delinearize(iteration, {a.B, a.H, a.blocks});
    Attention::Block block = a.block(at[0], at[1], at[2]);
    Value zero = e.index(0);
    Tile result = a.tile(y, block.matrix, a.S, a.Dv, block.first);
    Tile out = a.resultOf(result, a.rows);
    Tile q = a.operand(a.tile(a.q, block.matrix, a.S, a.D, block.first), a.rows,
                       block.rows);
    Tile k =
        a.operand(a.tile(a.k, block.keys, a.T, a.D, zero), a.T, block.columns);
    Tile v =
        a.operand(a.tile(a.v, block.keys, a.T, a.Dv, zero), a.T, block.columns);
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
      e.map({row}, row,
            [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
              return emitExpNonPositive(
                  b, loc, b.create<arith::SubFOp>(loc, args[0], largest));
            });
      Value total =
          e.sum({row}, a.element,
                [](OpBuilder &, Location, ValueRange args) { return args[0]; });
      clearRest(a, scores, i, count, block.columns);
      e.store(largest, most, addIndex(e, rowOfAll, i));
      e.store(total, sums, addIndex(e, rowOfAll, i));
    });
    product(e, {block.rows, e.index(a.Dv), block.columns}, 1, scores, v, out);
    e.loop(zero, block.rows, [&](Value i) {
      Value factor =
          e.div(e.number(a.element, 1), e.load(sums, addIndex(e, rowOfAll, i)));
      Value row = line(e, out, i, e.index(a.Dv));
      e.map({row}, row,
            [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
              return b.create<arith::MulFOp>(loc, args[0], factor);
            });
    });
    a.finish(out, result, block.rows);
  });
  return success();
}

/// The probabilities of row `i` from its scores and what the forward saved.
void emitProbabilities(const Attention &a, const Tile &scores,
                       const Attention::Block &block, Value most, Value sums,
                       Value i, Value count) {
  Emitter &e = a.e;
  Value row = a.scoreRow(scores, block, i, count);
  Value place = addIndex(
      e, addIndex(e, scaleIndex(e, block.matrix, a.S), block.first), i);
  Value largest = e.load(most, place);
  Value factor = e.div(e.number(a.element, 1), e.load(sums, place));
  e.map({row}, row, [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
    Value power = emitExpNonPositive(
        b, loc, b.create<arith::SubFOp>(loc, args[0], largest));
    return b.create<arith::MulFOp>(loc, power, factor);
  });
  clearRest(a, scores, i, count, block.columns);
}

/// Row `i` of dp becomes ds = p (dp - sum(p dp)).
void emitScoreGradients(const Attention &a, const Tile &scores,
                        const Tile &gradients, const Attention::Block &block,
                        Value i, Value count) {
  Emitter &e = a.e;
  Value p = line(e, scores, i, count), dp = line(e, gradients, i, count);
  Value dot = e.sum({p, dp}, a.element,
                    [](OpBuilder &b, Location loc, ValueRange args) -> Value {
                      return b.create<arith::MulFOp>(loc, args[0], args[1]);
                    });
  e.map({p, dp}, dp, [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
    return b.create<arith::MulFOp>(loc, args[0],
                                   b.create<arith::SubFOp>(loc, args[1], dot));
  });
  clearRest(a, gradients, i, count, block.columns);
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
  Tile p = a.reserve(a.rows, a.T), ds = a.reserve(a.rows, a.T);
  e.loop(e.begin, e.end, [&](Value iteration) {
    SmallVector<Value> at = e.delinearize(iteration, {a.B, a.Hk});
    Value D = e.index(a.D), Dv = e.index(a.Dv), T = e.index(a.T);
    Tile dkResult = a.tile(dk, iteration, a.T, a.D, zero);
    Tile dvResult = a.tile(dv, iteration, a.T, a.Dv, zero);
    Tile dkTile = a.resultOf(dkResult, a.T), dvTile = a.resultOf(dvResult, a.T);
    Tile k = a.operand(a.tile(a.k, iteration, a.T, a.D, zero), a.T, T);
    Tile v = a.operand(a.tile(a.v, iteration, a.T, a.Dv, zero), a.T, T);
    clear(dkTile, a.T * a.D);
    clear(dvTile, a.T * a.Dv);
    e.loop(zero, e.index(a.H / a.Hk * a.blocks), [&](Value inner) {
      SmallVector<Value> step = e.delinearize(inner, {a.H / a.Hk, a.blocks});
      Value head = addIndex(e, scaleIndex(e, at[1], a.H / a.Hk), step[0]);
      Attention::Block block = a.block(at[0], head, step[1]);
      Value rows = block.rows, columns = block.columns;
      Tile dqResult = a.tile(dq, block.matrix, a.S, a.D, block.first);
      Tile q = a.operand(a.tile(a.q, block.matrix, a.S, a.D, block.first),
                         a.rows, rows);
      Tile grad = a.operand(a.tile(dy, block.matrix, a.S, a.Dv, block.first),
                            a.rows, rows);
      Tile dqTile = a.resultOf(dqResult, a.rows);
      product(e, {rows, columns, D}, a.scale, q, k.t(), p);
      e.loop(zero, rows, [&](Value i) {
        emitProbabilities(a, p, block, most, sums, i, a.visible(block, i));
      });
      product(e, {columns, Dv, rows}, 1, p.t(), grad, dvTile, /*add=*/true);
      product(e, {rows, columns, Dv}, 1, grad, v.t(), ds);
      e.loop(zero, rows, [&](Value i) {
        emitScoreGradients(a, p, ds, block, i, a.visible(block, i));
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
  bool isForward = isa<onnx::AttentionOp>(op);
  int64_t elements = (isForward ? 1 : 2) * rows * T;
  if (element != stored && isForward) // y, q, k, v
    elements += (rows + T) * (D + Dv);
  else if (element != stored) // dk, dv, k, v, q, dy, dq
    elements += 2 * T * (D + Dv) + rows * (2 * D + Dv);
  return MemRefType::get({elements}, element);
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
