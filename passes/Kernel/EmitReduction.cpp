//===- EmitReduction.cpp - Sums, means and maxima ------------------------===//
//
// After merging neighbouring dimensions of one kind, a reduction ends in a
// reduced dimension (each result is a fold of rows) or in a kept one (rows are
// added to a tile of columns). Bits depend on shapes alone.
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/Emitter.h"
#include "passes/Kernel/Space.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;
using namespace fsdp;

namespace {
/// What is folded: a value of an element of each operand, over x's extents with
/// neighbours of one kind merged, which each operand has or is broadcast over.
struct Source {
  Emitter &e;
  Space space; ///< marked: reduced
  SmallVector<Value> operands;
  /// Entries of the one reduced dimension that a part has; 0: there is one.
  int64_t size = 0;
  Value low, high;       ///< of the part at hand; null: all
  bool isDirect = false; ///< a chain's values are folded as they are made

  Source(Emitter &e, ArrayRef<int64_t> shape, ArrayRef<int64_t> axes) : e(e) {
    SmallVector<bool> reduced;
    for (size_t i = 0; i < shape.size(); ++i)
      reduced.push_back(llvm::is_contained(axes, int64_t(i)));
    space = Space(shape, e.ins, reduced);
    if (space.extents.empty()) { // one element
      space.extents = {1};
      space.marked = {true};
      space.has.assign(e.ins.size(), {true});
    }
    for (auto [i, operand] : llvm::enumerate(e.ins))
      operands.push_back(e.view(operand, space.shapeOfOperand(i)));
  }

  size_t rank() const { return space.extents.size(); }
  int64_t extent(size_t dim) const { return space.extents[dim]; }
  bool isReduced(size_t dim) const { return space.marked[dim]; }

  /// Cuts the one reduced dimension into parts of `entries`.
  void cut(int64_t entries) {
    isDirect = true;
    for (size_t i = 0; i < rank(); ++i)
      if (isReduced(i) && entries < extent(i))
        size = entries;
  }

  /// The parts, where there are any, and kept dimensions before the last one.
  SmallVector<int64_t> outerExtents() const {
    SmallVector<int64_t> kept;
    for (size_t i = 0; size && i < rank(); ++i)
      if (isReduced(i))
        kept.push_back(llvm::divideCeil(extent(i), size));
    for (size_t i = 0; i + 1 < rank(); ++i)
      if (!isReduced(i))
        kept.push_back(extent(i));
    return kept;
  }

  /// Result `number` in the space of outerExtents(): its part of the source,
  /// and the indices of what is kept.
  std::pair<Source, SmallVector<Value>> at(Value number) const {
    SmallVector<Value> place = e.delinearize(number, outerExtents());
    Source own = *this;
    if (!size)
      return {own, place};
    int64_t reduced = 1;
    for (size_t i = 0; i < rank(); ++i)
      reduced *= isReduced(i) ? extent(i) : 1;
    own.low = e.b.create<arith::MulIOp>(e.loc, place.front(), e.index(size));
    own.high = e.b.create<arith::MinSIOp>(
        e.loc, e.b.create<arith::AddIOp>(e.loc, own.low, e.index(size)),
        e.index(reduced));
    place.erase(place.begin());
    return {own, place};
  }

  /// Of a reduced dimension: the entries that are folded.
  std::pair<Value, Value> range(size_t dim) const {
    return low ? std::pair(low, high)
               : std::pair(e.index(0), e.index(extent(dim)));
  }

  /// What is folded of rows of the last dimension, if that is reduced.
  SmallVector<Value> ownOf(ArrayRef<Value> rows) const {
    if (!low || !isReduced(rank() - 1))
      return SmallVector<Value>(rows);
    return slices(rows, {low, e.b.create<arith::SubIOp>(e.loc, high, low)});
  }

  /// Entry `i` of dimension `dim` of `parts`, which begin there.
  SmallVector<Value> entry(ArrayRef<Value> parts, size_t dim, Value i) const {
    SmallVector<Value> entries;
    for (auto [part, has] : llvm::zip(parts, space.has))
      entries.push_back(has[dim] ? e.row(part, i) : part);
    return entries;
  }

  /// `columns` of rows of the last dimension.
  SmallVector<Value> slices(ArrayRef<Value> rows,
                            Emitter::Columns columns) const {
    SmallVector<Value> parts;
    for (auto [row, has] : llvm::zip(rows, space.has))
      parts.push_back(has.back() ? e.slice(row, columns) : row);
    return parts;
  }

  Value value(OpBuilder &b, Location loc, ValueRange elements) const {
    return e.chain ? e.chain(b, loc, elements) : elements.front();
  }
};

/// How elements are folded: the neutral element, the fold and what is done to
/// the result.
struct Fold {
  Emitter &e;
  bool isMax;
  int64_t divisor; ///< of a mean: the elements folded; 1 otherwise

  Value init(Type type) const {
    if (!isMax || type.isInteger(1))
      return e.number(type, 0);
    if (auto integer = dyn_cast<IntegerType>(type)) {
      auto least = e.b.getIntegerAttr(
          type, APInt::getSignedMinValue(integer.getWidth()));
      return e.b.create<arith::ConstantOp>(e.loc, least);
    }
    return e.number(type, -std::numeric_limits<double>::infinity());
  }
  Value applyInOrder(OpBuilder &b, Location loc, Value acc, Value x) const {
    if (!isMax && isa<FloatType>(x.getType()))
      return b.create<arith::AddFOp>(loc, acc, x);
    return apply(b, loc, acc, x);
  }
  Value apply(OpBuilder &b, Location loc, Value acc, Value x) const {
    if (!isMax)
      return e.accumulate(b, acc, x);
    if (x.getType().isInteger(1))
      return b.create<arith::OrIOp>(loc, acc, x);
    if (isa<IntegerType>(x.getType()))
      return b.create<arith::MaxSIOp>(loc, acc, x);
    return b.create<arith::MaximumFOp>(loc, acc, x);
  }
  /// Integers round toward zero, as a quotient of theirs does.
  Value finish(OpBuilder &b, Location loc, Value acc) const {
    if (divisor == 1)
      return acc;
    Type type = acc.getType();
    if (isa<IntegerType>(type)) {
      auto count = b.create<arith::ConstantOp>(
          loc, b.getIntegerAttr(type, APInt(type.getIntOrFloatBitWidth(),
                                            uint64_t(divisor))));
      return b.create<arith::DivSIOp>(loc, acc, count);
    }
    Value factor = b.create<arith::ConstantOp>(
        loc, b.getFloatAttr(type, 1 / double(divisor)));
    return b.create<arith::MulFOp>(loc, acc, factor);
  }
};

/// Runs `body` on every innermost row of x whose kept indices are `kept`: that
/// row of each operand.
void forRows(Emitter &e, const Source &x, ArrayRef<Value> parts,
             ArrayRef<Value> kept,
             llvm::function_ref<void(ArrayRef<Value>)> body, size_t dim = 0) {
  if (dim + 1 >= x.rank())
    return body(x.ownOf(parts));
  if (!x.isReduced(dim))
    return forRows(e, x, x.entry(parts, dim, kept.front()), kept.drop_front(),
                   body, dim + 1);
  auto [from, to] = x.range(dim);
  e.loop(from, to, [&](Value i) {
    forRows(e, x, x.entry(parts, dim, i), kept, body, dim + 1);
  });
}

/// The same in groups of rows, for sources whose last dimension is kept.
void forRowGroups(Emitter &e, const Source &x, ArrayRef<Value> parts,
                  ArrayRef<Value> kept,
                  llvm::function_ref<void(ArrayRef<SmallVector<Value>>)> body,
                  size_t dim = 0) {
  if (dim + 1 == x.rank())
    return body({SmallVector<Value>(parts)});
  if (!x.isReduced(dim))
    return forRowGroups(e, x, x.entry(parts, dim, kept.front()),
                        kept.drop_front(), body, dim + 1);
  if (dim + 2 < x.rank())
    return e.loop(e.index(0), e.index(x.extent(dim)), [&](Value i) {
      forRowGroups(e, x, x.entry(parts, dim, i), kept, body, dim + 1);
    });
  auto addGroup = [&](Value first, int64_t count) {
    SmallVector<SmallVector<Value>> rows;
    for (int64_t r = 0; r < count; ++r)
      rows.push_back(x.entry(
          parts, dim, e.b.create<arith::AddIOp>(e.loc, first, e.index(r))));
    body(rows);
  };
  if (x.low)
    return e.groups(x.low, x.high, kRowGroup, addGroup);
  e.groups(x.extent(dim), addGroup);
}

/// The type in which a sum of many rows is kept: f32 would lose digits.
Type longSumType(Emitter &e, const Fold &fold, Type element) {
  return isa<FloatType>(element) && !fold.isMax ? e.b.getF64Type() : element;
}

/// Each result is folded from rows: within a row in the element's own precision
/// (in f64 when it is all there is), over the rows in f64.
void foldRows(Emitter &e, const Fold &fold, const Source &x, Value y,
              Type element, Type result) {
  SmallVector<int64_t> outer = x.outerExtents();
  e.extent = 1;
  for (int64_t extent : outer)
    e.extent *= extent;
  y = e.view(y, {e.extent});
  Type total = longSumType(e, fold, element);
  Type stored = cast<MemRefType>(y.getType()).getElementType();
  Type withinRow = x.rank() == 1 ? total : element;
  // A chain's values go through the first cache, to a loop that is the same
  // without a chain: so its order, and no bit, depends on what is fused.
  Value tile = e.chain && !x.isDirect
                   ? e.stack(stored, {x.extent(x.rank() - 1)})
                   : Value();
  e.loop(e.begin, e.end, [&](Value o) {
    Value cell = e.stack(total);
    e.store(fold.init(total), cell);
    auto addRow = [&](ArrayRef<Value> row) {
      SmallVector<Value> own(row);
      if (tile) {
        own = {tile};
        e.map(row, tile, e.chain);
      }
      Value part = e.reduce(own, fold.init(withinRow),
                            [&](OpBuilder &b, Location loc, ValueRange args) {
                              Value value = args[1];
                              if (!tile)
                                value = x.value(b, loc, args.drop_front());
                              if (isa<FloatType>(withinRow))
                                value =
                                    Emitter::convert(b, loc, value, withinRow);
                              return fold.apply(b, loc, args[0], value);
                            });
      if (isa<FloatType>(total))
        part = Emitter::convert(e.b, e.loc, part, total);
      e.store(fold.apply(e.b, e.loc, e.load(cell), part), cell);
    };
    auto [source, kept] = x.at(o);
    forRows(e, source, x.operands, kept, addRow);
    Value folded = fold.finish(e.b, e.loc, e.load(cell));
    if (isa<FloatType>(total))
      folded = Emitter::convert(e.b, e.loc, folded, result);
    e.store(folded, y, o);
  });
}

/// The last dimension is kept: rows are added to a tile of its columns.
void foldColumns(Emitter &e, const Fold &fold, const Source &x, Value y,
                 Type element, Type result) {
  SmallVector<int64_t> outer = x.outerExtents();
  int64_t width = x.extent(x.rank() - 1), count = 1;
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
    auto addGroup = [&](ArrayRef<SmallVector<Value>> group) {
      SmallVector<Value> ins = {sums};
      for (ArrayRef<Value> row : group)
        llvm::append_range(ins, x.slices(row, columns));
      e.map(ins, sums, [&](OpBuilder &b, Location loc, ValueRange args) {
        size_t operands = x.operands.size();
        Value value;
        for (size_t r = 0; r < group.size(); ++r) {
          Value own = x.value(b, loc, args.slice(1 + r * operands, operands));
          value = r ? fold.applyInOrder(b, loc, value, own) : own;
        }
        if (isa<FloatType>(total))
          value = Emitter::convert(b, loc, value, total);
        return fold.applyInOrder(b, loc, args[0], value);
      });
    };
    auto [source, kept] = x.at(place[0]);
    forRowGroups(e, source, x.operands, kept, addGroup);
    e.map({sums}, e.slice(e.row(y, place[0]), columns),
          [&](OpBuilder &b, Location loc, ValueRange args) {
            Value folded = fold.finish(b, loc, args[0]);
            return isa<FloatType>(total)
                       ? Emitter::convert(b, loc, folded, result)
                       : folded;
          });
  });
}

LogicalResult emitFold(Emitter &e, Type x, const Fold &fold,
                       const Source &source) {
  Type element = e.computeType(getElementTypeOrSelf(x));
  Type result = e.computeType(getElementTypeOrSelf(e.outs[0]));
  auto foldThem = source.space.marked.back() ? foldRows : foldColumns;
  foldThem(e, fold, source, e.outs[0], element, result);
  return success();
}

template <typename Op> LogicalResult emitFold(Emitter &e, Op op, bool isMax) {
  auto type = cast<RankedTensorType>(op.getX().getType());
  int64_t count = 1;
  for (int64_t axis : op.getAxes())
    count *= type.getDimSize(axis);
  bool isMean = isa<onnx::ReduceMeanOp>(op);
  return emitFold(e, type, {e, isMax, isMean ? count : 1},
                  Source(e, type.getShape(), op.getAxes()));
}

LogicalResult emitParts(Emitter &e, train::ReducePartsOp op) {
  auto type = cast<RankedTensorType>(op.getX().getType());
  Source source(e, type.getShape(), op.getAxes());
  if (llvm::count(source.space.marked, true) > 1)
    return op.emitOpError(
        "has an operand that is broadcast over some of the axes");
  source.cut(op.getSize());
  return emitFold(e, type, {e, op.getMax(), int64_t(op.getDivisor())}, source);
}
} // namespace

LogicalResult fsdp::emitReduction(Emitter &e, Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<onnx::ReduceSumOp, onnx::ReduceMeanOp>(
          [&](auto sum) { return emitFold(e, sum, /*isMax=*/false); })
      .Case([&](onnx::ReduceMaxOp most) {
        return emitFold(e, most, /*isMax=*/true);
      })
      .Case([&](train::ReducePartsOp parts) { return emitParts(e, parts); })
      .Default(
          [](Operation *other) { return other->emitOpError("has no kernel"); });
}
