//===- TrainCanonicalize.cpp - Canonical forms of the loss ----------------===//
#include "dialects/Train/Train.h"

#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace fsdp;
using namespace fsdp::train;

/// The half-precision value that `logits` is widened from, or null.
static Value beforeWidening(Value logits) {
  auto cast = logits.getDefiningOp<onnx::CastOp>();
  if (!cast)
    return Value();
  Type from =
      llvm::cast<RankedTensorType>(cast.getX().getType()).getElementType();
  return from.isBF16() || from.isF16() ? cast.getX() : Value();
}

namespace {
/// cross_entropy(cast(x)) -> cross_entropy(x): the loss widens what it reads.
struct ReadNarrowLogits : OpRewritePattern<CrossEntropyOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(CrossEntropyOp op,
                                PatternRewriter &rewriter) const override {
    Value narrow = beforeWidening(op.getLogits());
    if (!narrow)
      return rewriter.notifyMatchFailure(op, "logits are not widened");
    rewriter.modifyOpInPlace(op, [&] { op.getLogitsMutable().assign(narrow); });
    return success();
  }
};

/// cast(cross_entropy_grad(cast(x))) -> cross_entropy_grad(x), which rounds the
/// same numbers once.
struct WriteNarrowGradient : OpRewritePattern<CrossEntropyGradOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(CrossEntropyGradOp op,
                                PatternRewriter &rewriter) const override {
    Value narrow = beforeWidening(op.getLogits());
    if (!narrow || op.getDlogits().use_empty() ||
        !llvm::all_of(op.getDlogits().getUsers(), [&](Operation *user) {
          return isa<onnx::CastOp>(user) &&
                 user->getResult(0).getType() == narrow.getType();
        }))
      return rewriter.notifyMatchFailure(op, "gradient is read wide");
    rewriter.setInsertionPoint(op);
    auto grad = rewriter.create<CrossEntropyGradOp>(
        op.getLoc(), narrow.getType(), narrow, op.getLabels(), op.getLse(),
        op.getScale(), op.getIgnoreIndex(), op.getScope());
    for (Operation *user : llvm::make_early_inc_range(op->getUsers()))
      rewriter.replaceOp(user, grad);
    rewriter.eraseOp(op);
    return success();
  }
};
} // namespace

void CrossEntropyOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                                 MLIRContext *context) {
  patterns.add<ReadNarrowLogits>(context);
}

void CrossEntropyGradOp::getCanonicalizationPatterns(
    RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<WriteNarrowGradient>(context);
}
