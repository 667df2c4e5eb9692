//===- OnnxScalars.cpp - One element of each elementwise op ---------------===//
//
// What an elementwise op computes of the operands' scalars, in arith and math
// ops. Kernels, their fusion and every target use these.
//
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Onnx.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"

#include <cmath>

using namespace mlir;
using namespace fsdp::onnx;

namespace {
Value number(OpBuilder &b, Location loc, Type type, double value) {
  if (isa<FloatType>(type))
    return b.create<arith::ConstantOp>(loc, b.getFloatAttr(type, value));
  return b.create<arith::ConstantOp>(loc,
                                     b.getIntegerAttr(type, int64_t(value)));
}

/// `FloatOp` or `IntOp` by the element type.
template <typename FloatOp, typename IntOp>
Value byType(OpBuilder &b, Location loc, ValueRange args) {
  if (isa<FloatType>(args[0].getType()))
    return b.create<FloatOp>(loc, args[0], args[1]);
  return b.create<IntOp>(loc, args[0], args[1]);
}

Value compare(OpBuilder &b, Location loc, ValueRange args,
              arith::CmpFPredicate floats, arith::CmpIPredicate integers) {
  if (isa<FloatType>(args[0].getType()))
    return b.create<arith::CmpFOp>(loc, floats, args[0], args[1]);
  return b.create<arith::CmpIOp>(loc, integers, args[0], args[1]);
}

/// x^n for a small integer n >= 1, by squaring.
Value integerPower(OpBuilder &b, Location loc, Value x, int64_t n) {
  Value result;
  for (Value square = x; n; n >>= 1) {
    if (n & 1)
      result = result ? b.create<arith::MulFOp>(loc, result, square) : square;
    if (n > 1)
      square = b.create<arith::MulFOp>(loc, square, square);
  }
  return result;
}

/// x^n of integers, modulo 2^width, by squaring without branches. Below 0 the
/// result rounds to 0, but for x = 1 and x = -1, where parity decides: the sign
/// bit left out, n keeps it.
Value wholePower(OpBuilder &b, Location loc, Value x, Value n) {
  Type type = x.getType();
  Value zero = number(b, loc, type, 0), one = number(b, loc, type, 1);
  auto compare = [&](arith::CmpIPredicate predicate, Value l, Value r) {
    return b.create<arith::CmpIOp>(loc, predicate, l, r);
  };
  Value result = one, square = x, rest = n;
  for (unsigned bit = 0; bit + 1 < type.getIntOrFloatBitWidth(); ++bit) {
    Value isSet = compare(arith::CmpIPredicate::ne,
                          b.create<arith::AndIOp>(loc, rest, one), zero);
    Value product = b.create<arith::MulIOp>(loc, result, square);
    result = b.create<arith::SelectOp>(loc, isSet, product, result);
    square = b.create<arith::MulIOp>(loc, square, square);
    rest = b.create<arith::ShRUIOp>(loc, rest, one);
  }
  Value isUnit = b.create<arith::OrIOp>(
      loc, compare(arith::CmpIPredicate::eq, x, one),
      compare(arith::CmpIPredicate::eq, x, number(b, loc, type, -1)));
  Value isNegative = compare(arith::CmpIPredicate::slt, n, zero);
  Value fraction = b.create<arith::SelectOp>(loc, isUnit, result, zero);
  return b.create<arith::SelectOp>(loc, isNegative, fraction, result);
}

/// Processors trap on an integer divisor of 0 and on the least integer by -1.
struct SafeDivisor {
  Value isZero, isMinusOne, value;
  SafeDivisor(OpBuilder &b, Location loc, Value divisor) {
    auto constant = [&](int64_t n) {
      return number(b, loc, divisor.getType(), n);
    };
    auto is = [&](int64_t n) {
      return b.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, divisor,
                                     constant(n));
    };
    isZero = is(0);
    isMinusOne = is(-1);
    Value traps = b.create<arith::OrIOp>(loc, isZero, isMinusOne);
    value = b.create<arith::SelectOp>(loc, traps, constant(1), divisor);
  }
};

/// trunc(a / b) for integers: 0 where b is 0, modulo 2^width where it is -1.
Value quotient(OpBuilder &b, Location loc, Value l, Value r) {
  if (isa<FloatType>(l.getType()))
    return b.create<arith::DivFOp>(loc, l, r);
  SafeDivisor safe(b, loc, r);
  Value zero = number(b, loc, l.getType(), 0);
  Value whole = b.create<arith::DivSIOp>(loc, l, safe.value);
  Value negated = b.create<arith::SubIOp>(loc, zero, l);
  Value result =
      b.create<arith::SelectOp>(loc, safe.isMinusOne, negated, whole);
  return b.create<arith::SelectOp>(loc, safe.isZero, zero, result);
}

/// a - b trunc(a / b); 0 for the integers that trap.
Value remainder(OpBuilder &b, Location loc, Value l, Value r) {
  if (isa<FloatType>(l.getType()))
    return b.create<arith::RemFOp>(loc, l, r);
  return b.create<arith::RemSIOp>(loc, l, SafeDivisor(b, loc, r).value);
}
} // namespace

#define SCALAR(OP)                                                             \
  Value OP::emitScalar(OpBuilder &b, Location loc, ValueRange args, Type type)

#define SCALAR_MATH(OP, MATH)                                                  \
  SCALAR(OP) { return b.create<MATH>(loc, args[0]); }
SCALAR_MATH(ExpOp, math::ExpOp)
SCALAR_MATH(LogOp, math::LogOp)
SCALAR_MATH(SqrtOp, math::SqrtOp)
SCALAR_MATH(SinOp, math::SinOp)
SCALAR_MATH(CosOp, math::CosOp)
SCALAR_MATH(TanOp, math::TanOp)
SCALAR_MATH(AsinOp, math::AsinOp)
SCALAR_MATH(AcosOp, math::AcosOp)
SCALAR_MATH(AtanOp, math::AtanOp)
SCALAR_MATH(SinhOp, math::SinhOp)
SCALAR_MATH(CoshOp, math::CoshOp)
SCALAR_MATH(AsinhOp, math::AsinhOp)
SCALAR_MATH(AcoshOp, math::AcoshOp)
SCALAR_MATH(AtanhOp, math::AtanhOp)
SCALAR_MATH(Expm1Op, math::ExpM1Op)
SCALAR_MATH(Log1pOp, math::Log1pOp)
SCALAR_MATH(FloorOp, math::FloorOp)
SCALAR_MATH(CeilOp, math::CeilOp)
SCALAR_MATH(RoundOp, math::RoundEvenOp)
SCALAR_MATH(TanhOp, math::TanhOp)
SCALAR_MATH(ErfOp, math::ErfOp)

#define SCALAR_BINARY(OP, FLOAT, INT)                                          \
  SCALAR(OP) { return byType<FLOAT, INT>(b, loc, args); }
SCALAR_BINARY(AddOp, arith::AddFOp, arith::AddIOp)
SCALAR_BINARY(SubOp, arith::SubFOp, arith::SubIOp)
SCALAR_BINARY(MulOp, arith::MulFOp, arith::MulIOp)
SCALAR(DivOp) { return quotient(b, loc, args[0], args[1]); }
SCALAR_BINARY(MaxOp, arith::MaximumFOp, arith::MaxSIOp)
SCALAR_BINARY(MinOp, arith::MinimumFOp, arith::MinSIOp)
SCALAR(AndOp) { return b.create<arith::AndIOp>(loc, args[0], args[1]); }
SCALAR(OrOp) { return b.create<arith::OrIOp>(loc, args[0], args[1]); }

#define SCALAR_COMPARE(OP, FLOAT, INT)                                         \
  SCALAR(OP) {                                                                 \
    return compare(b, loc, args, arith::CmpFPredicate::FLOAT,                  \
                   arith::CmpIPredicate::INT);                                 \
  }
SCALAR_COMPARE(EqualOp, OEQ, eq)
SCALAR_COMPARE(LessOp, OLT, slt)
SCALAR_COMPARE(LessOrEqualOp, OLE, sle)
SCALAR_COMPARE(GreaterOp, OGT, sgt)
SCALAR_COMPARE(GreaterOrEqualOp, OGE, sge)

SCALAR(NegOp) {
  if (isa<FloatType>(type))
    return b.create<arith::NegFOp>(loc, args[0]);
  return b.create<arith::SubIOp>(loc, number(b, loc, type, 0), args[0]);
}

SCALAR(AbsOp) {
  if (isa<FloatType>(type))
    return b.create<math::AbsFOp>(loc, args[0]);
  return b.create<math::AbsIOp>(loc, args[0]);
}

SCALAR(ReciprocalOp) {
  return b.create<arith::DivFOp>(loc, number(b, loc, type, 1), args[0]);
}

SCALAR(NotOp) {
  return b.create<arith::XOrIOp>(loc, args[0], number(b, loc, type, 1));
}

SCALAR(ReluOp) {
  // The comparison is false for NaN, which then passes through.
  Value zero = number(b, loc, type, 0);
  Value negative =
      b.create<arith::CmpFOp>(loc, arith::CmpFPredicate::OLT, args[0], zero);
  return b.create<arith::SelectOp>(loc, negative, zero, args[0]);
}

SCALAR(SigmoidOp) {
  Value one = number(b, loc, type, 1);
  Value exp = b.create<math::ExpOp>(loc, b.create<arith::NegFOp>(loc, args[0]));
  return b.create<arith::DivFOp>(loc, one,
                                 b.create<arith::AddFOp>(loc, one, exp));
}

SCALAR(SoftplusOp) {
  Value x = args[0], zero = number(b, loc, type, 0);
  Value negative =
      b.create<arith::CmpFOp>(loc, arith::CmpFPredicate::OLT, x, zero);
  Value exp = b.create<math::ExpOp>(
      loc, b.create<arith::NegFOp>(loc, b.create<math::AbsFOp>(loc, x)));
  return b.create<arith::AddFOp>(
      loc, b.create<arith::SelectOp>(loc, negative, zero, x),
      b.create<math::Log1pOp>(loc, exp));
}

SCALAR(SignOp) {
  Value x = args[0], zero = number(b, loc, type, 0);
  Value above = compare(b, loc, {x, zero}, arith::CmpFPredicate::OGT,
                        arith::CmpIPredicate::sgt);
  Value below = compare(b, loc, {x, zero}, arith::CmpFPredicate::OLT,
                        arith::CmpIPredicate::slt);
  Value rest =
      b.create<arith::SelectOp>(loc, below, number(b, loc, type, -1), zero);
  return b.create<arith::SelectOp>(loc, above, number(b, loc, type, 1), rest);
}

SCALAR(FModOp) { return remainder(b, loc, args[0], args[1]); }

SCALAR(ModOp) {
  Value rest = remainder(b, loc, args[0], args[1]);
  Value zero = number(b, loc, type, 0);
  auto isNegative = [&](Value x) {
    return compare(b, loc, {x, zero}, arith::CmpFPredicate::OLT,
                   arith::CmpIPredicate::slt);
  };
  Value isPart = compare(b, loc, {rest, zero}, arith::CmpFPredicate::ONE,
                         arith::CmpIPredicate::ne);
  Value differ =
      b.create<arith::XOrIOp>(loc, isNegative(rest), isNegative(args[1]));
  Value moved = byType<arith::AddFOp, arith::AddIOp>(b, loc, {rest, args[1]});
  return b.create<arith::SelectOp>(
      loc, b.create<arith::AndIOp>(loc, isPart, differ), moved, rest);
}

SCALAR(GeluOp) {
  Value x = args[0], one = number(b, loc, type, 1);
  if (getTanh()) {
    // (1 + tanh u) / 2 = 1 / (1 + e^-2u), with one exponential and no
    // cancellation where u is far below 0.
    Value cube = integerPower(b, loc, x, 3);
    Value inner = b.create<arith::AddFOp>(
        loc, x,
        b.create<arith::MulFOp>(loc, number(b, loc, type, 0.044715), cube));
    Value exp = b.create<math::ExpOp>(
        loc, b.create<arith::MulFOp>(
                 loc, number(b, loc, type, -2 * std::sqrt(2.0 / M_PI)), inner));
    return b.create<arith::DivFOp>(loc, x,
                                   b.create<arith::AddFOp>(loc, one, exp));
  }
  Value bend = b.create<math::ErfOp>(
      loc, b.create<arith::MulFOp>(loc, x, number(b, loc, type, M_SQRT1_2)));
  Value half = b.create<arith::MulFOp>(loc, x, number(b, loc, type, 0.5));
  return b.create<arith::MulFOp>(loc, half,
                                 b.create<arith::AddFOp>(loc, one, bend));
}

SCALAR(PowOp) {
  if (!isa<FloatType>(type))
    return wholePower(b, loc, args[0], args[1]);
  // Small whole and half exponents, which are what models have, cheaply.
  FloatAttr constant;
  if (matchPattern(args[1], m_Constant(&constant))) {
    double exponent = constant.getValueAsDouble();
    if (exponent == 0.5)
      return b.create<math::SqrtOp>(loc, args[0]);
    if (exponent == 1 || exponent == 2 || exponent == 3 || exponent == 4)
      return integerPower(b, loc, args[0], int64_t(exponent));
    if (exponent == -1)
      return b.create<arith::DivFOp>(loc, number(b, loc, type, 1), args[0]);
    if (exponent == -0.5)
      return b.create<arith::DivFOp>(loc, number(b, loc, type, 1),
                                     b.create<math::SqrtOp>(loc, args[0]));
  }
  return b.create<math::PowFOp>(loc, args[0], args[1]);
}

SCALAR(WhereOp) {
  return b.create<arith::SelectOp>(loc, args[0], args[1], args[2]);
}

SCALAR(CastOp) {
  Value x = args[0];
  Type from = x.getType();
  if (from == type)
    return x;
  if (auto to = dyn_cast<FloatType>(type)) {
    if (auto source = dyn_cast<FloatType>(from)) {
      if (source.getWidth() < to.getWidth())
        return b.create<arith::ExtFOp>(loc, to, x);
      if (source.getWidth() > to.getWidth())
        return b.create<arith::TruncFOp>(loc, to, x);
      // Two 16-bit formats meet in f32.
      return b.create<arith::TruncFOp>(
          loc, to, b.create<arith::ExtFOp>(loc, b.getF32Type(), x));
    }
    if (from.isInteger(1))
      return b.create<arith::UIToFPOp>(loc, to, x);
    return b.create<arith::SIToFPOp>(loc, to, x);
  }
  if (isa<FloatType>(from)) {
    if (type.isInteger(1))
      return b.create<arith::CmpFOp>(loc, arith::CmpFPredicate::UNE, x,
                                     number(b, loc, from, 0));
    return b.create<arith::FPToSIOp>(loc, type, x);
  }
  if (type.isInteger(1))
    return b.create<arith::CmpIOp>(loc, arith::CmpIPredicate::ne, x,
                                   number(b, loc, from, 0));
  if (from.isInteger(1))
    return b.create<arith::ExtUIOp>(loc, type, x);
  if (from.getIntOrFloatBitWidth() < type.getIntOrFloatBitWidth())
    return b.create<arith::ExtSIOp>(loc, type, x);
  return b.create<arith::TruncIOp>(loc, type, x);
}
