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
  add<math::ExpOp, false>(patterns,
                          [](F &f, ValueRange x) { return f.exp(x[0]); });
  add<math::LogOp, false>(patterns,
                          [](F &f, ValueRange x) { return f.log(x[0]); });
  add<math::TanhOp, false>(patterns,
                           [](F &f, ValueRange x) { return f.tanh(x[0]); });
  add<math::ErfOp, false>(patterns,
                          [](F &f, ValueRange x) { return f.erf(x[0]); });
  add<math::SinOp, true>(patterns,
                         [](F &f, ValueRange x) { return f.sin(x[0]); });
  add<math::CosOp, true>(patterns,
                         [](F &f, ValueRange x) { return f.cos(x[0]); });
  add<math::PowFOp, true>(patterns,
                          [](F &f, ValueRange x) { return f.pow(x[0], x[1]); });
}

Value fsdp::emitExpNonPositive(OpBuilder &b, Location loc, Value x) {
  return FloatFormulas(b, loc, cast<FloatType>(x.getType())).expNonPositive(x);
}
