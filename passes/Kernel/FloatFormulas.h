//===- FloatFormulas.h - Arithmetic for the math expansions -----*- C++ -*-===//
#ifndef FSDP_PASSES_KERNEL_FLOATFORMULAS_H
#define FSDP_PASSES_KERNEL_FLOATFORMULAS_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"

namespace fsdp {
/// Builds formulas in one floating type, f32 or f64, and integers of its width.
class FloatFormulas {
public:
  FloatFormulas(mlir::OpBuilder &b, mlir::Location loc, mlir::FloatType type)
      : b(b), loc(loc), type(type), bits(b.getIntegerType(type.getWidth())) {}

  bool isF64() const { return type.isF64(); }
  /// The f64 or the f32 value of a constant.
  double pick(double f64, double f32) const { return isF64() ? f64 : f32; }

  mlir::Value number(double value);
  mlir::Value integer(int64_t value);

  // Products and sums may be contracted to fused multiply-adds.
  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value sub(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, mlir::Value y);
  mlir::Value div(mlir::Value x, mlir::Value y);
  mlir::Value sqrt(mlir::Value x);
  mlir::Value neg(mlir::Value x);
  mlir::Value abs(mlir::Value x);
  mlir::Value copySign(mlir::Value magnitude, mlir::Value sign);
  mlir::Value fma(mlir::Value x, mlir::Value y, mlir::Value z) {
    return add(mul(x, y), z);
  }
  mlir::Value addInt(mlir::Value x, mlir::Value y);
  mlir::Value subInt(mlir::Value x, mlir::Value y);
  mlir::Value andInt(mlir::Value x, int64_t mask);
  mlir::Value shiftLeft(mlir::Value x, int64_t count);
  mlir::Value shiftRight(mlir::Value x, int64_t count); ///< keeps the sign
  mlir::Value toBits(mlir::Value x);
  mlir::Value fromBits(mlir::Value x);
  mlir::Value toFloat(mlir::Value integer);
  mlir::Value isZeroInt(mlir::Value x);

  using Predicate = mlir::arith::CmpFPredicate;
  mlir::Value compare(Predicate predicate, mlir::Value x, mlir::Value y);
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y);
  /// x inside [low, high]; NaN stays NaN.
  mlir::Value clamp(mlir::Value x, double low, double high);

  /// c[0] x^(n-1) + ... + c[n-1].
  mlir::Value polynomial(mlir::Value x, llvm::ArrayRef<double> coefficients);

  /// The nearest integer of x, |x| < 2^22 (f32) or 2^51 (f64), as a float and
  /// as an integer. Adding a large number rounds in the adder, without a
  /// conversion that is undefined for NaN.
  struct Rounded {
    mlir::Value number, integer;
  };
  Rounded round(mlir::Value x);
  /// 2^n for n in the range of normal exponents.
  mlir::Value powerOfTwo(mlir::Value n);

  // The functions, each in one file line of comment with its source.
  mlir::Value exp(mlir::Value x);
  /// exp for x <= 0, or above by an error of rounding: shorter, 0 where exp is
  /// subnormal, e^88 from there on.
  mlir::Value expNonPositive(mlir::Value x);
  mlir::Value log(mlir::Value x);
  mlir::Value tanh(mlir::Value x);
  mlir::Value erf(mlir::Value x);
  mlir::Value sin(mlir::Value x);
  mlir::Value cos(mlir::Value x);
  mlir::Value pow(mlir::Value x, mlir::Value y);

  // Of these, RoundingFormulas.cpp: whole numbers.
  mlir::Value roundEven(mlir::Value x);
  mlir::Value floor(mlir::Value x);
  mlir::Value ceil(mlir::Value x);
  mlir::Value trunc(mlir::Value x);
  mlir::Value fmod(mlir::Value x, mlir::Value y);

  // DerivedFormulas.cpp: made of the above. Those after log1p in f64 alone.
  mlir::Value expm1(mlir::Value x);
  mlir::Value log1p(mlir::Value x);
  mlir::Value tan(mlir::Value x);
  mlir::Value atan(mlir::Value x);
  mlir::Value asin(mlir::Value x);
  mlir::Value acos(mlir::Value x);
  mlir::Value sinh(mlir::Value x);
  mlir::Value cosh(mlir::Value x);
  mlir::Value asinh(mlir::Value x);
  mlir::Value acosh(mlir::Value x);
  mlir::Value atanh(mlir::Value x);

private:
  /// e^x, |x| <= 88, in f32; 0 where that is subnormal.
  mlir::Value expInRange32(mlir::Value x);
  /// e^r - 1, |r| <= ln 2 / 2.
  mlir::Value expm1OfRest(mlir::Value r);
  /// e^r, |r| <= ln 2 / 2, in f32.
  mlir::Value expOfRest32(mlir::Value r);
  /// x - n ln 2 in two steps, exact to the last place.
  mlir::Value subLn2(mlir::Value x, mlir::Value n);
  mlir::Value sinShifted(mlir::Value x, int64_t quadrants);
  mlir::Value erf32(mlir::Value x);
  mlir::Value erf64(mlir::Value x);
  /// (log(m 2^e) - polynomial part) pieces: x = m 2^e, m in [sqrt .5, sqrt 2).
  std::pair<mlir::Value, mlir::Value> splitExponent(mlir::Value x);

  mlir::OpBuilder &b;
  mlir::Location loc;
  mlir::FloatType type;
  mlir::IntegerType bits;
};
} // namespace fsdp

#endif // FSDP_PASSES_KERNEL_FLOATFORMULAS_H
