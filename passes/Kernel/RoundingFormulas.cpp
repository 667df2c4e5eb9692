//===- RoundingFormulas.cpp - Whole numbers, remainders -------------------===//
//
// Without the target's rounding instructions, which not every CPU has: LLVM
// would call libm there.
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/FloatFormulas.h"

using namespace mlir;
using namespace fsdp;

/// The adder rounds to whole numbers, halves to even, beside a number that
/// leaves no place for a fraction; from there on every float is whole.
Value FloatFormulas::roundEven(Value x) {
  Value most = number(pick(0x1p52, 0x1p23)), magnitude = abs(x);
  Value shifted = b.create<arith::AddFOp>(loc, magnitude, most);
  Value rounded = b.create<arith::SubFOp>(loc, shifted, most);
  return select(compare(Predicate::OGE, magnitude, most), x,
                copySign(rounded, x));
}

Value FloatFormulas::floor(Value x) {
  Value near = roundEven(x);
  return select(compare(Predicate::OGT, near, x), sub(near, number(1.0)), near);
}

/// -0 for x in (-1, -0], as in C.
Value FloatFormulas::ceil(Value x) { return neg(floor(neg(x))); }

Value FloatFormulas::trunc(Value x) { return copySign(floor(abs(x)), x); }

/// x - y trunc(x / y), of x's sign as in C. Where the quotient was rounded up
/// to a whole number, one y too many is taken off. In f64 the product is exact
/// for quotients below 2^52 where the target has fused operations.
Value FloatFormulas::fmod(Value x, Value y) {
  Value dividend = abs(x), divisor = abs(y), zero = number(0.0);
  Value quotient = floor(div(dividend, divisor));
  Value rest = fma(neg(quotient), divisor, dividend);
  rest = select(compare(Predicate::OLT, rest, zero), add(rest, divisor), rest);
  rest =
      select(compare(Predicate::OGE, rest, divisor), sub(rest, divisor), rest);
  // Also where the divisor is infinite.
  rest = select(compare(Predicate::OLT, dividend, divisor), dividend, rest);
  return copySign(rest, x);
}
