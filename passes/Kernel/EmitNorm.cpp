//===- EmitNorm.cpp - Layer and RMS normalisation, a row at a time --------===//
#include "passes/Kernel/Rows.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace fsdp;

namespace {
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

/// The row after `i`, or the last one.
Value nextRow(Emitter &e, const Rows &rows, Value i) {
  return e.b.create<arith::MinSIOp>(
      e.loc, e.b.create<arith::AddIOp>(e.loc, i, e.index(1)),
      e.index(rows.count - 1));
}

/// Mean of body(row elements...) over a row.
Value meanOf(Emitter &e, const Rows &rows, ArrayRef<Value> ins,
             Emitter::Body body) {
  return e.mul(e.sum(ins, rows.element, body),
               e.number(rows.element, 1.0 / double(rows.width)));
}

/// 1 / sqrt(variance + epsilon).
Value reciprocalRoot(Emitter &e, const Rows &rows, Value variance,
                     const APFloat &epsilon) {
  Value shifted =
      e.add(variance, e.number(rows.element, epsilon.convertToDouble()));
  return e.div(e.number(rows.element, 1),
               e.b.create<math::SqrtOp>(e.loc, shifted));
}

/// Asks for a share of the row after `i`, or of the rows that the chain before
/// it reads, before each of the `parts` loops over row `i`: all at once would
/// hold up the loop that follows.
void prefetchShare(Emitter &e, const Rows &rows, Value x, Value i, int part,
                   int parts) {
  Value next = nextRow(e, rows, i);
  SmallVector<Value> read =
      e.prologue ? e.prologueRows(next) : SmallVector<Value>{e.row(x, next)};
  for (Value row : read)
    e.prefetch(row, part, parts);
}

LogicalResult emit(Emitter &e, onnx::LayerNormalizationOp op) {
  Rows rows(e, e.ins[0]);
  Value x = rows.matrix(e, e.ins[0]), y = rows.matrix(e, e.outs[0]);
  Value means = rows.column(e, e.outs[1]), rstds = rows.column(e, e.outs[2]);
  bool hasBias = bool(op.getBias());
  e.extent = rows.count;
  forRows(e, [&](Value i) {
    Value in = e.row(x, i);
    prefetchShare(e, rows, x, i, 0, 3);
    Value mean =
        meanOf(e, rows, {in},
               [](OpBuilder &, Location, ValueRange args) { return args[0]; });
    prefetchShare(e, rows, x, i, 1, 3);
    Value variance =
        meanOf(e, rows, {in},
               [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                 Value d = b.create<arith::SubFOp>(loc, args[0], mean);
                 return b.create<arith::MulFOp>(loc, d, d);
               });
    Value rstd = reciprocalRoot(e, rows, variance, op.getEpsilon());
    e.store(mean, means, i);
    e.store(rstd, rstds, i);
    SmallVector<Value> ins = {in, e.ins[1]};
    if (hasBias)
      ins.push_back(e.ins[2]);
    prefetchShare(e, rows, x, i, 2, 3);
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

LogicalResult emit(Emitter &e, onnx::RmsNormalizationOp op) {
  Rows rows(e, e.ins[0]);
  Value x = rows.matrix(e, e.ins[0]), y = rows.matrix(e, e.outs[0]);
  Value rstds = rows.column(e, e.outs[1]);
  e.extent = rows.count;
  forRows(e, [&](Value i) {
    Value in = e.row(x, i);
    prefetchShare(e, rows, x, i, 0, 2);
    Value square =
        meanOf(e, rows, {in},
               [](OpBuilder &b, Location loc, ValueRange args) -> Value {
                 return b.create<arith::MulFOp>(loc, args[0], args[0]);
               });
    Value rstd = reciprocalRoot(e, rows, square, op.getEpsilon());
    e.store(rstd, rstds, i);
    prefetchShare(e, rows, x, i, 1, 2);
    mapLast(e, i, {in, e.ins[1]}, e.row(y, i),
            [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
              Value h = b.create<arith::MulFOp>(loc, args[0], rstd);
              return b.create<arith::MulFOp>(loc, h, args[1]);
            });
  });
  return success();
}

/// Memrefs of a row's last loop, beside those of `mapLast`: the sums of its
/// block of rows.
using Sums = ArrayRef<Value>;

/// Rows of a norm's gradient, one by one or, where it has `parts`, in as many
/// blocks as these have rows, whose sums begin at 0.
void forGradRows(Emitter &e, const Rows &rows,
                 llvm::function_ref<void(Value, Sums)> body) {
  ArrayRef<Value> parts = ArrayRef(e.outs).drop_front();
  if (parts.empty()) {
    e.extent = rows.count;
    return forRows(e, [&](Value i) { body(i, {}); });
  }
  e.extent = cast<MemRefType>(parts[0].getType()).getDimSize(0);
  Value size = e.index(llvm::divideCeil(rows.count, e.extent));
  forRows(e, [&](Value block) {
    SmallVector<Value> sums;
    for (Value part : parts) {
      sums.push_back(e.row(part, block));
      e.fill(sums.back(), e.number(rows.element, 0));
    }
    Value low = e.b.create<arith::MulIOp>(e.loc, block, size);
    Value high = e.b.create<arith::MinSIOp>(
        e.loc, e.b.create<arith::AddIOp>(e.loc, low, size),
        e.index(rows.count));
    e.loop(low, high, [&](Value i) { body(i, sums); });
  });
}

/// `mapLast` that also adds terms(row elements...)[k] to `sums[k]`.
void mapLast(Emitter &e, Value i, ArrayRef<Value> ins, Value out, Sums sums,
             Emitter::Body body, Emitter::Terms terms) {
  if (sums.empty())
    return mapLast(e, i, ins, out, body);
  SmallVector<Value> all(ins), outs = {out};
  if (e.epilogue)
    llvm::append_range(all, e.epilogueRows(i));
  llvm::append_range(outs, sums);
  e.mapAll(all, outs, [&](OpBuilder &b, Location loc, ValueRange args) {
    ValueRange own = args.take_front(ins.size());
    Value value = body(b, loc, own);
    if (e.epilogue)
      value = e.epilogue(b, loc, value,
                         args.slice(ins.size(), all.size() - ins.size()));
    SmallVector<Value> results = {value};
    ValueRange before = args.take_back(sums.size());
    SmallVector<Value> added = terms(b, loc, own);
    for (auto [sum, term] : llvm::zip_equal(before, added))
      results.push_back(b.create<arith::AddFOp>(loc, sum, term));
    return results;
  });
}

/// dy times scale, of the rows dy, scale, x.
Value scaledGrad(OpBuilder &b, Location loc, ValueRange args) {
  return b.create<arith::MulFOp>(loc, args[0], args[1]);
}

LogicalResult emit(Emitter &e, train::LayerNormGradOp op) {
  Rows rows(e, e.ins[0]);
  Value x = rows.matrix(e, e.ins[0]), dy = rows.matrix(e, e.ins[1]);
  Value scale = e.ins[2], dx = rows.matrix(e, e.outs[0]);
  Value means = rows.column(e, e.ins[3]), rstds = rows.column(e, e.ins[4]);
  forGradRows(e, rows, [&](Value i, Sums sums) {
    Value mean = e.load(means, i), rstd = e.load(rstds, i);
    SmallVector<Value> ins = {e.row(dy, i), scale, e.row(x, i)};
    auto normalized = [&](OpBuilder &b, Location loc, Value value) -> Value {
      Value d = b.create<arith::SubFOp>(loc, value, mean);
      return b.create<arith::MulFOp>(loc, d, rstd);
    };
    SmallVector<Value> totals = e.sums(
        ins, rows.element, 2, [&](OpBuilder &b, Location loc, ValueRange args) {
          Value a = scaledGrad(b, loc, args);
          Value along =
              b.create<arith::MulFOp>(loc, a, normalized(b, loc, args[2]));
          return SmallVector<Value>{a, along};
        });
    Value share = e.number(rows.element, 1.0 / double(rows.width));
    Value meanA = e.mul(totals[0], share), meanAH = e.mul(totals[1], share);
    mapLast(
        e, i, ins, e.row(dx, i), sums,
        [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
          Value a = scaledGrad(b, loc, args);
          Value h = normalized(b, loc, args[2]);
          Value inner = b.create<arith::SubFOp>(loc, a, meanA);
          Value along = b.create<arith::MulFOp>(loc, h, meanAH);
          return b.create<arith::MulFOp>(
              loc, rstd, b.create<arith::SubFOp>(loc, inner, along));
        },
        [&](OpBuilder &b, Location loc, ValueRange args) {
          Value h = normalized(b, loc, args[2]);
          Value term = b.create<arith::MulFOp>(loc, args[0], h);
          return SmallVector<Value>{term, args[0]};
        });
  });
  return success();
}

LogicalResult emit(Emitter &e, train::RmsNormGradOp op) {
  Rows rows(e, e.ins[0]);
  Value x = rows.matrix(e, e.ins[0]), dy = rows.matrix(e, e.ins[1]);
  Value scale = e.ins[2], dx = rows.matrix(e, e.outs[0]);
  Value rstds = rows.column(e, e.ins[3]);
  forGradRows(e, rows, [&](Value i, Sums sums) {
    Value rstd = e.load(rstds, i);
    SmallVector<Value> ins = {e.row(dy, i), scale, e.row(x, i)};
    Value meanAX =
        meanOf(e, rows, ins,
               [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                 return b.create<arith::MulFOp>(loc, scaledGrad(b, loc, args),
                                                args[2]);
               });
    Value along = e.mul(e.mul(rstd, rstd), meanAX);
    mapLast(
        e, i, ins, e.row(dx, i), sums,
        [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
          Value a = scaledGrad(b, loc, args);
          Value part = b.create<arith::MulFOp>(loc, args[2], along);
          return b.create<arith::MulFOp>(loc, rstd,
                                         b.create<arith::SubFOp>(loc, a, part));
        },
        [&](OpBuilder &b, Location loc, ValueRange args) {
          Value h = b.create<arith::MulFOp>(loc, args[2], rstd);
          return SmallVector<Value>{b.create<arith::MulFOp>(loc, args[0], h)};
        });
  });
  return success();
}

/// Sums over the rows for a block of columns: of dy h, and of dy where there is
/// a bias, with h = (x - mean) rstd.
struct ParamGrad {
  Emitter &e;
  Value x, dy;
  Value means; ///< null: 0
  Value rstds;
  SmallVector<Value> sums; ///< of dy h and, with a bias, of dy; in f64

  /// Adds `count` rows from `first` on: summed in the rows' precision, which is
  /// what a few rows allow, and converted once.
  void addRows(Value first, int64_t count, Emitter::Columns columns) const {
    SmallVector<Value> ins, mean, rstd;
    for (int64_t r = 0; r < count; ++r) {
      Value i = e.b.create<arith::AddIOp>(e.loc, first, e.index(r));
      mean.push_back(means ? e.load(means, i) : Value());
      rstd.push_back(e.load(rstds, i));
      ins.push_back(e.slice(e.row(dy, i), columns));
      ins.push_back(e.slice(e.row(x, i), columns));
    }
    e.mapAll(ins, sums, [&](OpBuilder &b, Location loc, ValueRange args) {
      Value scale, bias;
      for (int64_t r = 0; r < count; ++r) {
        Value g = args[2 * r], d = args[2 * r + 1];
        if (mean[r])
          d = b.create<arith::SubFOp>(loc, d, mean[r]);
        Value h = b.create<arith::MulFOp>(loc, d, rstd[r]);
        Value term = b.create<arith::MulFOp>(loc, g, h);
        scale = r ? b.create<arith::AddFOp>(loc, scale, term) : term;
        bias = r ? b.create<arith::AddFOp>(loc, bias, g) : g;
      }
      SmallVector<Value> results, parts = {scale, bias};
      ValueRange before = args.drop_front(2 * count);
      for (auto [sum, part] : llvm::zip_first(before, parts))
        results.push_back(b.create<arith::AddFOp>(
            loc, sum, Emitter::convert(b, loc, part, sum.getType())));
      return results;
    });
  }
};

/// The kernel of such sums, kept in f64: there may be many rows. `means` null:
/// of an RMS normalisation.
LogicalResult emitParamGrad(Emitter &e, Value means, Value rstds) {
  Rows rows(e, e.ins[0]);
  Type f64 = e.b.getF64Type();
  SmallVector<Value> tiles;
  for (size_t i = 0; i < e.outs.size(); ++i)
    tiles.push_back(e.stack(f64, {kColumnBlock}));
  e.extent = llvm::divideCeil(rows.width, kColumnBlock);
  e.loop(e.begin, e.end, [&](Value block) {
    Emitter::Columns columns = e.columnBlock(block, rows.width);
    ParamGrad grad{e,
                   rows.matrix(e, e.ins[0]),
                   rows.matrix(e, e.ins[1]),
                   means ? rows.column(e, means) : Value(),
                   rows.column(e, rstds),
                   {}};
    for (Value tile : tiles) {
      grad.sums.push_back(e.slice(tile, e.index(0), columns.size));
      e.fill(grad.sums.back(), e.number(f64, 0));
    }
    e.groups(rows.count, [&](Value first, int64_t count) {
      grad.addRows(first, count, columns);
    });
    for (auto [sum, out] : llvm::zip_equal(grad.sums, e.outs))
      e.map({sum}, e.slice(out, columns),
            [&](OpBuilder &b, Location loc, ValueRange args) {
              return Emitter::convert(b, loc, args[0], rows.element);
            });
  });
  return success();
}

LogicalResult emit(Emitter &e, train::LayerNormParamGradOp) {
  return emitParamGrad(e, e.ins[2], e.ins[3]);
}

LogicalResult emit(Emitter &e, train::RmsNormParamGradOp) {
  return emitParamGrad(e, Value(), e.ins[2]);
}
} // namespace

LogicalResult fsdp::emitNorm(Emitter &e, Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<onnx::LayerNormalizationOp, train::LayerNormGradOp,
            train::LayerNormParamGradOp, onnx::RmsNormalizationOp,
            train::RmsNormGradOp, train::RmsNormParamGradOp>(
          [&](auto typed) { return emit(e, typed); })
      .Default(
          [](Operation *other) { return other->emitOpError("has no kernel"); });
}
