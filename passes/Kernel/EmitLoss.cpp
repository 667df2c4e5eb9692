//===- EmitLoss.cpp - Cross-entropy and its gradient ----------------------===//
#include "passes/Kernel/Emitter.h"
#include "passes/Kernel/MathExpansion.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace fsdp;

namespace {
/// A label as index, and whether it counts.
struct Label {
  Value index, counts;
};

/// Label `i` of a row of `width` logits. One that counts and is out of range is
/// a failure of the kernel; the index is then 0, as for one that does not
/// count.
Label loadLabel(Emitter &e, Value labels, Value i, int64_t ignore,
                int64_t width) {
  Value label = e.load(labels, i);
  Value counts =
      e.b.create<arith::CmpIOp>(e.loc, arith::CmpIPredicate::ne, label,
                                e.number(label.getType(), double(ignore)));
  Value index = e.toIndex(label);
  Value outside = e.b.create<arith::CmpIOp>(e.loc, arith::CmpIPredicate::uge,
                                            index, e.index(width));
  e.failIf(e.b.create<arith::AndIOp>(e.loc, outside, counts));
  return {e.b.create<arith::SelectOp>(e.loc, outside, e.index(0), index),
          counts};
}

/// Columns whose maximum and sum are taken together: they stay in the first
/// cache between the two, so that memory is read once.
constexpr int64_t kBlock = 2048;

Value largest(Emitter &e, Value row, Value init) {
  return e.reduce({row}, init,
                  [](OpBuilder &b, Location loc, ValueRange args) -> Value {
                    return b.create<arith::MaxNumFOp>(loc, args[0], args[1],
                                                      kVectorizableMax);
                  });
}

/// Maximum and sum of e^(x - maximum) over what was seen of a row.
struct RunningSum {
  Emitter &e;
  Type element;
  Value most, sum;       ///< variables on the stack
  Value blockSum, ahead; ///< of this block; maximum of the next one

  RunningSum(Emitter &e, Type element)
      : e(e), element(element), most(e.stack(element)), sum(e.stack(element)),
        blockSum(e.stack(element)), ahead(e.stack(element)) {}

  /// Finite, that a block of -inf alone gives 0 and not NaN.
  Value lowest() const {
    auto &semantics = cast<FloatType>(element).getFloatSemantics();
    return e.number(
        element, llvm::APFloat::getLargest(semantics, true).convertToDouble());
  }

  void start(Value first) const {
    e.store(lowest(), most);
    e.store(e.number(element, 0), sum);
    e.store(largest(e, first, lowest()), ahead);
  }

  /// Adds `block`, whose maximum is `ahead`, and takes that of `next`: one loop
  /// waits for memory and computes at once.
  void add(Value block, Value next) const {
    Value before = e.load(most), after = newMaximum();
    e.store(e.number(element, 0), blockSum);
    e.store(lowest(), ahead);
    AffineMap row = e.b.getMultiDimIdentityMap(1);
    AffineMap scalar = AffineMap::get(1, 0, e.b.getContext());
    e.b.create<linalg::GenericOp>(
        e.loc, ValueRange{block, next}, ValueRange{blockSum, ahead},
        ArrayRef<AffineMap>{row, row, scalar, scalar},
        ArrayRef<utils::IteratorType>{utils::IteratorType::reduction},
        [&](OpBuilder &b, Location loc, ValueRange args) {
          Value x = Emitter::widen(b, loc, args[0]);
          Value y = Emitter::widen(b, loc, args[1]);
          Value total = e.accumulate(b, args[2], shiftedExp(b, loc, x, after));
          Value largest =
              b.create<arith::MaxNumFOp>(loc, args[3], y, kVectorizableMax);
          b.create<linalg::YieldOp>(loc, ValueRange{total, largest});
        });
    finish(before, after, e.load(blockSum));
  }

  /// Adds the last block, whose maximum is `ahead`.
  void add(Value block) const {
    Value before = e.load(most), after = newMaximum();
    finish(before, after,
           e.sum({block}, element,
                 [&](OpBuilder &b, Location loc, ValueRange args) {
                   return shiftedExp(b, loc, args[0], after);
                 }));
  }

private:
  static Value shiftedExp(OpBuilder &b, Location loc, Value x, Value shift) {
    return emitExpNonPositive(b, loc, b.create<arith::SubFOp>(loc, x, shift));
  }
  Value newMaximum() const {
    return e.b.create<arith::MaxNumFOp>(e.loc, e.load(most), e.load(ahead));
  }
  void finish(Value before, Value after, Value part) const {
    Value rest = e.mul(e.load(sum), shiftedExp(e.b, e.loc, before, after));
    e.store(e.add(rest, part), sum);
    e.store(after, most);
  }
};

/// Adds a whole row of `width` elements.
void addRow(const RunningSum &running, Value row, int64_t width) {
  Emitter &e = running.e;
  int64_t whole = width / kBlock, rest = width % kBlock;
  auto block = [&](Value k) {
    Value low = e.b.create<arith::MulIOp>(e.loc, k, e.index(kBlock));
    return e.slice(row, low, e.index(kBlock));
  };
  Value tail = e.slice(row, e.index(whole * kBlock), e.index(rest));
  running.start(whole ? block(e.index(0)) : tail);
  if (whole) {
    e.loop(e.index(0), e.index(whole - 1), [&](Value k) {
      Value next = e.b.create<arith::AddIOp>(e.loc, k, e.index(1));
      running.add(block(k), block(next));
    });
    running.add(block(e.index(whole - 1)));
    if (rest)
      e.store(largest(e, tail, running.lowest()), running.ahead);
  }
  if (rest)
    running.add(tail);
}

/// Rows are read once, in blocks whose bounds depend on the width alone.
LogicalResult emit(Emitter &e, train::CrossEntropyOp op) {
  auto type = cast<MemRefType>(e.ins[0].getType());
  Type element = e.computeType(type.getElementType());
  int64_t width = type.getShape().back();
  int64_t count = type.getNumElements() / width;
  Value logits = e.view(e.ins[0], {count, width});
  Value labels = e.view(e.ins[1], {count});
  Value losses = e.view(e.outs[0], {count});
  Value lse = e.view(e.outs[1], {count});
  RunningSum running(e, element);
  e.extent = count;
  e.loop(e.begin, e.end, [&](Value i) {
    Value row = e.row(logits, i);
    addRow(running, row, width);
    Value rowLse = e.add(e.load(running.most),
                         e.b.create<math::LogOp>(e.loc, e.load(running.sum)));
    e.store(rowLse, lse, i);
    Label label = loadLabel(e, labels, i, op.getIgnoreIndex(), width);
    Value loss = e.sub(rowLse, e.load(row, label.index));
    e.store(e.b.create<arith::SelectOp>(e.loc, label.counts, loss,
                                        e.number(element, 0)),
            losses, i);
  });
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
    Label label = loadLabel(e, labels, i, op.getIgnoreIndex(), width);
    Value rowScale =
        e.b.create<arith::SelectOp>(e.loc, label.counts, scale, zero);
    Value rowLse = e.load(lse, i);
    Value in = e.row(logits, i), out = e.row(dlogits, i);
    auto probability = [&](OpBuilder &b, Location loc, Value x) -> Value {
      return emitExpNonPositive(b, loc,
                                b.create<arith::SubFOp>(loc, x, rowLse));
    };
    // From the logit, which the loop may overwrite: what the loop stores has
    // been rounded.
    Value own = probability(e.b, e.loc, e.load(in, label.index));
    Value atLabel = e.mul(e.sub(own, e.number(element, 1)), rowScale);
    e.map({in}, out, [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
      return b.create<arith::MulFOp>(loc, probability(b, loc, args[0]),
                                     rowScale);
    });
    auto ifOp = e.b.create<scf::IfOp>(e.loc, label.counts, false);
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(ifOp.thenBlock());
    e.store(atLabel, out, label.index);
  });
  return success();
}

LogicalResult emit(Emitter &e, train::CountValidOp op) {
  int64_t all = cast<MemRefType>(e.ins[0].getType()).getNumElements();
  auto result = cast<MemRefType>(e.outs[0].getType());
  Value labels = e.view(e.ins[0], {all});
  Type i64 = e.b.getI64Type();
  auto countIn = [&](Value part) -> Value {
    Value count = e.sum(
        {part}, i64, [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
          Value ignore = b.create<arith::ConstantOp>(
              loc, b.getIntegerAttr(args[0].getType(), op.getIgnoreIndex()));
          Value counts = b.create<arith::CmpIOp>(loc, arith::CmpIPredicate::ne,
                                                 args[0], ignore);
          return b.create<arith::ExtUIOp>(loc, i64, counts);
        });
    return e.b.create<arith::SIToFPOp>(e.loc, result.getElementType(), count);
  };
  if (result.getRank() == 0) {
    e.store(countIn(labels), e.outs[0]);
    return success();
  }
  e.extent = result.getNumElements();
  Value size = e.index(llvm::divideCeil(all, e.extent)), end = e.index(all);
  e.loop(e.begin, e.end, [&](Value block) {
    Value begin = e.b.create<arith::MulIOp>(e.loc, block, size);
    Value from = e.b.create<arith::MinSIOp>(e.loc, begin, end);
    Value left = e.b.create<arith::SubIOp>(e.loc, end, from);
    Value count = e.b.create<arith::MinSIOp>(e.loc, left, size);
    e.store(countIn(e.slice(labels, from, count)), e.outs[0], block);
  });
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
