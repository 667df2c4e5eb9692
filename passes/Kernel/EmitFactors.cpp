//===- EmitFactors.cpp - Factored moments ---------------------------------===//
//
// Squares are summed in f64, of rows, columns and blocks of the shard, whoever
// computes them.
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/FactorPieces.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace fsdp;

namespace {
/// Columns that one iteration adds the rows of.
constexpr int64_t kColumns = 64;

//===----------------------------------------------------------------------===//
// Sums of squares
//===----------------------------------------------------------------------===//

/// An iteration a row: what the shard has of it.
void emitRowSums(Pieces &pieces, const Piece &piece, Value g, Value sums,
                 const Gradient &gradient) {
  Emitter &e = pieces.e;
  pieces.iterations(piece.attr.getNumRowFactors(), [&](Value row) {
    Value first = pieces.i.mul(row, piece.columns());
    Span elements = pieces.common(
        piece.elements, {first, pieces.i.add(first, e.index(piece.columns()))});
    Value sum =
        pieces.squares({pieces.slice(piece, g, elements)},
                       [&](OpBuilder &b, Location loc, ValueRange args) {
                         return gradient(b, loc, args[0]);
                       });
    e.store(sum, sums, pieces.i.add(row, e.index(piece.factors)));
  });
}

/// An iteration kColumns columns of a matrix: rows are added to `tile`.
void emitColumnSums(Pieces &pieces, const Piece &piece, Value g, Value sums,
                    Value tile, const Gradient &gradient) {
  Emitter &e = pieces.e;
  Indices &i = pieces.i;
  int64_t blocks = llvm::divideCeil(piece.columns(), kColumns);
  pieces.iterations(piece.batch() * blocks, [&](Value number) {
    SmallVector<Value> place = e.delinearize(number, {piece.batch(), blocks});
    Value low = i.mul(place[1], kColumns);
    Value count =
        i.min(e.index(kColumns), i.sub(e.index(piece.columns()), low));
    Value own = e.slice(tile, e.index(0), count);
    e.fill(own, e.number(e.b.getF64Type(), 0));
    Span rows = pieces.rowsOf(piece, piece.elements, place[0]);
    e.loop(rows.begin, rows.end, [&](Value row) {
      Value first = i.add(i.mul(row, piece.columns()), low);
      Span elements =
          pieces.common({first, i.add(first, count)}, piece.elements);
      Value part = e.slice(tile, i.sub(elements.begin, first),
                           i.sub(elements.end, elements.begin));
      e.mapAll({pieces.slice(piece, g, elements)}, {part},
               [&](OpBuilder &b, Location loc,
                   ValueRange args) -> SmallVector<Value> {
                 Value wide = Emitter::convert(
                     b, loc, gradient(b, loc, args[0]), args[1].getType());
                 Value square = b.create<arith::MulFOp>(loc, wide, wide);
                 return {b.create<arith::AddFOp>(loc, args[1], square)};
               });
    });
    Value at = i.add(i.mul(place[0], piece.columns()),
                     i.add(low, e.index(piece.columnFactors())));
    e.map({own}, e.slice(sums, at, count),
          [](OpBuilder &, Location, ValueRange args) -> Value {
            return args[0];
          });
  });
}

LogicalResult emit(Emitter &e, train::FactorSumsOp op) {
  Value p = e.ins[0], g = e.ins[1], sums = e.outs[0];
  Gradient gradient = {getElementTypeOrSelf(p),
                       op.getClip() ? e.load(e.ins[2]) : Value()};
  Pieces pieces(e, op.getPieces());
  pieces.place(e.ins.back(), sizeOf(p));
  Value tile = e.stack(e.b.getF64Type(), {kColumns});
  e.extent = 0;
  for (const Piece &piece : pieces.all) {
    emitRowSums(pieces, piece, g, sums, gradient);
    emitColumnSums(pieces, piece, g, sums, tile, gradient);
  }
  pieces.iterations(pieces.blocks, [&](Value block) {
    for (const Piece &piece : pieces.all) {
      Span elements = pieces.inBlock(piece, block);
      Value sum =
          pieces.squares({pieces.slice(piece, p, elements)},
                         [](OpBuilder &, Location, ValueRange args) -> Value {
                           return args[0];
                         });
      int64_t first = pieces.numFactors + piece.sums;
      e.store(sum, sums, pieces.i.add(block, e.index(first)));
    }
  });
  return success();
}

//===----------------------------------------------------------------------===//
// Moments
//===----------------------------------------------------------------------===//

/// torch.lerp(x, y, weight): from the nearer end, so that a weight of 1 is y.
Value interpolate(OpBuilder &b, Location loc, Value x, Value y, Value weight,
                  Value rest, Value isNear) {
  Value way = b.create<arith::SubFOp>(loc, y, x);
  Value near = b.create<arith::AddFOp>(
      loc, x, b.create<arith::MulFOp>(loc, weight, way));
  Value far =
      b.create<arith::SubFOp>(loc, y, b.create<arith::MulFOp>(loc, rest, way));
  return b.create<arith::SelectOp>(loc, isNear, near, far);
}

LogicalResult emit(Emitter &e, train::FactorStatesOp op) {
  Value factors = e.ins[0], sums = e.ins[1], updated = e.outs[0];
  Type type = getElementTypeOrSelf(factors), f64 = e.b.getF64Type();
  Value step = Emitter::convert(e.b, e.loc, e.load(e.ins[2]), f64);
  Pieces pieces(e, op.getPieces());
  e.extent = pieces.numFactors;
  for (const Piece &piece : pieces.all) {
    Value decay = e.number(f64, piece.attr.getRule().getNumber("beta2_decay"));
    Value wide = e.b.create<math::PowFOp>(e.loc, step, decay);
    Value rest =
        Emitter::convert(e.b, e.loc, e.sub(e.number(f64, 1), wide), type);
    Value weight = Emitter::convert(e.b, e.loc, wide, type);
    Value isNear = e.b.create<arith::CmpFOp>(e.loc, arith::CmpFPredicate::OLT,
                                             weight, e.number(type, 0.5));
    auto update = [&](int64_t first, int64_t count, int64_t terms) {
      Value from = e.within(e.begin, first, count);
      Value own = pieces.i.sub(e.within(e.end, first, count), from);
      Value at = pieces.i.add(from, e.index(first));
      Value divisor = e.number(f64, double(terms));
      e.map({e.slice(factors, at, own), e.slice(sums, at, own)},
            e.slice(updated, at, own),
            [&](OpBuilder &b, Location loc, ValueRange args) {
              Value mean = b.create<arith::DivFOp>(loc, args[1], divisor);
              return interpolate(b, loc, args[0],
                                 Emitter::convert(b, loc, mean, type), weight,
                                 rest, isNear);
            });
    };
    int64_t rows = piece.attr.getNumRowFactors();
    if (rows > 0)
      update(piece.factors, rows, piece.columns());
    update(piece.columnFactors(), piece.attr.getNumFactors() - rows,
           piece.rows());
  }
  return success();
}

} // namespace

LogicalResult fsdp::emitFactors(Emitter &e, Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<train::FactorSumsOp, train::FactorStatesOp>(
          [&](auto typed) { return emit(e, typed); })
      .Default([&](Operation *other) { return emitFactorUpdate(e, other); });
}
