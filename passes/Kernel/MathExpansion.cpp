//===- MathExpansion.cpp - exp, log, tanh, ... without libm ---------------===//
#include "passes/Kernel/MathExpansion.h"
#include "passes/Kernel/FloatFormulas.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace fsdp;

namespace {
template <typename Op> using Formula = Value (*)(FloatFormulas &, ValueRange);

/// Replaces `Op` by a formula, computed in f32 for half precision and in
/// `kWide` for all: f64 where f32 would lose places on the way.
template <typename Op, bool kWide> struct Expand : public OpRewritePattern<Op> {
  Expand(MLIRContext *context, Formula<Op> formula)
      : OpRewritePattern<Op>(context), formula(formula) {}

  LogicalResult matchAndRewrite(Op op,
                                PatternRewriter &rewriter) const override {
    auto type = dyn_cast<FloatType>(op.getType());
    if (!type || type.getWidth() > 64)
      return rewriter.notifyMatchFailure(op, "not a float of up to 64 bits");
    Location loc = op.getLoc();
    FloatType compute =
        kWide || type.isF64() ? rewriter.getF64Type() : rewriter.getF32Type();
    SmallVector<Value> operands;
    for (Value operand : op->getOperands())
      operands.push_back(
          type == compute
              ? operand
              : rewriter.create<arith::ExtFOp>(loc, compute, operand)
                    .getResult());
    FloatFormulas formulas(rewriter, loc, compute);
    Value result = formula(formulas, operands);
    if (type != compute)
      result = rewriter.create<arith::TruncFOp>(loc, type, result);
    rewriter.replaceOp(op, result);
    return success();
  }

  Formula<Op> formula;
};

template <typename Op, bool kWide>
void add(RewritePatternSet &patterns, Formula<Op> formula) {
  patterns.add<Expand<Op, kWide>>(patterns.getContext(), formula);
}
} // namespace

void fsdp::populateMathExpansionPatterns(RewritePatternSet &patterns) {
  using F = FloatFormulas;
#define EXPAND(OP, IS_WIDE, FUNCTION)                                          \
  add<OP, IS_WIDE>(patterns,                                                   \
                   [](F &f, ValueRange x) { return f.FUNCTION(x[0]); });
  EXPAND(math::ExpOp, false, exp)
  EXPAND(math::LogOp, false, log)
  EXPAND(math::TanhOp, false, tanh)
  EXPAND(math::ErfOp, false, erf)
  EXPAND(math::ExpM1Op, false, expm1)
  EXPAND(math::Log1pOp, false, log1p)
  EXPAND(math::FloorOp, false, floor)
  EXPAND(math::CeilOp, false, ceil)
  EXPAND(math::RoundEvenOp, false, roundEven)
  EXPAND(math::SinOp, true, sin)
  EXPAND(math::CosOp, true, cos)
  EXPAND(math::TanOp, true, tan)
  EXPAND(math::AsinOp, true, asin)
  EXPAND(math::AcosOp, true, acos)
  EXPAND(math::AtanOp, true, atan)
  EXPAND(math::SinhOp, true, sinh)
  EXPAND(math::CoshOp, true, cosh)
  EXPAND(math::AsinhOp, true, asinh)
  EXPAND(math::AcoshOp, true, acosh)
  EXPAND(math::AtanhOp, true, atanh)
#undef EXPAND
  add<math::PowFOp, true>(patterns,
                          [](F &f, ValueRange x) { return f.pow(x[0], x[1]); });
  add<arith::RemFOp, true>(
      patterns, [](F &f, ValueRange x) { return f.fmod(x[0], x[1]); });
}

Value fsdp::emitExpNonPositive(OpBuilder &b, Location loc, Value x) {
  return FloatFormulas(b, loc, cast<FloatType>(x.getType())).expNonPositive(x);
}
