//===- EmitReduction.cpp - Sums, means and maxima ------------------------===//
//
// After merging neighbouring dimensions of one kind, a reduction ends in a
// reduced dimension (each result is a fold of rows) or in a kept one (rows are
// added to a tile of columns). Bits depend on shapes alone.
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;
using namespace fsdp;

namespace {
/// Extents of x with neighbours of one kind merged; whether each is reduced.
struct Pattern {
  SmallVector<int64_t> extents;
  SmallVector<bool> reduced;

  Pattern(ArrayRef<int64_t> shape, ArrayRef<int64_t> axes) {
    for (auto [i, extent] : llvm::enumerate(shape)) {
      if (extent == 1)
        continue;
      bool isReduced = llvm::is_contained(axes, int64_t(i));
      if (!extents.empty() && reduced.back() == isReduced) {
        extents.back() *= extent;
        continue;
      }
      extents.push_back(extent);
      reduced.push_back(isReduced);
    }
  }

  size_t rank() const { return extents.size(); }
  bool endsReduced() const { return !reduced.empty() && reduced.back(); }

  /// The kept dimensions before the last one.
  SmallVector<int64_t> outerExtents() const {
    SmallVector<int64_t> kept;
    for (size_t i = 0; i + 1 < rank(); ++i)
      if (!reduced[i])
        kept.push_back(extents[i]);
    return kept;
  }
};

/// How elements are folded: the neutral element, the fold and what is done to
/// the result.
struct Fold {
  Emitter &e;
  bool isMax;
  double scale;

  Value init(Type type) const {
    return e.number(type, isMax ? -std::numeric_limits<double>::infinity() : 0);
  }
  Value apply(OpBuilder &b, Location loc, Value acc, Value x) const {
    if (isMax)
      return b.create<arith::MaximumFOp>(loc, acc, x);
    return e.accumulate(b, acc, x);
  }
  Value finish(OpBuilder &b, Location loc, Value acc) const {
    if (scale == 1)
      return acc;
    Value factor =
        b.create<arith::ConstantOp>(loc, b.getFloatAttr(acc.getType(), scale));
    return b.create<arith::MulFOp>(loc, acc, factor);
  }
};

/// Runs `body` on every innermost row of x whose kept indices are `kept`.
void forRows(Emitter &e, const Pattern &pattern, Value x, ArrayRef<Value> kept,
             llvm::function_ref<void(Value)> body, size_t dim = 0) {
  if (dim + 1 >= pattern.rank())
    return body(x);
  if (!pattern.reduced[dim])
    return forRows(e, pattern, e.row(x, kept.front()), kept.drop_front(), body,
                   dim + 1);
  e.loop(e.index(0), e.index(pattern.extents[dim]), [&](Value i) {
    forRows(e, pattern, e.row(x, i), kept, body, dim + 1);
  });
}

/// The same in groups of rows, for patterns whose last dimension is kept.
void forRowGroups(Emitter &e, const Pattern &pattern, Value x,
                  ArrayRef<Value> kept,
                  llvm::function_ref<void(ArrayRef<Value>)> body,
                  size_t dim = 0) {
  if (dim + 1 == pattern.rank())
    return body(x);
  if (!pattern.reduced[dim])
    return forRowGroups(e, pattern, e.row(x, kept.front()), kept.drop_front(),
                        body, dim + 1);
  if (dim + 2 < pattern.rank())
    return e.loop(e.index(0), e.index(pattern.extents[dim]), [&](Value i) {
      forRowGroups(e, pattern, e.row(x, i), kept, body, dim + 1);
    });
  e.groups(pattern.extents[dim], [&](Value first, int64_t count) {
    SmallVector<Value> rows;
    for (int64_t r = 0; r < count; ++r)
      rows.push_back(e.row(
          x, e.b.create<arith::AddIOp>(e.loc, first, e.index(r)).getResult()));
    body(rows);
  });
}

/// The type in which a sum of many rows is kept: f32 would lose digits.
Type longSumType(Emitter &e, const Fold &fold, Type element) {
  return isa<FloatType>(element) && !fold.isMax ? e.b.getF64Type() : element;
}

/// Each result is folded from rows: within a row in the element's own precision
/// (in f64 when it is all there is), over the rows in f64.
void foldRows(Emitter &e, const Fold &fold, Value x, Value y,
              const Pattern &pattern, Type element) {
  SmallVector<int64_t> outer = pattern.outerExtents();
  e.extent = 1;
  for (int64_t extent : outer)
    e.extent *= extent;
  y = e.view(y, {e.extent});
  Type total = longSumType(e, fold, element);
  Type withinRow = pattern.rank() == 1 ? total : element;
  e.loop(e.begin, e.end, [&](Value o) {
    Value cell = e.stack(total);
    e.store(fold.init(total), cell);
    forRows(e, pattern, x, e.delinearize(o, outer), [&](Value row) {
      Value part =
          e.reduce({row}, fold.init(withinRow),
                   [&](OpBuilder &b, Location loc, ValueRange args) {
                     Value value =
                         isa<FloatType>(withinRow)
                             ? Emitter::convert(b, loc, args[1], withinRow)
                             : args[1];
                     return fold.apply(b, loc, args[0], value);
                   });
      if (isa<FloatType>(total))
        part = Emitter::convert(e.b, e.loc, part, total);
      e.store(fold.apply(e.b, e.loc, e.load(cell), part), cell);
    });
    Value result = fold.finish(e.b, e.loc, e.load(cell));
    if (isa<FloatType>(total))
      result = Emitter::convert(e.b, e.loc, result, element);
    e.store(result, y, o);
  });
}

/// The last dimension is kept: rows are added to a tile of its columns.
void foldColumns(Emitter &e, const Fold &fold, Value x, Value y,
                 const Pattern &pattern, Type element) {
  SmallVector<int64_t> outer = pattern.outerExtents();
  int64_t width = pattern.extents.back(), count = 1;
  for (int64_t extent : outer)
    count *= extent;
  y = e.view(y, {count, width});
  Type total = longSumType(e, fold, element);
  Value tile = e.stack(total, {kColumnBlock});
  // Blocks of one result row stand side by side in the outer loop.
  int64_t blocks = llvm::divideCeil(width, kColumnBlock);
  e.extent = count * blocks;
  e.loop(e.begin, e.end, [&](Value i) {
    SmallVector<Value> place = e.delinearize(i, {count, blocks});
    Emitter::Columns columns = e.columnBlock(place[1], width);
    Value sums = e.slice(tile, e.index(0), columns.size);
    e.fill(sums, fold.init(total));
    forRowGroups(e, pattern, x, e.delinearize(place[0], outer),
                 [&](ArrayRef<Value> group) {
                   SmallVector<Value> ins = {sums};
                   for (Value row : group)
                     ins.push_back(e.slice(row, columns));
                   e.map(ins, sums,
                         [&](OpBuilder &b, Location loc, ValueRange args) {
                           Value value = args[1];
                           for (Value other : args.drop_front(2))
                             value = fold.apply(b, loc, value, other);
                           if (isa<FloatType>(total))
                             value = Emitter::convert(b, loc, value, total);
                           return fold.apply(b, loc, args[0], value);
                         });
                 });
    e.map({sums}, e.slice(e.row(y, place[0]), columns),
          [&](OpBuilder &b, Location loc, ValueRange args) {
            Value result = fold.finish(b, loc, args[0]);
            return isa<FloatType>(total)
                       ? Emitter::convert(b, loc, result, element)
                       : result;
          });
  });
}

LogicalResult emitFold(Emitter &e, Fold fold, ArrayRef<int64_t> axes) {
  auto type = cast<MemRefType>(e.ins[0].getType());
  Pattern pattern(type.getShape(), axes);
  if (pattern.rank() == 0) { // one element
    pattern.extents = {1};
    pattern.reduced = {true};
  }
  Value x = e.view(e.ins[0], pattern.extents);
  Type element = e.computeType(type.getElementType());
  auto foldThem = pattern.endsReduced() ? foldRows : foldColumns;
  foldThem(e, fold, x, e.outs[0], pattern, element);
  return success();
}

int64_t reducedElements(Value x, ArrayRef<int64_t> axes) {
  int64_t elements = 1;
  for (int64_t axis : axes)
    elements *= cast<MemRefType>(x.getType()).getDimSize(axis);
  return elements;
}

} // namespace

LogicalResult fsdp::emitReduction(Emitter &e, Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](onnx::ReduceSumOp sum) {
        return emitFold(e, {e, false, 1}, sum.getAxes());
      })
      .Case([&](onnx::ReduceMeanOp mean) {
        double n = reducedElements(e.ins[0], mean.getAxes());
        return emitFold(e, {e, false, 1 / n}, mean.getAxes());
      })
      .Case([&](onnx::ReduceMaxOp most) {
        return emitFold(e, {e, true, 1}, most.getAxes());
      })
      .Default(
          [](Operation *other) { return other->emitOpError("has no kernel"); });
}
