//===- EmitUpdate.cpp - Norm, clipping, optimizers ------------------------===//
//
// The order of operations is torch's, so that results agree to rounding.
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/Emitter.h"

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
Value convert(Emitter &e, Value value, Type type) {
  if (value.getType() == type)
    return value;
  if (value.getType().getIntOrFloatBitWidth() < type.getIntOrFloatBitWidth())
    return e.b.create<arith::ExtFOp>(e.loc, type, value);
  return e.b.create<arith::TruncFOp>(e.loc, type, value);
}

/// Sum of the squares of `row`, in f64.
Value squaresOf(Emitter &e, Value row) {
  Type f64 = e.b.getF64Type();
  return e.sum({row}, f64,
               [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                 Value wide = Emitter::convert(b, loc, args[0], f64);
                 return b.create<arith::MulFOp>(loc, wide, wide);
               });
}

/// max(0, min(place - offset, count)).
Value placeWithin(Emitter &e, Value place, int64_t offset, int64_t count) {
  Value own = e.b.create<arith::SubIOp>(e.loc, place, e.index(offset));
  Value low = e.b.create<arith::MaxSIOp>(e.loc, own, e.index(0));
  return e.b.create<arith::MinSIOp>(e.loc, low, e.index(count));
}

/// One iteration is a block of the line of all elements, of which it takes from
/// each tensor the part that lies there.
LogicalResult emit(Emitter &e, train::SumOfSquaresOp op) {
  int64_t total = 0;
  for (Value x : e.ins)
    total += cast<MemRefType>(x.getType()).getNumElements();
  e.extent = cast<MemRefType>(e.outs[0].getType()).getNumElements();
  Value sums = e.view(e.outs[0], {e.extent});
  Value size =
      e.index(op.getBlock().value_or(llvm::divideCeil(total, e.extent)));
  e.loop(e.begin, e.end, [&](Value block) {
    Value first = e.b.create<arith::MulIOp>(e.loc, block, size);
    Value last = e.b.create<arith::AddIOp>(e.loc, first, size);
    Value sum = e.number(e.b.getF64Type(), 0);
    int64_t offset = 0;
    for (Value x : e.ins) {
      int64_t count = cast<MemRefType>(x.getType()).getNumElements();
      Value from = placeWithin(e, first, offset, count);
      Value to = placeWithin(e, last, offset, count);
      Value length = e.b.create<arith::SubIOp>(e.loc, to, from);
      sum = e.add(sum, squaresOf(e, e.slice(e.view(x, {count}), from, length)));
      offset += count;
    }
    e.store(sum, sums, block);
  });
  return success();
}

LogicalResult emit(Emitter &e, train::ClipCoefficientOp op) {
  Type type = getElementTypeOrSelf(e.outs[0]);
  Value norm = convert(e, e.load(e.ins[0]), type);
  Value ratio = e.div(e.number(type, op.getMaxNorm().convertToDouble()),
                      e.add(norm, e.number(type, 1e-6)));
  e.store(e.b.create<arith::MinimumFOp>(e.loc, ratio, e.number(type, 1)),
          e.outs[0]);
  return success();
}

/// 1 - beta^t for a whole number t held in a float, in f64, by squaring.
Value biasCorrection(Emitter &e, double beta, Value t) {
  Type f64 = e.b.getF64Type(), i64 = e.b.getI64Type();
  Value one = e.number(f64, 1), oneInt = e.number(i64, 1);
  Value steps = e.b.create<arith::FPToSIOp>(e.loc, i64, t);
  auto bits = e.b.create<scf::ForOp>(
      e.loc, e.index(0), e.index(32), e.index(1),
      ValueRange{one, e.number(f64, beta), steps},
      [&](OpBuilder &b, Location loc, Value, ValueRange carried) {
        Value odd = b.create<arith::CmpIOp>(
            loc, arith::CmpIPredicate::ne,
            b.create<arith::AndIOp>(loc, carried[2], oneInt),
            b.create<arith::ConstantOp>(loc, b.getI64IntegerAttr(0)));
        Value product = b.create<arith::MulFOp>(loc, carried[0], carried[1]);
        Value power = b.create<arith::SelectOp>(loc, odd, product, carried[0]);
        Value square = b.create<arith::MulFOp>(loc, carried[1], carried[1]);
        Value rest = b.create<arith::ShRUIOp>(loc, carried[2], oneInt);
        b.create<scf::YieldOp>(loc, ValueRange{power, square, rest});
      });
  return e.sub(one, bits.getResult(0));
}

/// Whether element i of the range decays: its place in the line, rank * C +
/// begin + i, or, without `rank`, in the shard, is below `decayElements`.
struct Decay {
  double rate;
  Value below; ///< elements of the range that decay, as index

  Decay(Emitter &e, double rate, int64_t decayElements, Value rank,
        int64_t shardElements)
      : rate(rate) {
    Value first = e.begin;
    if (rank) {
      Value shard = e.b.create<arith::MulIOp>(e.loc, e.toIndex(e.load(rank)),
                                              e.index(shardElements));
      first = e.b.create<arith::AddIOp>(e.loc, shard, first);
    }
    below = e.b.create<arith::SubIOp>(e.loc, e.index(decayElements), first);
  }

  /// `then` where this element decays, else `otherwise`.
  Value select(OpBuilder &b, Location loc, Value then, Value otherwise) const {
    Value i = b.create<linalg::IndexOp>(loc, 0);
    Value decays =
        b.create<arith::CmpIOp>(loc, arith::CmpIPredicate::slt, i, below);
    return b.create<arith::SelectOp>(loc, decays, then, otherwise);
  }
};

/// One pass over the range; the new values are written over the old.
void updateInPlace(
    Emitter &e, ArrayRef<Value> ins, ArrayRef<Value> outs,
    llvm::function_ref<SmallVector<Value>(OpBuilder &, Location, ValueRange)>
        body) {
  SmallVector<Value> cutIns, cutOuts;
  for (Value in : ins)
    cutIns.push_back(e.rows(in, e.begin, e.end));
  for (Value out : outs)
    cutOuts.push_back(e.rows(out, e.begin, e.end));
  SmallVector<AffineMap> maps(ins.size() + outs.size(),
                              e.b.getMultiDimIdentityMap(1));
  e.b.create<linalg::GenericOp>(
      e.loc, cutIns, cutOuts, maps,
      ArrayRef<utils::IteratorType>{utils::IteratorType::parallel},
      [&](OpBuilder &b, Location loc, ValueRange args) {
        b.create<linalg::YieldOp>(loc, body(b, loc, args));
      });
}

/// The gradient, widened to `type`, times `clip` where there is one.
Value clippedGradient(OpBuilder &b, Location loc, Value grad, Value clip,
                      Type type) {
  grad = Emitter::convert(b, loc, grad, type);
  return clip ? b.create<arith::MulFOp>(loc, grad, clip) : grad;
}

/// Appends `value` rounded to what `source`, a memref or null, holds.
void appendSource(OpBuilder &b, Location loc, Value value, Value source,
                  SmallVectorImpl<Value> &results) {
  if (source)
    results.push_back(
        Emitter::convert(b, loc, value, getElementTypeOrSelf(source)));
}

LogicalResult emit(Emitter &e, train::FlatAdamWOp op) {
  auto in = e.ins.begin();
  Value p = *in++, g = *in++, m = *in++, v = *in++;
  Value lrBuffer = *in++, stepBuffer = *in++;
  Value clip = op.getClip() ? e.load(*in++) : Value();
  Value rank = *in++;
  Type type = getElementTypeOrSelf(p), f64 = e.b.getF64Type();
  int64_t elements = cast<MemRefType>(p.getType()).getDimSize(0);
  e.extent = elements;
  train::AdamWAttr rule = op.getRule();
  double beta1 = rule.getBeta1().getValueAsDouble();
  double beta2 = rule.getBeta2().getValueAsDouble();
  double rate = rule.getDecay().getValueAsDouble();
  Value lr = convert(e, e.load(lrBuffer), f64);
  Value step = e.load(stepBuffer);
  Value correction1 = biasCorrection(e, beta1, step);
  Value correction2 = biasCorrection(e, beta2, step);
  Value stepSize = convert(e, e.div(lr, correction1), type);
  Value root2 = convert(
      e, e.b.create<math::SqrtOp>(e.loc, correction2).getResult(), type);
  Value shrink =
      convert(e, e.sub(e.number(f64, 1), e.mul(lr, e.number(f64, rate))), type);
  Value one = e.number(type, 1), b1 = e.number(type, 1 - beta1);
  Value keep2 = e.number(type, beta2), b2 = e.number(type, 1 - beta2);
  Value eps = e.number(type, rule.getEps().getValueAsDouble());
  Decay decay(e, rate, op.getDecayElements(),
              op.getDecayInShard() ? Value() : rank, elements);
  Value source = op.getSource() ? e.outs[3] : Value();
  updateInPlace(
      e, {p, g, m, v}, e.outs,
      [&](OpBuilder &b, Location loc, ValueRange args) -> SmallVector<Value> {
        auto add = [&](Value x, Value y) -> Value {
          return b.create<arith::AddFOp>(loc, x, y);
        };
        auto mul = [&](Value x, Value y) -> Value {
          return b.create<arith::MulFOp>(loc, x, y);
        };
        auto div = [&](Value x, Value y) -> Value {
          return b.create<arith::DivFOp>(loc, x, y);
        };
        auto sub = [&](Value x, Value y) -> Value {
          return b.create<arith::SubFOp>(loc, x, y);
        };
        Value grad = clippedGradient(b, loc, args[1], clip, type);
        Value shrunk = mul(args[0], decay.select(b, loc, shrink, one));
        Value newM = add(args[2], mul(b1, sub(grad, args[2])));
        Value newV = add(mul(args[3], keep2), mul(b2, mul(grad, grad)));
        Value root = b.create<math::SqrtOp>(loc, newV);
        Value denominator = add(div(root, root2), eps);
        Value newP = sub(shrunk, mul(stepSize, div(newM, denominator)));
        SmallVector<Value> results = {newP, newM, newV};
        appendSource(b, loc, newP, source, results);
        return results;
      });
  return success();
}

LogicalResult emit(Emitter &e, train::FlatSgdOp op) {
  auto in = e.ins.begin();
  Value p = *in++, g = *in++;
  Value buffer = op.getMomentumBuffer() ? *in++ : Value();
  Value lrBuffer = *in++;
  Value clip = op.getClip() ? e.load(*in++) : Value();
  Value rank = *in++;
  Type type = getElementTypeOrSelf(p);
  int64_t elements = cast<MemRefType>(p.getType()).getDimSize(0);
  e.extent = elements;
  Value lr = convert(e, e.load(lrBuffer), type);
  double decayRate = op.getRule().getDecay().getValueAsDouble();
  Value rate = e.number(type, decayRate), zero = e.number(type, 0);
  Value momentum =
      e.number(type, op.getRule().getMomentum().getValueAsDouble());
  Decay decay(e, decayRate, op.getDecayElements(),
              op.getDecayInShard() ? Value() : rank, elements);
  SmallVector<Value> ins = {p, g};
  if (buffer)
    ins.push_back(buffer);
  Value source = op.getSource() ? e.outs.back() : Value();
  updateInPlace(
      e, ins, e.outs,
      [&](OpBuilder &b, Location loc, ValueRange args) -> SmallVector<Value> {
        auto fma = [&](Value x, Value y, Value z) -> Value {
          return b.create<arith::AddFOp>(loc, x,
                                         b.create<arith::MulFOp>(loc, y, z));
        };
        Value grad = clippedGradient(b, loc, args[1], clip, type);
        if (decayRate != 0)
          grad = fma(grad, decay.select(b, loc, rate, zero), args[0]);
        if (buffer)
          grad = fma(grad, momentum, args[2]);
        Value step = b.create<arith::MulFOp>(loc, lr, grad);
        Value newP = b.create<arith::SubFOp>(loc, args[0], step);
        SmallVector<Value> results = {newP};
        if (buffer)
          results.push_back(grad);
        appendSource(b, loc, newP, source, results);
        return results;
      });
  return success();
}
} // namespace

LogicalResult fsdp::emitUpdate(Emitter &e, Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<train::SumOfSquaresOp, train::ClipCoefficientOp, train::FlatAdamWOp,
            train::FlatSgdOp>([&](auto typed) { return emit(e, typed); })
      .Default(
          [](Operation *other) { return other->emitOpError("has no kernel"); });
}
