//===- EmitRows.cpp - Softmax and normalisation, a row at a time ----------===//
#include "passes/Kernel/Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;
using namespace fsdp;

namespace {
/// A tensor [..., D] as rows of D.
struct Rows {
  int64_t count, width;
  Type element; ///< that is computed in
  bool isHalf;  ///< the memref holds half precision

  Rows(Emitter &e, Value memref) {
    auto type = cast<MemRefType>(memref.getType());
    width = type.getShape().back();
    count = type.getNumElements() / width;
    element = e.computeType(type.getElementType());
    isHalf = element != type.getElementType();
  }
  Value matrix(Emitter &e, Value memref) const {
    return e.view(memref, {count, width});
  }
  Value column(Emitter &e, Value memref) const {
    return e.view(memref, {count});
  }
};

/// body(i) for the rows of the kernel's range.
void forRows(Emitter &e, llvm::function_ref<void(Value)> body) {
  e.loop(e.begin, e.end, [&](Value i) {
    if (e.prologue)
      e.prologue(i);
    body(i);
  });
}

/// The last loop over row `i`, which stores the kernel's first result.
void mapLast(Emitter &e, Value i, ArrayRef<Value> ins, Value out,
             Emitter::Body body) {
  if (!e.epilogue)
    return e.map(ins, out, body);
  SmallVector<Value> all(ins);
  llvm::append_range(all, e.epilogueRows(i));
  e.map(all, out, [&](OpBuilder &b, Location loc, ValueRange args) {
    return e.epilogue(b, loc, body(b, loc, args.take_front(ins.size())),
                      args.drop_front(ins.size()));
  });
}

LogicalResult emit(Emitter &e, onnx::SoftmaxOp op) {
  Rows rows(e, e.ins[0]);
  Value x = rows.matrix(e, e.ins[0]), y = rows.matrix(e, e.outs[0]);
  e.extent = rows.count;
  e.loop(e.begin, e.end, [&](Value i) {
    Value in = e.row(x, i), out = e.row(y, i);
    Value most = e.reduce(
        {in}, e.number(rows.element, -std::numeric_limits<double>::infinity()),
        [](OpBuilder &b, Location loc, ValueRange args) -> Value {
          return b.create<arith::MaxNumFOp>(loc, args[0], args[1],
                                            kVectorizableMax);
        });
    auto power = [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
      return b.create<math::ExpOp>(loc,
                                   b.create<arith::SubFOp>(loc, args[0], most));
    };
    auto same = [](OpBuilder &, Location, ValueRange args) { return args[0]; };
    // A row in half precision cannot keep the powers: they are computed twice.
    if (!rows.isHalf)
      e.map({in}, out, power);
    Value total = rows.isHalf ? e.sum({in}, rows.element, power)
                              : e.sum({out}, rows.element, same);
    Value factor = e.div(e.number(rows.element, 1), total);
    e.map({rows.isHalf ? in : out}, out,
          [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
            Value value = rows.isHalf ? power(b, loc, args) : args[0];
            return b.create<arith::MulFOp>(loc, value, factor);
          });
  });
  return success();
}

LogicalResult emit(Emitter &e, train::SoftmaxGradOp op) {
  Rows rows(e, e.outs[0]);
  Value y = rows.matrix(e, e.ins[0]), dy = rows.matrix(e, e.ins[1]);
  Value dx = rows.matrix(e, e.outs[0]);
  e.extent = rows.count;
  e.loop(e.begin, e.end, [&](Value i) {
    Value yRow = e.row(y, i), dyRow = e.row(dy, i);
    Value dot = e.sum({yRow, dyRow}, rows.element,
                      [](OpBuilder &b, Location loc, ValueRange args) -> Value {
                        return b.create<arith::MulFOp>(loc, args[0], args[1]);
                      });
    e.map({yRow, dyRow}, e.row(dx, i),
          [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
            return b.create<arith::MulFOp>(
                loc, args[0], b.create<arith::SubFOp>(loc, args[1], dot));
          });
  });
  return success();
}

/// The row after `i`, or the last one of the range.
Value nextRow(Emitter &e, Value i) {
  Value last = e.b.create<arith::SubIOp>(e.loc, e.end, e.index(1));
  return e.b.create<arith::MinSIOp>(
      e.loc, e.b.create<arith::AddIOp>(e.loc, i, e.index(1)), last);
}

/// Mean of body(row elements...) over a row.
Value meanOf(Emitter &e, const Rows &rows, ArrayRef<Value> ins,
             Emitter::Body body) {
  return e.mul(e.sum(ins, rows.element, body),
               e.number(rows.element, 1.0 / double(rows.width)));
}

LogicalResult emit(Emitter &e, onnx::LayerNormalizationOp op) {
  Rows rows(e, e.ins[0]);
  Value x = rows.matrix(e, e.ins[0]), y = rows.matrix(e, e.outs[0]);
  Value means = rows.column(e, e.outs[1]), rstds = rows.column(e, e.outs[2]);
  bool hasBias = bool(op.getBias());
  e.extent = rows.count;
  forRows(e, [&](Value i) {
    Value in = e.row(x, i);
    if (!e.prologue) // whose own row is not there yet
      e.prefetch(e.row(x, nextRow(e, i)));
    Value mean =
        meanOf(e, rows, {in},
               [](OpBuilder &, Location, ValueRange args) { return args[0]; });
    Value variance =
        meanOf(e, rows, {in},
               [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                 Value d = b.create<arith::SubFOp>(loc, args[0], mean);
                 return b.create<arith::MulFOp>(loc, d, d);
               });
    Value shifted = e.add(
        variance, e.number(rows.element, op.getEpsilon().convertToDouble()));
    Value rstd = e.div(e.number(rows.element, 1),
                       e.b.create<math::SqrtOp>(e.loc, shifted));
    e.store(mean, means, i);
    e.store(rstd, rstds, i);
    SmallVector<Value> ins = {in, e.ins[1]};
    if (hasBias)
      ins.push_back(e.ins[2]);
    mapLast(e, i, ins, e.row(y, i),
            [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
              Value d = b.create<arith::SubFOp>(loc, args[0], mean);
              Value h = b.create<arith::MulFOp>(loc, d, rstd);
              Value scaled = b.create<arith::MulFOp>(loc, h, args[1]);
              if (!hasBias)
                return scaled;
              return b.create<arith::AddFOp>(loc, scaled, args[2]);
            });
  });
  return success();
}

LogicalResult emit(Emitter &e, train::LayerNormGradOp op) {
  Rows rows(e, e.outs[0]);
  Value x = rows.matrix(e, e.ins[0]), dy = rows.matrix(e, e.ins[1]);
  Value scale = e.ins[2], dx = rows.matrix(e, e.outs[0]);
  Value means = rows.column(e, e.ins[3]), rstds = rows.column(e, e.ins[4]);
  e.extent = rows.count;
  forRows(e, [&](Value i) {
    Value mean = e.load(means, i), rstd = e.load(rstds, i);
    Value xRow = e.row(x, i), dyRow = e.row(dy, i);
    Value next = nextRow(e, i);
    e.prefetch(e.row(x, next));
    e.prefetch(e.row(dy, next));
    auto scaled = [](OpBuilder &b, Location loc, ValueRange args) -> Value {
      return b.create<arith::MulFOp>(loc, args[0], args[1]);
    };
    auto normalized = [&](OpBuilder &b, Location loc, Value value) -> Value {
      Value d = b.create<arith::SubFOp>(loc, value, mean);
      return b.create<arith::MulFOp>(loc, d, rstd);
    };
    Value meanA = meanOf(e, rows, {dyRow, scale}, scaled);
    Value meanAH =
        meanOf(e, rows, {dyRow, scale, xRow},
               [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                 return b.create<arith::MulFOp>(loc, scaled(b, loc, args),
                                                normalized(b, loc, args[2]));
               });
    mapLast(e, i, {dyRow, scale, xRow}, e.row(dx, i),
            [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
              Value a = scaled(b, loc, args);
              Value h = normalized(b, loc, args[2]);
              Value inner = b.create<arith::SubFOp>(loc, a, meanA);
              Value along = b.create<arith::MulFOp>(loc, h, meanAH);
              return b.create<arith::MulFOp>(
                  loc, rstd, b.create<arith::SubFOp>(loc, inner, along));
            });
  });
  return success();
}

/// What the gradients of scale and bias read.
struct ParamGrad {
  Emitter &e;
  Value x, dy, means, rstds;
  Value dscale, dbias; ///< sums in f64

  /// Adds `count` rows from `first` on: summed in the rows' precision, which is
  /// what a few rows allow, and converted once.
  void addRows(Value first, int64_t count, Emitter::Columns columns) const {
    SmallVector<Value> ins, mean, rstd;
    for (int64_t r = 0; r < count; ++r) {
      Value i = e.b.create<arith::AddIOp>(e.loc, first, e.index(r));
      mean.push_back(e.load(means, i));
      rstd.push_back(e.load(rstds, i));
      ins.push_back(e.slice(e.row(dy, i), columns));
      ins.push_back(e.slice(e.row(x, i), columns));
    }
    e.mapAll(
        ins, {dscale, dbias}, [&](OpBuilder &b, Location loc, ValueRange args) {
          Value scale, bias;
          for (int64_t r = 0; r < count; ++r) {
            Value d = b.create<arith::SubFOp>(loc, args[2 * r + 1], mean[r]);
            Value h = b.create<arith::MulFOp>(loc, d, rstd[r]);
            Value term = b.create<arith::MulFOp>(loc, args[2 * r], h);
            scale = r ? b.create<arith::AddFOp>(loc, scale, term) : term;
            bias = r ? b.create<arith::AddFOp>(loc, bias, args[2 * r])
                     : args[2 * r];
          }
          return SmallVector<Value>{addTo(b, loc, args[2 * count], scale),
                                    addTo(b, loc, args.back(), bias)};
        });
  }

private:
  static Value addTo(OpBuilder &b, Location loc, Value sum, Value part) {
    return b.create<arith::AddFOp>(
        loc, sum, Emitter::convert(b, loc, part, sum.getType()));
  }
};

/// Sums over the rows for a block of columns each, kept in f64: there may be
/// many rows.
LogicalResult emit(Emitter &e, train::LayerNormParamGradOp op) {
  Rows rows(e, e.ins[0]);
  Value x = rows.matrix(e, e.ins[0]), dy = rows.matrix(e, e.ins[1]);
  Value means = rows.column(e, e.ins[2]), rstds = rows.column(e, e.ins[3]);
  Type f64 = e.b.getF64Type();
  Value scaleTile = e.stack(f64, {kColumnBlock});
  Value biasTile = e.stack(f64, {kColumnBlock});
  e.extent = llvm::divideCeil(rows.width, kColumnBlock);
  e.loop(e.begin, e.end, [&](Value block) {
    Emitter::Columns columns = e.columnBlock(block, rows.width);
    Value dscale = e.slice(scaleTile, e.index(0), columns.size);
    Value dbias = e.slice(biasTile, e.index(0), columns.size);
    e.fill(dscale, e.number(f64, 0));
    e.fill(dbias, e.number(f64, 0));
    ParamGrad sums{e, x, dy, means, rstds, dscale, dbias};
    e.groups(rows.count, [&](Value first, int64_t count) {
      sums.addRows(first, count, columns);
    });
    auto round = [&](OpBuilder &b, Location loc, ValueRange args) {
      return Emitter::convert(b, loc, args[0], rows.element);
    };
    e.map({dscale}, e.slice(e.outs[0], columns), round);
    e.map({dbias}, e.slice(e.outs[1], columns), round);
  });
  return success();
}
} // namespace

LogicalResult fsdp::emitRows(Emitter &e, Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<onnx::SoftmaxOp, onnx::LayerNormalizationOp, train::SoftmaxGradOp,
            train::LayerNormGradOp, train::LayerNormParamGradOp>(
          [&](auto typed) { return emit(e, typed); })
      .Default(
          [](Operation *other) { return other->emitOpError("has no kernel"); });
}
