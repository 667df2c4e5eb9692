//===- Math.cpp - Gradients of elementwise ops ----------------------------===//
#include "dialects/Onnx/Gradients/Gradients.h"

#include "mlir/IR/Matchers.h"

#include <cmath>

using namespace mlir;
using namespace fsdp::onnx;

static Value square(GradientBuilder &b, Value x) { return b.mul(x, x); }
static Value oneMinusSquare(GradientBuilder &b, Value x) {
  return b.sub(b.scalar(x, 1), square(b, x));
}
static Value onePlusSquare(GradientBuilder &b, Value x) {
  return b.add(square(b, x), b.scalar(x, 1));
}

/// One operand: `EXPR` is its gradient, of g, x and y.
#define UNARY_GRADIENT(OP, EXPR)                                               \
  FSDP_GRADIENT(OP) {                                                          \
    GradientBuilder b(builder, *this);                                         \
    Value g = grads[0], x = getX(), y = getY();                                \
    (void)x;                                                                   \
    (void)y;                                                                   \
    inputGrads.push_back(EXPR);                                                \
    return success();                                                          \
  }

UNARY_GRADIENT(NegOp, b.neg(g))
UNARY_GRADIENT(ExpOp, b.mul(g, y))
UNARY_GRADIENT(LogOp, b.div(g, x))
UNARY_GRADIENT(SqrtOp, b.div(b.mul(g, b.scalar(x, 0.5)), y))
UNARY_GRADIENT(ReciprocalOp, b.neg(b.mul(g, b.mul(y, y))))
UNARY_GRADIENT(SinOp, b.mul(g, b.make<CosOp>(x)))
UNARY_GRADIENT(CosOp, b.neg(b.mul(g, b.make<SinOp>(x))))
UNARY_GRADIENT(TanOp, b.mul(g, onePlusSquare(b, y)))
UNARY_GRADIENT(SinhOp, b.mul(g, b.make<CoshOp>(x)))
UNARY_GRADIENT(CoshOp, b.mul(g, b.make<SinhOp>(x)))
UNARY_GRADIENT(AsinOp, b.div(g, b.make<SqrtOp>(oneMinusSquare(b, x))))
UNARY_GRADIENT(AcosOp, b.neg(b.div(g, b.make<SqrtOp>(oneMinusSquare(b, x)))))
UNARY_GRADIENT(AtanOp, b.div(g, onePlusSquare(b, x)))
UNARY_GRADIENT(AsinhOp, b.div(g, b.make<SqrtOp>(onePlusSquare(b, x))))
UNARY_GRADIENT(AcoshOp,
               b.div(g, b.make<SqrtOp>(b.sub(square(b, x), b.scalar(x, 1)))))
UNARY_GRADIENT(AtanhOp, b.div(g, oneMinusSquare(b, x)))
UNARY_GRADIENT(Expm1Op, b.mul(g, b.make<ExpOp>(x)))
UNARY_GRADIENT(Log1pOp, b.div(g, b.add(b.scalar(x, 1), x)))
UNARY_GRADIENT(SoftplusOp, b.mul(g, b.make<SigmoidOp>(x)))
UNARY_GRADIENT(TanhOp, b.mul(g, oneMinusSquare(b, y)))
UNARY_GRADIENT(SigmoidOp, b.mul(g, b.mul(y, b.sub(b.scalar(x, 1), y))))

// Steps: zeros, which are not the same as no gradient (weights still decay).
UNARY_GRADIENT(FloorOp, b.splat(g.getType(), 0))
UNARY_GRADIENT(CeilOp, b.splat(g.getType(), 0))
UNARY_GRADIENT(RoundOp, b.splat(g.getType(), 0))
UNARY_GRADIENT(SignOp, b.splat(g.getType(), 0))

// d erf/dx = 2 / sqrt(pi) e^(-x^2)
UNARY_GRADIENT(ErfOp, b.mul(g, b.mul(b.scalar(x, M_2_SQRTPI),
                                     b.make<ExpOp>(b.neg(b.mul(x, x))))))

// |x|: sign(x), 0 at 0.
UNARY_GRADIENT(
    AbsOp, b.make<WhereOp>(b.make<GreaterOp>(x, b.scalar(x, 0)), g,
                           b.make<WhereOp>(b.make<LessOp>(x, b.scalar(x, 0)),
                                           b.neg(g), b.scalar(x, 0))))

// y > 0 where x > 0: the next product keeps y until backward anyway, so x, as
// large, need not live.
UNARY_GRADIENT(ReluOp, b.make<WhereOp>(b.make<GreaterOp>(y, b.scalar(y, 0)), g,
                                       b.scalar(y, 0)))

namespace {
/// d/dx x Phi(x) = Phi(x) + x phi(x).
Value erfGeluSlope(GradientBuilder &b, Value x) {
  Value erf = b.make<ErfOp>(b.mul(x, b.scalar(x, M_SQRT1_2)));
  Value cdf = b.mul(b.scalar(x, 0.5), b.add(b.scalar(x, 1), erf));
  Value exp = b.make<ExpOp>(b.mul(b.scalar(x, -0.5), b.mul(x, x)));
  Value density = b.mul(b.scalar(x, 1 / std::sqrt(2 * M_PI)), exp);
  return b.add(cdf, b.mul(x, density));
}

/// With v = 2 c (x + a x^3), twice the argument of the tanh, the GELU is
/// x s, s = sigmoid(v): s + x s (1 - s) 2 c (1 + 3 a x^2).
Value tanhGeluSlope(GradientBuilder &b, Value x) {
  const double c = std::sqrt(2 / M_PI), a = 0.044715;
  Value square = b.mul(x, x), one = b.scalar(x, 1);
  Value inner = b.add(x, b.mul(b.scalar(x, a), b.mul(square, x)));
  Value s = b.make<SigmoidOp>(b.mul(b.scalar(x, 2 * c), inner));
  Value slope =
      b.mul(b.scalar(x, 2 * c), b.add(one, b.mul(b.scalar(x, 3 * a), square)));
  Value bend = b.mul(b.mul(x, s), b.mul(b.sub(one, s), slope));
  return b.add(s, bend);
}
} // namespace

FSDP_GRADIENT(GeluOp) {
  GradientBuilder b(builder, *this);
  Value slope = getTanh() ? tanhGeluSlope(b, getX()) : erfGeluSlope(b, getX());
  inputGrads.push_back(b.mul(grads[0], slope));
  return success();
}

/// Two operands: `LHS` and `RHS` are the gradients before un-broadcasting.
#define BINARY_GRADIENT(OP, LHS, RHS)                                          \
  FSDP_GRADIENT(OP) {                                                          \
    GradientBuilder b(builder, *this);                                         \
    Value g = grads[0], l = getLhs(), r = getRhs();                            \
    inputGrads.push_back(wanted[0] ? b.unbroadcast(LHS, l) : Value());         \
    inputGrads.push_back(wanted[1] ? b.unbroadcast(RHS, r) : Value());         \
    return success();                                                          \
  }

BINARY_GRADIENT(AddOp, g, g)
BINARY_GRADIENT(SubOp, g, b.neg(g))
BINARY_GRADIENT(MulOp, b.mul(g, r), b.mul(g, l))
// Not g l / r^2: the square leaves what f32 holds long before the quotient.
BINARY_GRADIENT(DivOp, b.div(g, r), b.neg(b.mul(g, b.div(getY(), r))))

// With y = l - r n, n whole: dy/dr = -n = (y - l) / r.
BINARY_GRADIENT(ModOp, g, b.mul(g, b.div(b.sub(getY(), l), r)))
BINARY_GRADIENT(FModOp, g, b.mul(g, b.div(b.sub(getY(), l), r)))

namespace {
/// The share of `mine` in max or min: 1 where it won, 1/2 where both did.
template <typename Wins>
Value share(GradientBuilder &b, Value mine, Value other, Value g) {
  Value half = b.mul(g, b.scalar(g, 0.5));
  Value tie =
      b.make<WhereOp>(b.make<EqualOp>(mine, other), half, b.scalar(g, 0));
  return b.make<WhereOp>(b.make<Wins>(mine, other), g, tie);
}
} // namespace

BINARY_GRADIENT(MaxOp, share<GreaterOp>(b, l, r, g),
                share<GreaterOp>(b, r, l, g))
BINARY_GRADIENT(MinOp, share<LessOp>(b, l, r, g), share<LessOp>(b, r, l, g))

namespace {
/// p x^(p - 1), with the power of a constant p reduced at compile time.
Value powBaseSlope(GradientBuilder &b, Value x, Value p) {
  DenseElementsAttr constant;
  if (matchPattern(p, m_Constant(&constant)) && constant.isSplat()) {
    double exponent = constant.getSplatValue<FloatAttr>().getValueAsDouble();
    Value factor = b.scalar(x, exponent);
    if (exponent == 0 || exponent == 1)
      return factor;
    if (exponent == 2)
      return b.mul(factor, x);
    return b.mul(factor, b.make<PowOp>(x, b.scalar(x, exponent - 1)));
  }
  Value slope = b.mul(p, b.make<PowOp>(x, b.sub(p, b.scalar(x, 1))));
  // x^0 is constant, also at 0, where x^-1 is not finite.
  Value zero = b.scalar(x, 0);
  return b.make<WhereOp>(b.make<EqualOp>(p, zero), zero, slope);
}

/// x^p ln x, and 0 for x = 0 with p >= 0, the limit. NaN for x < 0, where x^p
/// is defined for whole p alone (PyTorch's pow_backward_exponent).
Value powExponentSlope(GradientBuilder &b, Value x, Value p, Value y) {
  Value zero = b.scalar(y, 0);
  Value slope = b.mul(y, b.make<LogOp>(x));
  Value atZero =
      b.make<WhereOp>(b.make<LessOp>(p, b.scalar(p, 0)), slope, zero);
  return b.make<WhereOp>(b.make<EqualOp>(x, b.scalar(x, 0)), atZero, slope);
}
} // namespace

BINARY_GRADIENT(PowOp, b.mul(g, powBaseSlope(b, l, r)),
                b.mul(g, powExponentSlope(b, l, r, getY())))

FSDP_GRADIENT(WhereOp) {
  GradientBuilder b(builder, *this);
  Value g = grads[0], zero = b.scalar(g, 0);
  inputGrads.push_back(Value()); // the condition
  inputGrads.push_back(
      wanted[1]
          ? b.unbroadcast(b.make<WhereOp>(getCondition(), g, zero), getLhs())
          : Value());
  inputGrads.push_back(
      wanted[2]
          ? b.unbroadcast(b.make<WhereOp>(getCondition(), zero, g), getRhs())
          : Value());
  return success();
}

FSDP_GRADIENT(CastOp) {
  GradientBuilder b(builder, *this);
  bool isFloat = isa<FloatType>(typeOf(getX()).getElementType());
  inputGrads.push_back(isFloat ? b.make<CastOp>(getX().getType(), grads[0])
                               : Value());
  return success();
}
