//===- EmitOrder.cpp - The largest, and running sums ----------------------===//
#include "passes/Kernel/Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace fsdp;

namespace {
MemRefType typeOf(Value memref) { return cast<MemRefType>(memref.getType()); }

Value compare(Emitter &e, arith::CmpIPredicate predicate, Value x, Value y) {
  return e.b.create<arith::CmpIOp>(e.loc, predicate, x, y);
}
Value both(Emitter &e, Value x, Value y) {
  return e.b.create<arith::AndIOp>(e.loc, x, y);
}
Value either(Emitter &e, Value x, Value y) {
  return e.b.create<arith::OrIOp>(e.loc, x, y);
}
Value choose(Emitter &e, Value condition, Value x, Value y) {
  return e.b.create<arith::SelectOp>(e.loc, condition, x, y);
}

//===----------------------------------------------------------------------===//
// The largest
//===----------------------------------------------------------------------===//

/// An integer that orders as `x` does: of floats NaN is above all others, and
/// the two zeros are one.
Value orderedKey(Emitter &e, Value x, bool smallest) {
  Value key = x;
  if (auto type = dyn_cast<FloatType>(x.getType())) {
    auto is = [&](arith::CmpFPredicate predicate, Value y) {
      return e.b.create<arith::CmpFOp>(e.loc, predicate, x, y);
    };
    unsigned bits = type.getWidth();
    Type integer = e.b.getIntegerType(bits);
    auto whole = [&](int64_t value) {
      return e.b.create<arith::ConstantOp>(e.loc,
                                           e.b.getIntegerAttr(integer, value));
    };
    int64_t most = llvm::maxIntN(bits);
    Value zero = e.number(type, 0);
    Value isZero = is(arith::CmpFPredicate::OEQ, zero);
    Value isNan = is(arith::CmpFPredicate::UNO, x);
    Value raw = e.b.create<arith::BitcastOp>(e.loc, integer,
                                             choose(e, isZero, zero, x));
    Value sign = e.b.create<arith::ShRSIOp>(e.loc, raw, whole(bits - 1));
    Value flipped =
        e.b.create<arith::XOrIOp>(e.loc, raw, both(e, sign, whole(most)));
    key = choose(e, isNan, whole(most), flipped);
  }
  if (!smallest)
    return key;
  Value ones = e.b.create<arith::ConstantOp>(
      e.loc, e.b.getIntegerAttr(key.getType(), -1));
  return e.b.create<arith::XOrIOp>(e.loc, key, ones);
}

/// Key and place of the first element of row `r` in the order of `top_k` that
/// comes after the one of `key` and `place`.
SmallVector<Value> next(Emitter &e, Value x, Value r, bool smallest, Value key,
                        Value place) {
  int64_t width = typeOf(x).getDimSize(1);
  Value none = e.index(width);
  auto loop = e.b.create<scf::ForOp>(e.loc, e.index(0), none, e.index(1),
                                     ValueRange{key, none});
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPointToStart(loop.getBody());
  Value i = loop.getInductionVar();
  Value best = loop.getRegionIterArgs()[0], at = loop.getRegionIterArgs()[1];
  Value own = orderedKey(e, e.load(x, {r, i}), smallest);
  using P = arith::CmpIPredicate;
  Value isAfter = either(
      e, compare(e, P::slt, own, key),
      both(e, compare(e, P::eq, own, key), compare(e, P::sgt, i, place)));
  Value isBest =
      either(e, compare(e, P::eq, at, none), compare(e, P::sgt, own, best));
  Value takes = both(e, isAfter, isBest);
  e.b.create<scf::YieldOp>(
      e.loc, ValueRange{choose(e, takes, own, best), choose(e, takes, i, at)});
  return SmallVector<Value>(loop.getResults());
}

/// No element is stored twice and none is marked: the next one is found by its
/// place in the order, in k passes over a row.
LogicalResult emit(Emitter &e, onnx::TopKOp op) {
  auto type = typeOf(e.ins[0]);
  int64_t width = type.getShape().back(), k = op.getK();
  int64_t rows = type.getNumElements() / width;
  Value x = e.view(e.ins[0], {rows, width});
  Value values = e.view(e.outs[0], {rows, k});
  Value indices = e.view(e.outs[1], {rows, k});
  Type element = e.computeType(type.getElementType());
  unsigned bits = element.getIntOrFloatBitWidth();
  Value most = e.b.create<arith::ConstantOp>(
      e.loc, e.b.getIntegerAttr(e.b.getIntegerType(bits), llvm::maxIntN(bits)));
  e.extent = rows;
  e.parallelLoop(e.begin, e.end, [&](Value r) {
    auto loop =
        e.b.create<scf::ForOp>(e.loc, e.index(0), e.index(k), e.index(1),
                               ValueRange{most, e.index(-1)});
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(loop.getBody());
    SmallVector<Value> found =
        next(e, x, r, op.getSmallest(), loop.getRegionIterArgs()[0],
             loop.getRegionIterArgs()[1]);
    SmallVector<Value> to = {r, loop.getInductionVar()};
    e.store(e.load(x, {r, found[1]}), values, to);
    e.store(e.b.create<arith::IndexCastOp>(e.loc, e.b.getI64Type(), found[1]),
            indices, to);
    e.b.create<scf::YieldOp>(e.loc, found);
  });
  return success();
}

//===----------------------------------------------------------------------===//
// Running sums
//===----------------------------------------------------------------------===//

LogicalResult emit(Emitter &e, onnx::CumSumOp op) {
  auto type = typeOf(e.ins[0]);
  int64_t extent = type.getDimSize(op.getAxis()), inner = 1;
  for (int64_t other : type.getShape().drop_front(op.getAxis() + 1))
    inner *= other;
  int64_t outer = type.getNumElements() / (extent * inner);
  Value x = e.view(e.ins[0], {outer, extent, inner});
  Value y = e.view(e.outs[0], {outer, extent, inner});
  bool isFloat = isa<FloatType>(type.getElementType());
  Type sum = isFloat ? e.b.getF64Type() : type.getElementType();
  e.extent = outer;
  e.parallelLoop(e.begin, e.end, [&](Value o) {
    e.parallelLoop(e.index(0), e.index(inner), [&](Value j) {
      auto loop = e.b.create<scf::ForOp>(e.loc, e.index(0), e.index(extent),
                                         e.index(1), e.number(sum, 0));
      OpBuilder::InsertionGuard guard(e.b);
      e.b.setInsertionPointToStart(loop.getBody());
      Value i = loop.getInductionVar();
      if (op.getReverse())
        i = e.b.create<arith::SubIOp>(e.loc, e.index(extent - 1), i);
      Value before = loop.getRegionIterArgs()[0], term = e.load(x, {o, i, j});
      Value after = isFloat
                        ? e.add(before, Emitter::convert(e.b, e.loc, term, sum))
                        : e.b.create<arith::AddIOp>(e.loc, before, term);
      Value result = op.getExclusive() ? before : after;
      if (isFloat)
        result = Emitter::convert(e.b, e.loc, result, type.getElementType());
      e.store(result, y, {o, i, j});
      e.b.create<scf::YieldOp>(e.loc, after);
    });
  });
  return success();
}
} // namespace

LogicalResult fsdp::emitOrder(Emitter &e, Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<onnx::TopKOp, onnx::CumSumOp>(
          [&](auto typed) { return emit(e, typed); })
      .Default(
          [](Operation *other) { return other->emitOpError("has no kernel"); });
}
