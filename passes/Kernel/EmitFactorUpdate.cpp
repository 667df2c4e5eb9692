//===- EmitFactorUpdate.cpp - Updates by factored moments -----------------===//
#include "passes/Kernel/FactorPieces.h"
#include "passes/Kernel/UpdateRules.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace fsdp;

namespace {
/// What some elements of a row are updated by.
struct Row {
  Value scale;   ///< of the moments of its columns: the row's
  Value columns; ///< their moments
  Span elements;
};

/// v = scale column, g / sqrt(max(v, eps1^2)).
Value unclipped(OpBuilder &b, Location loc, const Row &row, Value g,
                Value column, Value least) {
  Value v = b.create<arith::MulFOp>(loc, row.scale, column);
  Value root =
      b.create<math::SqrtOp>(loc, b.create<arith::MaximumFOp>(loc, v, least));
  return b.create<arith::DivFOp>(loc, g, root);
}

class Updates {
public:
  Updates(Pieces &pieces, Value factors)
      : pieces(pieces), e(pieces.e), i(pieces.i), factors(factors),
        type(getElementTypeOrSelf(factors)) {}

  /// Each row of `elements`, by matrices.
  void forRows(const Piece &piece, Span elements,
               llvm::function_ref<void(const Row &)> onRow) {
    Span matrices = pieces.groupsOf(
        elements, std::max<int64_t>(1, piece.rows()) * piece.width());
    e.loop(matrices.begin, matrices.end, [&](Value number) {
      Value mean = boundOf(piece, number);
      Span rows = pieces.rowsOf(piece, elements, number);
      e.loop(rows.begin, rows.end, [&](Value row) {
        onRow(rowOf(piece, elements, number, row, mean));
      });
    });
  }

  /// eps1^2, which bounds all moments of `piece` from below.
  Value leastOf(const Piece &piece) {
    double eps = piece.attr.getRule().getNumber("eps1");
    return e.number(type, eps * eps);
  }

private:
  /// max(eps1, the mean of the moments of a matrix's rows). Their mean is that
  /// of its columns' too, so the fewer are added. Null for a vector.
  Value boundOf(const Piece &piece, Value number) {
    if (piece.attr.isVector())
      return nullptr;
    bool isWide = piece.columns() > piece.rows();
    int64_t count = isWide ? piece.rows() : piece.columns();
    int64_t first = isWide ? piece.factors : piece.columnFactors();
    Value at = i.add(i.mul(number, count), e.index(first));
    Type f64 = e.b.getF64Type();
    Value sum = e.sum({e.slice(factors, at, e.index(count))}, f64,
                      [&](OpBuilder &b, Location loc, ValueRange args) {
                        return Emitter::convert(b, loc, args[0], f64);
                      });
    Value mean = e.div(sum, e.number(f64, double(count)));
    return e.b.create<arith::MaximumFOp>(
        e.loc, Emitter::convert(e.b, e.loc, mean, type),
        e.number(type, piece.attr.getRule().getNumber("eps1")));
  }

  Row rowOf(const Piece &piece, Span elements, Value number, Value row,
            Value bound) {
    Value first = i.mul(row, piece.columns());
    Span own = pieces.common(elements,
                             {first, i.add(first, e.index(piece.columns()))});
    Value column =
        i.add(i.mul(number, piece.columns()),
              i.add(i.sub(own.begin, first), e.index(piece.columnFactors())));
    Value scale = e.number(type, 1);
    if (bound)
      scale = e.div(e.load(factors, i.add(row, e.index(piece.factors))), bound);
    return {scale, e.slice(factors, column, i.sub(own.end, own.begin)), own};
  }

  Pieces &pieces;
  Emitter &e;
  Indices &i;
  Value factors;
  Type type;
};

LogicalResult emit(Emitter &e, train::FactorSquaresOp op) {
  Value g = e.ins[0], factors = e.ins[1], squares = e.outs[0];
  Gradient gradient = {getElementTypeOrSelf(factors),
                       op.getClip() ? e.load(e.ins[2]) : Value()};
  Pieces pieces(e, op.getPieces());
  pieces.place(e.ins.back(), sizeOf(g));
  Updates updates(pieces, factors);
  Type f64 = e.b.getF64Type();
  Value total = e.stack(f64);
  e.extent = 0;
  pieces.iterations(pieces.blocks, [&](Value block) {
    for (const Piece &piece : pieces.all) {
      Value least = updates.leastOf(piece);
      e.store(e.number(f64, 0), total);
      auto addRow = [&](const Row &row) {
        Value sum = pieces.squares(
            {pieces.slice(piece, g, row.elements), row.columns},
            [&](OpBuilder &b, Location loc, ValueRange args) {
              return unclipped(b, loc, row, gradient(b, loc, args[0]), args[1],
                               least);
            });
        e.store(e.add(e.load(total), sum), total);
      };
      updates.forRows(piece, pieces.inBlock(piece, block), addRow);
      e.store(e.load(total), squares, pieces.i.add(block, e.index(piece.sums)));
    }
  });
  return success();
}

/// The operands of an update as memrefs and scalars.
struct Operands {
  Value p, g, factors, sums, squares, lr, step, clip, rank;
  ArrayRef<Value> states;

  Operands(Emitter &e, train::FactorUpdateOp op) {
    OperandReader in{e.ins};
    p = in.next();
    g = in.next();
    states = in.next(op.getStates().size());
    factors = in.next();
    sums = in.next();
    squares = in.next();
    lr = e.load(in.next());
    step = e.load(in.next());
    clip = op.getClip() ? e.load(in.next()) : Value();
    rank = in.next();
  }
};

/// The root of the mean of the squares that `sums` has of the blocks of
/// `piece`, from `first` on.
Value rootMeanSquare(Pieces &pieces, const Piece &piece, Value sums,
                     int64_t first) {
  Emitter &e = pieces.e;
  Type f64 = e.b.getF64Type();
  Value parts =
      e.slice(sums, e.index(first + piece.sums), e.index(pieces.blocks));
  Value total = e.sum({parts}, f64, [](OpBuilder &, Location, ValueRange args) {
    return args[0];
  });
  Value count = e.number(f64, double(piece.attr.getNumElements()));
  return e.b.create<math::SqrtOp>(e.loc, e.div(total, count));
}

/// max(eps2, rms(p)) min(lr, 1 / sqrt(t)) / max(1, rms(u) / d), in f64.
Value stepSizeOf(Pieces &pieces, const Piece &piece, const Operands &in,
                 UpdateScalars &scalars) {
  Emitter &e = pieces.e;
  Type f64 = e.b.getF64Type();
  train::OptimizerRule rule = piece.attr.getRule();
  auto number = [&](StringRef name) {
    return e.number(f64, rule.getNumber(name));
  };
  auto max = [&](Value x, Value y) {
    return e.b.create<arith::MaximumFOp>(e.loc, x, y);
  };
  Value one = e.number(f64, 1);
  Value root = e.b.create<math::SqrtOp>(e.loc, scalars.stepInF64());
  Value rate = e.b.create<arith::MinimumFOp>(e.loc, scalars.lrOf(rule),
                                             e.div(one, root));
  Value size = max(number("eps2"),
                   rootMeanSquare(pieces, piece, in.sums, pieces.numFactors));
  Value far = e.div(rootMeanSquare(pieces, piece, in.squares, 0), number("d"));
  return e.div(e.mul(size, rate), max(one, far));
}

/// The new values are written over the old.
void updateRow(Pieces &pieces, const Piece &piece, const Operands &in,
               const Row &row, const ElementUpdate &formula, Value least,
               bool hasSource) {
  Emitter &e = pieces.e;
  Gradient gradient = {getElementTypeOrSelf(in.p), in.clip};
  SmallVector<Value> ins = {pieces.slice(piece, in.p, row.elements),
                            pieces.slice(piece, in.g, row.elements),
                            row.columns};
  for (Value state : in.states)
    ins.push_back(pieces.slice(piece, state, row.elements));
  SmallVector<Value> outs;
  for (Value out : e.outs)
    outs.push_back(pieces.slice(piece, out, row.elements));
  e.mapAll(ins, outs, [&](OpBuilder &b, Location loc, ValueRange args) {
    Value u = unclipped(b, loc, row, gradient(b, loc, args[1]), args[2], least);
    SmallVector<Value> results =
        formula(b, loc, args[0], u, args.slice(3, in.states.size()));
    if (hasSource)
      results.push_back(results.front());
    return results;
  });
}

/// What lies between parameters stays.
void keepGap(Emitter &e, const Operands &in, Span gap, bool hasSource) {
  SmallVector<Value> ins, outs;
  auto slice = [&](Value values) { return e.rows(values, gap.begin, gap.end); };
  ins.push_back(slice(in.p));
  for (Value state : in.states)
    ins.push_back(slice(state));
  for (Value out : e.outs)
    outs.push_back(slice(out));
  e.mapAll(ins, outs, [&](OpBuilder &, Location, ValueRange args) {
    SmallVector<Value> results(args.take_front(ins.size()));
    if (hasSource)
      results.push_back(results.front());
    return results;
  });
}

LogicalResult emit(Emitter &e, train::FactorUpdateOp op) {
  Operands in(e, op);
  bool hasSource = e.outs.size() > in.states.size() + 1;
  Pieces pieces(e, op.getPieces());
  pieces.place(in.rank, sizeOf(in.p));
  Updates updates(pieces, in.factors);
  e.extent = 0;
  pieces.iterations(pieces.blocks, [&](Value block) {
    pieces.forGaps(block, sizeOf(in.p),
                   [&](Span gap) { keepGap(e, in, gap, hasSource); });
    for (const Piece &piece : pieces.all) {
      train::OptimizerRule rule = piece.attr.getRule();
      Value least = updates.leastOf(piece);
      Span elements = pieces.inBlock(piece, block);
      // Once, where there are some: its size is a sum over all blocks.
      Value some =
          pieces.i.min(e.index(1), pieces.i.sub(elements.end, elements.begin));
      e.loop(e.index(0), some, [&](Value) {
        UpdateScalars scalars(e, getElementTypeOrSelf(in.p), in.lr, in.step,
                              /*decays=*/true);
        scalars.stepSize = stepSizeOf(pieces, piece, in, scalars);
        ElementUpdate formula = emitUpdateRule(rule, scalars);
        updates.forRows(piece, elements, [&](const Row &row) {
          updateRow(pieces, piece, in, row, formula, least, hasSource);
        });
      });
    }
  });
  return success();
}
} // namespace

LogicalResult fsdp::emitFactorUpdate(Emitter &e, Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<train::FactorSquaresOp, train::FactorUpdateOp>(
          [&](auto typed) { return emit(e, typed); })
      .Default(
          [](Operation *other) { return other->emitOpError("has no kernel"); });
}
