//===- DerivedFormulas.cpp - Functions made of exp, log and atan ----------===//
//
// The coefficients of atan are those of Cephes (Moshier). What follows log1p is
// for f64 alone: f32 is computed in it.
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/FloatFormulas.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace fsdp;

static constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// x = n ln 2 + r: 2^n (e^r - 1) + (2^n - 1), which is e^r - 1 itself for n =
/// 0. Twice with 2^(n - 1), which is finite where the result is.
Value FloatFormulas::expm1(Value x) {
  x = clamp(x, pick(-40.0, -20.0), pick(710.0, 89.0));
  Rounded n = round(mul(x, number(M_LOG2E)));
  Value half = powerOfTwo(subInt(n.integer, integer(1)));
  Value rest = expm1OfRest(subLn2(x, n.number));
  Value y = fma(half, rest, sub(half, number(0.5)));
  return add(y, y);
}

/// With u the float next to 1 + x: log u + (x - (u - 1)) / u (fdlibm).
Value FloatFormulas::log1p(Value x) {
  Value u = add(x, number(1.0));
  Value lost = sub(x, sub(u, number(1.0)));
  Value y = add(log(u), div(lost, u));
  // No correction where u is 0 or infinite.
  Value isEnd =
      b.create<arith::OrIOp>(loc, compare(Predicate::OEQ, u, number(0.0)),
                             compare(Predicate::OEQ, u, number(kInfinity)));
  return select(isEnd, log(u), y);
}

Value FloatFormulas::tan(Value x) { return div(sin(x), cos(x)); }

/// Reduced to |z| <= 0.66 by pi/4 and pi/2, each in two parts.
Value FloatFormulas::atan(Value x) {
  const double rest = 6.123233995736765886130e-17;
  Value t = abs(x), one = number(1.0), zero = number(0.0);
  Value isFar = compare(Predicate::OGT, t, number(2.41421356237309504880));
  Value isMiddle = compare(Predicate::OGT, t, number(0.66));
  auto pick3 = [&](Value far, Value middle, Value near) {
    return select(isFar, far, select(isMiddle, middle, near));
  };
  Value z = pick3(div(number(-1.0), t), div(sub(t, one), add(t, one)), t);
  Value w = mul(z, z);
  Value p =
      polynomial(w, {-8.750608600031904122785e-1, -1.615753718733365076637e1,
                     -7.500855792314704667340e1, -1.228866684490136173410e2,
                     -6.485021904942025371773e1});
  Value q =
      polynomial(w, {1.0, 2.485846490142306297962e1, 1.650270098316988542046e2,
                     4.328810604912902668951e2, 4.853903996359136964868e2,
                     1.945506571482613964425e2});
  Value y = fma(z, mul(w, div(p, q)), z);
  y = add(y, pick3(number(rest), number(0.5 * rest), zero));
  y = add(pick3(number(M_PI_2), number(M_PI_4), zero), y);
  return copySign(y, x);
}

/// atan(x / sqrt(1 - x^2)); the root is NaN beyond 1.
Value FloatFormulas::asin(Value x) {
  Value one = number(1.0);
  return atan(div(x, sqrt(mul(sub(one, x), add(one, x)))));
}

/// 2 atan(sqrt((1 - x) / (1 + x))), which keeps its digits near 1.
Value FloatFormulas::acos(Value x) {
  Value one = number(1.0);
  Value y = atan(sqrt(div(sub(one, x), add(one, x))));
  return add(y, y);
}

/// By e = e^|x| - 1 near 0, where e^x - e^-x would cancel; elsewhere by
/// e^(|x| / 2), which is finite where the result is.
Value FloatFormulas::sinh(Value x) {
  Value t = abs(x), half = number(0.5), one = number(1.0);
  Value e = expm1(t);
  Value near = mul(half, add(e, div(e, add(e, one))));
  Value h = exp(mul(half, t)), scaled = mul(half, h);
  Value far = sub(mul(scaled, h), div(half, mul(h, h)));
  return copySign(select(compare(Predicate::OLT, t, one), near, far), x);
}

Value FloatFormulas::cosh(Value x) {
  Value half = number(0.5), h = exp(mul(half, abs(x)));
  return add(mul(mul(half, h), h), div(half, mul(h, h)));
}

/// log1p(t + t^2 / (1 + sqrt(1 + t^2))), t = |x|; log t + ln 2 where t^2 would
/// overflow.
Value FloatFormulas::asinh(Value x) {
  Value t = abs(x), one = number(1.0), square = mul(t, t);
  Value near = log1p(add(t, div(square, add(one, sqrt(add(one, square))))));
  Value far = add(log(t), number(M_LN2));
  return copySign(select(compare(Predicate::OGT, t, number(1e10)), far, near),
                  x);
}

/// log1p(t + sqrt(2 t + t^2)), t = x - 1; NaN below 1, by root or logarithm.
Value FloatFormulas::acosh(Value x) {
  Value t = sub(x, number(1.0)), two = number(2.0);
  Value near = log1p(add(t, sqrt(mul(t, add(t, two)))));
  Value far = add(log(x), number(M_LN2));
  return select(compare(Predicate::OGT, abs(x), number(1e10)), far, near);
}

/// log1p(2 t / (1 - t)) / 2, t = |x|.
Value FloatFormulas::atanh(Value x) {
  Value t = abs(x);
  Value y = log1p(div(add(t, t), sub(number(1.0), t)));
  return copySign(mul(number(0.5), y), x);
}
