//===- StochasticRounding.cpp - States in a narrower type -----------------===//
#include "passes/Kernel/StochasticRounding.h"

using namespace mlir;
using namespace fsdp;

namespace {
/// Integers in short.
struct Bits {
  OpBuilder &b;
  Location loc;

  Value number(unsigned width, uint64_t value) {
    return b.create<arith::ConstantOp>(
        loc, b.getIntegerAttr(b.getIntegerType(width), int64_t(value)));
  }
  Value times(Value x, uint64_t factor) {
    return b.create<arith::MulIOp>(loc, x, number(64, factor));
  }
  Value plus(Value x, Value y) { return b.create<arith::AddIOp>(loc, x, y); }
  Value upper(Value x, uint64_t from) {
    unsigned width = x.getType().getIntOrFloatBitWidth();
    return b.create<arith::ShRUIOp>(loc, x, number(width, from));
  }
  Value lower(Value x, unsigned width) {
    return b.create<arith::TruncIOp>(loc, b.getIntegerType(width), x);
  }
  Value as(Value x, Type type) {
    return b.create<arith::BitcastOp>(loc, type, x);
  }
  Value fold(Value x, uint64_t distance) {
    return b.create<arith::XOrIOp>(loc, x, upper(x, distance));
  }

  /// SplitMix64's.
  Value mix(Value z) {
    z = times(fold(z, 30), 0xBF58476D1CE4E5B9);
    z = times(fold(z, 27), 0x94D049BB133111EB);
    return fold(z, 31);
  }
  /// Number `count` of the sequence that begins at `from`.
  Value next(Value from, Value count) {
    return mix(plus(from, times(count, 0x9E3779B97F4A7C15)));
  }
};
} // namespace

RoundingBits::RoundingBits(Emitter &e, Value seed, Value keys, Value step)
    : e(e), seed(e.load(seed)), keys(keys),
      step(e.b.create<arith::FPToSIOp>(e.loc, e.b.getI64Type(), step)) {}

Value RoundingBits::streamOf(int64_t range) {
  Bits bits{e.b, e.loc};
  Value key = e.load(keys, e.index(range));
  return bits.next(bits.next(key, seed), step);
}

Value RoundingBits::of(OpBuilder &b, Location loc, Value stream,
                       Value element) {
  return Bits{b, loc}.next(
      stream, b.create<arith::IndexCastOp>(loc, b.getI64Type(), element));
}

Value fsdp::roundStochastically(OpBuilder &b, Location loc, Value value,
                                Value random, size_t state) {
  Bits bits{b, loc};
  Value own = bits.as(value, b.getI32Type());
  Value part = bits.lower(bits.upper(random, 16 * state), 16);
  Value moved =
      bits.plus(own, b.create<arith::ExtUIOp>(loc, b.getI32Type(), part));
  // A NaN whose lower bits are all that it has would become infinite, and one
  // of ones, which is what a GPU makes, zero.
  Value quiet = b.create<arith::OrIOp>(loc, own, bits.number(32, 1 << 22));
  Value isNaN =
      b.create<arith::CmpFOp>(loc, arith::CmpFPredicate::UNO, value, value);
  Value kept = b.create<arith::SelectOp>(loc, isNaN, quiet, moved);
  return bits.as(bits.lower(bits.upper(kept, 16), 16), b.getBF16Type());
}
