//===- EmitUpdate.cpp - Norm, clipping, optimizers ------------------------===//
//
// What an optimizer makes of an element is UpdateRules.cpp's.
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/StochasticRounding.h"
#include "passes/Kernel/UpdateRules.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
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
      Value from = e.within(first, offset, count);
      Value to = e.within(last, offset, count);
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

/// The operands of an update as memrefs and scalars.
struct Update {
  Value p, g, lr, step, clip, rank, seed, keys;
  ArrayRef<Value> states;

  Update(Emitter &e, train::FlatUpdateOp op) {
    OperandReader in{e.ins};
    p = in.next();
    g = in.next();
    states = in.next(op.getStates().size());
    lr = e.load(in.next());
    step = op.getStep() ? e.load(in.next()) : Value();
    clip = op.getClip() ? e.load(in.next()) : Value();
    rank = in.next();
    seed = op.getSeed() ? in.next() : Value();
    keys = op.getKeys() ? in.next() : Value();
  }
};

/// What a range's rounded states need: the numbers of its parameter, and which
/// element of that the first is that this call updates. Null: none is rounded.
struct Rounding {
  Value stream, first;

  Value bits(OpBuilder &b, Location loc) const {
    if (!stream)
      return nullptr;
    Value element =
        b.create<arith::AddIOp>(loc, b.create<linalg::IndexOp>(loc, 0), first);
    return RoundingBits::of(b, loc, stream, element);
  }
};

/// One pass over [from, to); the new values are written over the old.
void updateInPlace(Emitter &e, train::FlatUpdateOp op, const Update &update,
                   const ElementUpdate &formula, const Rounding &rounding,
                   Value from, Value to) {
  SmallVector<Value> ins = {e.rows(update.p, from, to),
                            e.rows(update.g, from, to)};
  SmallVector<Value> outs;
  for (Value state : update.states)
    ins.push_back(e.rows(state, from, to));
  for (Value out : e.outs)
    outs.push_back(e.rows(out, from, to));
  Type type = getElementTypeOrSelf(update.p);
  SmallVector<AffineMap> maps(ins.size() + outs.size(),
                              e.b.getMultiDimIdentityMap(1));
  e.b.create<linalg::GenericOp>(
      e.loc, ins, outs, maps,
      ArrayRef<utils::IteratorType>{utils::IteratorType::parallel},
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Value g = Emitter::convert(b, loc, args[1], type);
        if (update.clip)
          g = b.create<arith::MulFOp>(loc, g, update.clip);
        SmallVector<Value> states;
        for (Value state : args.slice(2, update.states.size()))
          states.push_back(Emitter::convert(b, loc, state, type));
        SmallVector<Value> results = formula(b, loc, args[0], g, states);
        Value bits = rounding.bits(b, loc);
        for (auto [i, state] : llvm::enumerate(update.states))
          if (Value &result = results[i + 1];
              getElementTypeOrSelf(state) != type)
            result = roundStochastically(b, loc, result, bits, i);
        if (op.hasSource())
          results.push_back(Emitter::convert(
              b, loc, results.front(), getElementTypeOrSelf(e.outs.back())));
        b.create<linalg::YieldOp>(loc, results);
      });
}

/// Of range number `i`, whose elements this call updates from `from` on.
Rounding roundingOf(Emitter &e, train::FlatUpdateOp op, const Update &update,
                    RoundingBits &bits, int64_t i, Value from) {
  auto range = [&](int64_t i) {
    return cast<train::RangeAttr>(op.getRanges()[i]);
  };
  int64_t begin = i == 0 ? 0 : range(i - 1).getEnd();
  Value before = e.b.create<arith::MulIOp>(
      e.loc, e.toIndex(e.load(update.rank)), e.index(range(i).getStride()));
  Value place = e.b.create<arith::AddIOp>(e.loc, from, before);
  return {bits.streamOf(i),
          e.b.create<arith::SubIOp>(e.loc, place, e.index(begin))};
}

/// Where each range ends, of the elements [e.begin, e.end) of this shard. None
/// is computed from the one before: LLVM takes time by the square of such a
/// chain's length, and more.
SmallVector<Value> endsInShard(Emitter &e, train::FlatUpdateOp op, Value rank) {
  SmallVector<Value> ends;
  Value shard;
  for (auto range : op.getRanges().getAsRange<train::RangeAttr>()) {
    if (ends.size() + 1 == op.getRanges().size())
      break;
    Value end = e.index(range.getEnd());
    if (!op.getInShard()) {
      int64_t elements = op.getP().getType().getNumElements();
      if (!shard)
        shard = e.b.create<arith::MulIOp>(e.loc, e.toIndex(e.load(rank)),
                                          e.index(elements));
      end = e.b.create<arith::SubIOp>(e.loc, end, shard);
    }
    Value own = e.b.create<arith::MaxSIOp>(e.loc, end, e.begin);
    ends.push_back(e.b.create<arith::MinSIOp>(e.loc, own, e.end));
  }
  ends.push_back(e.end); // what is left
  return ends;
}

/// A loop a range over the part of it that this call has, each with the numbers
/// of its rule.
LogicalResult emit(Emitter &e, train::FlatUpdateOp op) {
  Update update(e, op);
  e.extent = cast<MemRefType>(update.p.getType()).getDimSize(0);
  SmallVector<train::OptimizerRule> rules;
  for (auto range : op.getRanges().getAsRange<train::RangeAttr>())
    rules.push_back(range.getRule());
  bool decays = llvm::any_of(rules, [](train::OptimizerRule rule) {
    return rule.getNumber("weight_decay") != 0;
  });
  UpdateScalars scalars(e, getElementTypeOrSelf(update.p), update.lr,
                        update.step, decays);
  SmallVector<ElementUpdate> formulas;
  for (train::OptimizerRule rule : rules)
    formulas.push_back(emitUpdateRule(rule, scalars));
  std::optional<RoundingBits> bits;
  if (update.keys)
    bits.emplace(e, update.seed, update.keys, update.step);
  Value from = e.begin;
  for (auto [i, to] : llvm::enumerate(endsInShard(e, op, update.rank))) {
    Rounding rounding;
    if (bits)
      rounding = roundingOf(e, op, update, *bits, int64_t(i), from);
    updateInPlace(e, op, update, formulas[i], rounding, from, to);
    from = to;
  }
  return success();
}

LogicalResult emit(Emitter &e, train::FlatFillOp op) {
  Value out = e.outs.front();
  Type type = getElementTypeOrSelf(out);
  e.extent = cast<MemRefType>(out.getType()).getDimSize(0);
  e.fill(e.rows(out, e.begin, e.end),
         e.number(e.computeType(type), op.getValue().convertToDouble()));
  return success();
}
} // namespace

LogicalResult fsdp::emitUpdate(Emitter &e, Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<train::SumOfSquaresOp, train::ClipCoefficientOp,
            train::FlatUpdateOp, train::FlatFillOp>(
          [&](auto typed) { return emit(e, typed); })
      .Default(
          [](Operation *other) { return other->emitOpError("has no kernel"); });
}
