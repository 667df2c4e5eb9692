//===- FloatFormulas.cpp - exp, log, tanh, ... in arithmetic --------------===//
//
// Coefficients are those of Cephes (Moshier) and fdlibm (Sun), but for exp
// (f64: Taylor, f32: a minimax) and f32 erf (a minimax of N. Juffa's).
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/FloatFormulas.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace fsdp;

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

static constexpr auto kContract = arith::FastMathFlags::contract;

Value FloatFormulas::number(double value) {
  return b.create<arith::ConstantOp>(loc, b.getFloatAttr(type, value));
}
Value FloatFormulas::integer(int64_t value) {
  return b.create<arith::ConstantOp>(loc, b.getIntegerAttr(bits, value));
}
Value FloatFormulas::add(Value x, Value y) {
  return b.create<arith::AddFOp>(loc, x, y, kContract);
}
Value FloatFormulas::sub(Value x, Value y) {
  return b.create<arith::SubFOp>(loc, x, y, kContract);
}
Value FloatFormulas::mul(Value x, Value y) {
  return b.create<arith::MulFOp>(loc, x, y, kContract);
}
Value FloatFormulas::div(Value x, Value y) {
  return b.create<arith::DivFOp>(loc, x, y);
}
Value FloatFormulas::sqrt(Value x) { return b.create<math::SqrtOp>(loc, x); }
Value FloatFormulas::neg(Value x) { return b.create<arith::NegFOp>(loc, x); }
Value FloatFormulas::abs(Value x) { return b.create<math::AbsFOp>(loc, x); }
Value FloatFormulas::copySign(Value magnitude, Value sign) {
  return b.create<math::CopySignOp>(loc, magnitude, sign);
}
Value FloatFormulas::addInt(Value x, Value y) {
  return b.create<arith::AddIOp>(loc, x, y);
}
Value FloatFormulas::subInt(Value x, Value y) {
  return b.create<arith::SubIOp>(loc, x, y);
}
Value FloatFormulas::andInt(Value x, int64_t mask) {
  return b.create<arith::AndIOp>(loc, x, integer(mask));
}
Value FloatFormulas::shiftLeft(Value x, int64_t count) {
  return b.create<arith::ShLIOp>(loc, x, integer(count));
}
Value FloatFormulas::shiftRight(Value x, int64_t count) {
  return b.create<arith::ShRSIOp>(loc, x, integer(count));
}
Value FloatFormulas::toBits(Value x) {
  return b.create<arith::BitcastOp>(loc, bits, x);
}
Value FloatFormulas::fromBits(Value x) {
  return b.create<arith::BitcastOp>(loc, type, x);
}
Value FloatFormulas::toFloat(Value integer) {
  return b.create<arith::SIToFPOp>(loc, type, integer);
}
Value FloatFormulas::isZeroInt(Value x) {
  return b.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, x, integer(0));
}
Value FloatFormulas::compare(Predicate predicate, Value x, Value y) {
  return b.create<arith::CmpFOp>(loc, predicate, x, y);
}
Value FloatFormulas::select(Value condition, Value x, Value y) {
  return b.create<arith::SelectOp>(loc, condition, x, y);
}

Value FloatFormulas::clamp(Value x, double low, double high) {
  x = select(compare(Predicate::OGT, x, number(high)), number(high), x);
  return select(compare(Predicate::OLT, x, number(low)), number(low), x);
}

Value FloatFormulas::polynomial(Value x, ArrayRef<double> coefficients) {
  Value sum = number(coefficients.front());
  for (double coefficient : coefficients.drop_front())
    sum = fma(sum, x, number(coefficient));
  return sum;
}

FloatFormulas::Rounded FloatFormulas::round(Value x) {
  Value magic = number(pick(0x1.8p52, 0x1.8p23));
  Value shifted = b.create<arith::AddFOp>(loc, x, magic);
  Value rounded = b.create<arith::SubFOp>(loc, shifted, magic);
  return {rounded, subInt(toBits(shifted), toBits(magic))};
}

Value FloatFormulas::powerOfTwo(Value n) {
  int64_t bias = isF64() ? 1023 : 127, mantissa = isF64() ? 52 : 23;
  return fromBits(shiftLeft(addInt(n, integer(bias)), mantissa));
}

//===----------------------------------------------------------------------===//
// exp and log
//===----------------------------------------------------------------------===//

/// x = n ln 2 + r, |r| <= ln 2 / 2: e^x = 2^n e^r. Two factors of about 2^(n/2)
/// reach infinity and the subnormals.
Value FloatFormulas::exp(Value x) {
  x = clamp(x, pick(-746.0, -104.0), pick(710.0, 89.0));
  Rounded n = round(mul(x, number(M_LOG2E)));
  Value r = subLn2(x, n.number), y;
  y = isF64() ? add(expm1OfRest(r), number(1.0)) : expOfRest32(r);
  Value half = shiftRight(n.integer, 1);
  y = mul(y, powerOfTwo(half));
  return mul(y, powerOfTwo(subInt(n.integer, half)));
}

Value FloatFormulas::subLn2(Value x, Value n) {
  x = fma(n, number(pick(-6.93147180369123816490e-01, -0.693359375)), x);
  return fma(n, number(pick(-1.90821492927058770002e-10, 2.12194440e-4)), x);
}

/// A minimax of degree 6 whose first coefficients are 1: off by 3e-9.
static constexpr double kExp32[] = {1.3814540106e-3,
                                    8.3687451362e-3,
                                    4.1668390787e-2,
                                    1.6666520399e-1,
                                    4.9999993432e-1,
                                    1.0,
                                    1.0};

Value FloatFormulas::expOfRest32(Value r) { return polynomial(r, kExp32); }

Value FloatFormulas::expm1OfRest(Value r) {
  if (!isF64())
    return mul(polynomial(r, ArrayRef(kExp32).drop_back()), r);
  SmallVector<double> taylor;
  double factorial = 6227020800.0; // 13!
  for (int k = 13; k >= 2; factorial /= k, --k)
    taylor.push_back(1.0 / factorial);
  return fma(polynomial(r, taylor), mul(r, r), r);
}

/// As exp, with one factor 2^n. n and the exponent's bias are added to a number
/// so large that its last bits are their sum, which a shift makes the exponent:
/// 0 for n = -127.
Value FloatFormulas::expInRange32(Value x) {
  Value magic = number(0x1.8p23 + 127);
  Value shifted = fma(x, number(M_LOG2E), magic);
  Value n = b.create<arith::SubFOp>(loc, shifted, magic);
  Value power = fromBits(shiftLeft(toBits(shifted), 23));
  return mul(expOfRest32(subLn2(x, n)), power);
}

Value FloatFormulas::expNonPositive(Value x) {
  if (isF64())
    return exp(x);
  return expInRange32(clamp(x, -88.0, 88.0));
}

std::pair<Value, Value> FloatFormulas::splitExponent(Value x) {
  int64_t root = isF64() ? 0x3fe6a09e667f3bcd : 0x3f3504f3; // sqrt(1/2)
  int64_t mantissa = isF64() ? 52 : 23;
  // Subnormals are scaled up first.
  Value tiny = compare(Predicate::OLT, x,
                       number(pick(std::numeric_limits<double>::min(),
                                   double(std::numeric_limits<float>::min()))));
  x = select(tiny, mul(x, number(pick(0x1p54, 0x1p25))), x);
  Value scaled = select(tiny, number(pick(-54.0, -25.0)), number(0.0));
  Value shifted = subInt(toBits(x), integer(root));
  Value exponent = toFloat(shiftRight(shifted, mantissa));
  Value fraction =
      addInt(andInt(shifted, (int64_t(1) << mantissa) - 1), integer(root));
  return {fromBits(fraction), add(exponent, scaled)};
}

/// log(m 2^e) = e ln 2 + log(1 + f), f = m - 1.
Value FloatFormulas::log(Value x) {
  auto [m, e] = splitExponent(x);
  Value f = sub(m, number(1.0)), square = mul(f, f);
  Value halfSquare = mul(square, number(0.5)), y;
  if (isF64()) {
    Value s = div(f, add(f, number(2.0)));
    Value z = mul(s, s);
    Value r = mul(
        z, polynomial(z, {1.479819860511658591e-01, 1.531383769920937332e-01,
                          1.818357216161805012e-01, 2.222219843214978396e-01,
                          2.857142874366239149e-01, 3.999999999940941908e-01,
                          6.666666666666735130e-01}));
    Value low =
        fma(s, add(halfSquare, r), mul(e, number(1.90821492927058770002e-10)));
    y = fma(e, number(6.93147180369123816490e-01),
            sub(f, sub(halfSquare, low)));
  } else {
    Value p =
        polynomial(f, {7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1,
                       -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
                       2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1});
    p = mul(mul(p, square), f);
    p = fma(e, number(-2.12194440e-4), p);
    y = fma(e, number(0.693359375), add(f, sub(p, halfSquare)));
  }
  const double infinity = std::numeric_limits<double>::infinity();
  Value zero = number(0.0);
  y = select(compare(Predicate::OEQ, x, number(infinity)), x, y);
  y = select(compare(Predicate::OEQ, x, zero), number(-infinity), y);
  // Unordered or less: negative numbers and NaN.
  return select(compare(Predicate::ULT, x, zero), number(std::nan("")), y);
}

//===----------------------------------------------------------------------===//
// tanh and erf
//===----------------------------------------------------------------------===//

/// A rational function near 0, 1 - 2 / (e^2|x| + 1) elsewhere.
Value FloatFormulas::tanh(Value x) {
  Value z = mul(x, x), ratio;
  if (isF64())
    ratio = div(
        polynomial(z, {-9.64399179425052238628e-1, -9.92877231001918586564e1,
                       -1.61468768441708447952e3}),
        polynomial(z, {1.0, 1.12811678491632931402e2, 2.23548839060100448583e3,
                       4.84406305325125486048e3}));
  else
    ratio =
        polynomial(z, {-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2,
                       1.33314422036e-1, -3.33332819422e-1});
  Value near = fma(mul(ratio, z), x, x);
  Value magnitude = abs(x), two = number(2.0), one = number(1.0);
  Value power;
  if (isF64()) {
    power = exp(mul(magnitude, two));
  } else { // beyond 20 tanh is 1 to the last place
    Value most = number(20.0);
    Value m = select(compare(Predicate::OGT, magnitude, most), most, magnitude);
    power = expInRange32(mul(m, two));
  }
  Value far = sub(one, div(two, add(power, one)));
  return select(compare(Predicate::OLT, magnitude, number(0.625)), near,
                copySign(far, x));
}

Value FloatFormulas::erf(Value x) { return isF64() ? erf64(x) : erf32(x); }

Value FloatFormulas::erf32(Value x) {
  Value t = abs(x), s = mul(x, x);
  Value near = polynomial(s, {-5.96761703e-4, 4.99119423e-3, -2.67681349e-2,
                              1.12819925e-1, -3.76125336e-1, 1.28379166e-1});
  near = fma(near, x, x);
  // 1 - e^p(t); beyond 4 erf is 1 to the last place.
  t = clamp(t, 0.0, 4.0);
  Value p = polynomial(t, {-1.72853470e-5, 3.83197126e-4, -3.88396438e-3,
                           2.42546219e-2, -1.06777877e-1, -6.34846687e-1,
                           -1.28717512e-1});
  Value far = sub(number(1.0), expInRange32(sub(mul(p, t), t)));
  return select(compare(Predicate::OGT, abs(x), number(0.927734375)),
                copySign(far, x), near);
}

Value FloatFormulas::erf64(Value x) {
  Value z = mul(x, x);
  Value near = mul(
      x,
      div(polynomial(z, {9.60497373987051638749e0, 9.00260197203842689217e1,
                         2.23200534594684319226e3, 7.00332514112805075473e3,
                         5.55923013010394962768e4}),
          polynomial(z, {1.0, 3.35617141647503099647e1,
                         5.21357949780152679795e2, 4.59432382970980127987e3,
                         2.26290000613890934246e4, 4.92673942608635921086e4})));
  // 1 - erfc; beyond 6 erf is 1 to the last place.
  Value t = clamp(abs(x), 0.0, 6.0);
  Value ratio = div(
      polynomial(t, {2.46196981473530512524e-10, 5.64189564831068821977e-1,
                     7.46321056442269912687e0, 4.86371970985681366614e1,
                     1.96520832956077098242e2, 5.26445194995477358631e2,
                     9.34528527171957607540e2, 1.02755188689515710272e3,
                     5.57535335369399327526e2}),
      polynomial(t, {1.0, 1.32281951154744992508e1, 8.67072140885989742329e1,
                     3.54937778887819891062e2, 9.75708501743205489753e2,
                     1.82390916687909736289e3, 2.24633760818710981792e3,
                     1.65666309194161350182e3, 5.57535340817727675546e2}));
  Value far = sub(number(1.0), mul(exp(neg(mul(t, t))), ratio));
  return select(compare(Predicate::OGT, abs(x), number(1.0)), copySign(far, x),
                near);
}

//===----------------------------------------------------------------------===//
// sin and cos
//===----------------------------------------------------------------------===//

/// sin(x + quadrants pi/2) by reduction to [-pi/4, pi/4] in three parts of
/// pi/2, the first two of 33 bits: exact products up to 2^20 quadrants.
Value FloatFormulas::sinShifted(Value x, int64_t quadrants) {
  Rounded n = round(mul(x, number(M_2_PI)));
  Value minus = neg(n.number);
  Value r = fma(minus, number(1.57079632673412561417e+00), x);
  r = fma(minus, number(6.07710050630396597660e-11), r);
  r = fma(minus, number(2.02226624879595063154e-21), r);
  Value z = mul(r, r);
  Value sine =
      polynomial(z, {1.58969099521155010221e-10, -2.50507602534068634195e-08,
                     2.75573137070700676789e-06, -1.98412698298579493134e-04,
                     8.33333333332248946124e-03, -1.66666666666666324348e-01});
  sine = fma(mul(sine, z), r, r);
  Value cosine =
      polynomial(z, {-1.13596475577881948265e-11, 2.08757232129817482790e-09,
                     -2.75573143513906633035e-07, 2.48015872894767294178e-05,
                     -1.38888888888741095749e-03, 4.16666666666666019037e-02});
  cosine = fma(mul(z, z), cosine, fma(z, number(-0.5), number(1.0)));
  Value quadrant = addInt(n.integer, integer(quadrants));
  Value y = select(isZeroInt(andInt(quadrant, 1)), sine, cosine);
  y = select(isZeroInt(andInt(quadrant, 2)), y, neg(y));
  Value outside = compare(Predicate::OGT, abs(x), number(1.6e6));
  return select(outside, number(std::nan("")), y);
}

Value FloatFormulas::sin(Value x) { return sinShifted(x, 0); }
Value FloatFormulas::cos(Value x) { return sinShifted(x, 1); }

//===----------------------------------------------------------------------===//
// pow
//===----------------------------------------------------------------------===//

/// e^(y ln |x|), with x's sign for odd y; NaN for negative x and fractional y.
Value FloatFormulas::pow(Value x, Value y) {
  auto isWhole = [&](Value v) {
    Value large = compare(Predicate::OGE, abs(v), number(0x1p51));
    Value same = compare(Predicate::OEQ, round(v).number, v);
    return b.create<arith::OrIOp>(loc, large, same).getResult();
  };
  Value zero = number(0.0), one = number(1.0);
  Value magnitude = exp(mul(y, log(abs(x))));
  Value isOdd = b.create<arith::AndIOp>(
      loc, isWhole(y),
      b.create<arith::XOrIOp>(
          loc, isWhole(mul(y, number(0.5))),
          b.create<arith::ConstantOp>(loc, b.getBoolAttr(true))));
  Value result = select(isOdd, copySign(magnitude, x), magnitude);
  Value infinity = number(std::numeric_limits<double>::infinity());
  Value negative =
      b.create<arith::AndIOp>(loc, compare(Predicate::OLT, x, zero),
                              compare(Predicate::ONE, abs(x), infinity));
  Value undefined = b.create<arith::AndIOp>(
      loc, negative,
      b.create<arith::XOrIOp>(
          loc, isWhole(y),
          b.create<arith::ConstantOp>(loc, b.getBoolAttr(true))));
  result = select(undefined, number(std::nan("")), result);
  result = select(compare(Predicate::OEQ, x, one), one, result);
  Value isUnit =
      b.create<arith::AndIOp>(loc, compare(Predicate::OEQ, abs(x), one),
                              compare(Predicate::OEQ, abs(y), infinity));
  result = select(isUnit, one, result); // also (-1)^inf, as in C
  return select(compare(Predicate::OEQ, y, zero), one, result);
}
