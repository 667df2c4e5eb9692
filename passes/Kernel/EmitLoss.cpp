//===- EmitLoss.cpp - Cross-entropy and its gradient ----------------------===//
#include "passes/Kernel/Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/TypeSwitch.h"

#include <limits>

using namespace mlir;
using namespace fsdp;

namespace {
/// A label as index, and whether it counts.
struct Label {
  Value index, counts;
};

Label loadLabel(Emitter &e, Value labels, Value i, int64_t ignore) {
  Value label = e.load(labels, i);
  Value counts =
      e.b.create<arith::CmpIOp>(e.loc, arith::CmpIPredicate::ne, label,
                                e.number(label.getType(), double(ignore)));
  return {e.toIndex(label), counts};
}

/// The sum lives in f64: over all tokens of a batch f32 would lose digits.
LogicalResult emit(Emitter &e, train::CrossEntropyOp op) {
  auto type = cast<MemRefType>(e.ins[0].getType());
  Type element = e.computeType(type.getElementType());
  Type f64 = e.b.getF64Type();
  int64_t width = type.getShape().back();
  int64_t count = type.getNumElements() / width;
  Value logits = e.view(e.ins[0], {count, width});
  Value labels = e.view(e.ins[1], {count});
  Value lse = e.view(e.outs[1], {count});
  Value total = e.stack(f64);
  e.store(e.number(f64, 0), total);
  e.loop(e.index(0), e.index(count), [&](Value i) {
    Value row = e.row(logits, i);
    Value most = e.reduce(
        {row}, e.number(element, -std::numeric_limits<double>::infinity()),
        [](OpBuilder &b, Location loc, ValueRange args) -> Value {
          return b.create<arith::MaxNumFOp>(loc, args[0], args[1],
                                            arith::FastMathFlags::nnan);
        });
    Value sum =
        e.sum({row}, element,
              [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                return b.create<math::ExpOp>(
                    loc, b.create<arith::SubFOp>(loc, args[0], most));
              });
    Value rowLse = e.add(most, e.b.create<math::LogOp>(e.loc, sum));
    e.store(rowLse, lse, i);
    Label label = loadLabel(e, labels, i, op.getIgnoreIndex());
    auto ifOp = e.b.create<scf::IfOp>(e.loc, label.counts, false);
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(ifOp.thenBlock());
    Value bad = e.b.create<arith::CmpIOp>(e.loc, arith::CmpIPredicate::uge,
                                          label.index, e.index(width));
    e.failIf(bad);
    Value index =
        e.b.create<arith::SelectOp>(e.loc, bad, e.index(0), label.index);
    Value loss = e.sub(rowLse, e.load(row, index));
    if (element != f64)
      loss = e.b.create<arith::ExtFOp>(e.loc, f64, loss);
    e.store(e.add(e.load(total), loss), total);
  });
  Value result = e.load(total);
  auto resultType = cast<MemRefType>(e.outs[0].getType()).getElementType();
  if (resultType != f64)
    result = e.b.create<arith::TruncFOp>(e.loc, resultType, result);
  e.store(result, e.outs[0]);
  return success();
}

LogicalResult emit(Emitter &e, train::CrossEntropyGradOp op) {
  auto type = cast<MemRefType>(e.ins[0].getType());
  Type element = e.computeType(type.getElementType());
  int64_t width = type.getShape().back();
  int64_t count = type.getNumElements() / width;
  Value logits = e.view(e.ins[0], {count, width});
  Value labels = e.view(e.ins[1], {count});
  Value lse = e.view(e.ins[2], {count});
  Value dlogits = e.view(e.outs[0], {count, width});
  Value zero = e.number(element, 0);
  Value scale = e.load(e.ins[3]);
  e.extent = count;
  e.loop(e.begin, e.end, [&](Value i) {
    Label label = loadLabel(e, labels, i, op.getIgnoreIndex());
    Value rowScale =
        e.b.create<arith::SelectOp>(e.loc, label.counts, scale, zero);
    Value rowLse = e.load(lse, i);
    Value out = e.row(dlogits, i);
    e.map({e.row(logits, i)}, out,
          [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
            Value p = b.create<math::ExpOp>(
                loc, b.create<arith::SubFOp>(loc, args[0], rowLse));
            return b.create<arith::MulFOp>(loc, p, rowScale);
          });
    auto ifOp = e.b.create<scf::IfOp>(e.loc, label.counts, false);
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(ifOp.thenBlock());
    e.store(e.sub(e.load(out, label.index), rowScale), out, label.index);
  });
  return success();
}

LogicalResult emit(Emitter &e, train::CountValidOp op) {
  auto type = cast<MemRefType>(e.ins[0].getType());
  Value labels = e.view(e.ins[0], {type.getNumElements()});
  Type i64 = e.b.getI64Type();
  Value count = e.sum(
      {labels}, i64, [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        Value ignore = b.create<arith::ConstantOp>(
            loc, b.getIntegerAttr(args[0].getType(), op.getIgnoreIndex()));
        Value counts = b.create<arith::CmpIOp>(loc, arith::CmpIPredicate::ne,
                                               args[0], ignore);
        return b.create<arith::ExtUIOp>(loc, i64, counts);
      });
  Type result = cast<MemRefType>(e.outs[0].getType()).getElementType();
  e.store(e.b.create<arith::SIToFPOp>(e.loc, result, count), e.outs[0]);
  return success();
}
} // namespace

LogicalResult fsdp::emitLoss(Emitter &e, Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<train::CrossEntropyOp, train::CrossEntropyGradOp,
            train::CountValidOp>([&](auto typed) { return emit(e, typed); })
      .Default(
          [](Operation *other) { return other->emitOpError("has no kernel"); });
}
