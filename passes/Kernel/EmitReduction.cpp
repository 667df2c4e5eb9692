//===- EmitReduction.cpp - Reductions and generated products --------------===//
//
// After merging neighbouring dimensions a reduction is one of: rows ([K, R], a
// fold a row), columns ([R, K], rows added to the result block by block of
// columns), all of it ([R]), or a mixture. Bits depend on shapes alone.
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
/// Columns that one iteration of a column reduction works on.
constexpr int64_t kColumnBlock = 256;

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

  SmallVector<int64_t> keptExtents() const {
    SmallVector<int64_t> kept;
    for (auto [extent, isReduced] : llvm::zip(extents, reduced))
      if (!isReduced)
        kept.push_back(extent);
    return kept;
  }

  bool is(std::initializer_list<bool> kinds) const {
    return llvm::equal(reduced, kinds);
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

Value foldRow(Emitter &e, const Fold &fold, Value row, Type type) {
  Value result = e.reduce({row}, fold.init(type),
                          [&](OpBuilder &b, Location loc, ValueRange args) {
                            return fold.apply(b, loc, args[0], args[1]);
                          });
  return fold.finish(e.b, e.loc, result);
}

void foldRows(Emitter &e, const Fold &fold, Value x, Value y, int64_t rows,
              int64_t columns, Type type) {
  x = e.view(x, {rows, columns});
  y = e.view(y, {rows});
  e.extent = rows;
  e.loop(e.begin, e.end,
         [&](Value i) { e.store(foldRow(e, fold, e.row(x, i), type), y, i); });
}

/// The columns [low, low + width) of a row.
Value columns(Emitter &e, Value row, Value low, Value width) {
  SmallVector<OpFoldResult> offset = {low}, size = {width},
                            stride = {e.b.getIndexAttr(1)};
  return e.b.create<memref::SubViewOp>(e.loc, row, offset, size, stride);
}

void foldColumns(Emitter &e, const Fold &fold, Value x, Value y, int64_t rows,
                 int64_t width, Type type) {
  x = e.view(x, {rows, width});
  y = e.view(y, {width});
  e.extent = llvm::divideCeil(width, kColumnBlock);
  e.loop(e.begin, e.end, [&](Value block) {
    Value low = e.b.create<arith::MulIOp>(e.loc, block, e.index(kColumnBlock));
    Value left = e.b.create<arith::SubIOp>(e.loc, e.index(width), low);
    Value count =
        e.b.create<arith::MinSIOp>(e.loc, left, e.index(kColumnBlock));
    Value target = columns(e, y, low, count);
    e.fill(target, fold.init(type));
    e.loop(e.index(0), e.index(rows), [&](Value i) {
      e.map({target, columns(e, e.row(x, i), low, count)}, target,
            [&](OpBuilder &b, Location loc, ValueRange args) {
              return fold.apply(b, loc, args[0], args[1]);
            });
    });
    e.map({target}, target, [&](OpBuilder &b, Location loc, ValueRange args) {
      return fold.finish(b, loc, args[0]);
    });
  });
}

/// Any order of kept and reduced dimensions, accumulated in the result.
void foldMixed(Emitter &e, const Fold &fold, Value x, Value y,
               const Pattern &pattern, Type type) {
  x = e.view(x, pattern.extents);
  y = e.view(y, pattern.keptExtents());
  if (!pattern.reduced.front()) {
    e.extent = pattern.extents.front();
    x = e.rows(x, e.begin, e.end);
    y = e.rows(y, e.begin, e.end);
  }
  e.fill(y, fold.init(type));
  MLIRContext *context = e.b.getContext();
  SmallVector<AffineExpr> kept;
  SmallVector<utils::IteratorType> iterators;
  for (auto [i, isReduced] : llvm::enumerate(pattern.reduced)) {
    iterators.push_back(isReduced ? utils::IteratorType::reduction
                                  : utils::IteratorType::parallel);
    if (!isReduced)
      kept.push_back(getAffineDimExpr(i, context));
  }
  unsigned rank = pattern.extents.size();
  SmallVector<AffineMap> maps = {
      AffineMap::getMultiDimIdentityMap(rank, context),
      AffineMap::get(rank, 0, kept, context)};
  e.b.create<linalg::GenericOp>(
      e.loc, ValueRange{x}, ValueRange{y}, maps, iterators,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        b.create<linalg::YieldOp>(loc, fold.apply(b, loc, args[1], args[0]));
      });
  SmallVector<AffineMap> same(
      2, AffineMap::getMultiDimIdentityMap(kept.size(), context));
  SmallVector<utils::IteratorType> parallel(kept.size(),
                                            utils::IteratorType::parallel);
  e.b.create<linalg::GenericOp>(
      e.loc, ValueRange{y}, ValueRange{y}, same, parallel,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        b.create<linalg::YieldOp>(loc, fold.finish(b, loc, args[0]));
      });
}

LogicalResult emitFold(Emitter &e, Fold fold, ArrayRef<int64_t> axes) {
  auto type = cast<MemRefType>(e.ins[0].getType());
  Type element = type.getElementType();
  Pattern pattern(type.getShape(), axes);
  Value x = e.ins[0], y = e.outs[0];
  ArrayRef<int64_t> n = pattern.extents;
  if (pattern.is({true}))
    e.store(foldRow(e, fold, e.view(x, n), element), e.view(y, {}));
  else if (pattern.is({false, true}))
    foldRows(e, fold, x, y, n[0], n[1], element);
  else if (pattern.is({true, false}))
    foldColumns(e, fold, x, y, n[0], n[1], element);
  else
    foldMixed(e, fold, x, y, pattern, element);
  return success();
}

int64_t reducedElements(Value x, ArrayRef<int64_t> axes) {
  int64_t elements = 1;
  for (int64_t axis : axes)
    elements *= cast<MemRefType>(x.getType()).getDimSize(axis);
  return elements;
}

/// Strides-free product for dtypes that the library has not: C row by row,
/// contributions in the order of k.
LogicalResult emit(Emitter &e, onnx::MatMulOp op) {
  auto c = cast<MemRefType>(e.outs[0].getType());
  MLIRContext *context = e.b.getContext();
  unsigned batch = c.getRank() - 2, m = batch, k = batch + 1, n = batch + 2;
  auto dim = [&](unsigned i) { return getAffineDimExpr(i, context); };
  auto mapOf = [&](Value operand, unsigned row, unsigned column) {
    auto type = cast<MemRefType>(operand.getType());
    unsigned own = type.getRank() - 2;
    SmallVector<AffineExpr> exprs;
    for (unsigned i = 0; i < own; ++i)
      exprs.push_back(type.getDimSize(i) == 1
                          ? getAffineConstantExpr(0, context)
                          : dim(batch - own + i));
    exprs.append({dim(row), dim(column)});
    return AffineMap::get(batch + 3, 0, exprs, context);
  };
  SmallVector<AffineMap> maps = {
      op.getTransA() ? mapOf(e.ins[0], k, m) : mapOf(e.ins[0], m, k),
      op.getTransB() ? mapOf(e.ins[1], n, k) : mapOf(e.ins[1], k, n),
      mapOf(e.outs[0], m, n)};
  SmallVector<utils::IteratorType> iterators(batch + 3,
                                             utils::IteratorType::parallel);
  iterators[k] = utils::IteratorType::reduction;
  // A result with an extent of 1 in the batch is not broadcast.
  SmallVector<AffineExpr> all;
  for (unsigned i = 0; i < batch; ++i)
    all.push_back(dim(i));
  all.append({dim(m), dim(n)});
  maps[2] = AffineMap::get(batch + 3, 0, all, context);
  e.fill(e.outs[0], e.number(c.getElementType(), 0));
  e.b.create<linalg::GenericOp>(
      e.loc, e.ins, e.outs, maps, iterators,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Value product = b.create<arith::MulFOp>(loc, args[0], args[1]);
        b.create<linalg::YieldOp>(
            loc, b.create<arith::AddFOp>(loc, args[2], product).getResult());
      });
  return success();
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
      .Case([&](onnx::MatMulOp matmul) { return emit(e, matmul); })
      .Default(
          [](Operation *other) { return other->emitOpError("has no kernel"); });
}
