//===- OnnxCanonicalize.cpp - Canonical forms of products and transposes --===//
#include "dialects/Onnx/Onnx.h"

#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace fsdp::onnx;

namespace {
/// Whether `perm` exchanges the last two dimensions and nothing else.
bool swapsLastTwo(ArrayRef<int64_t> perm) {
  int64_t rank = perm.size();
  if (rank < 2 || perm[rank - 1] != rank - 2 || perm[rank - 2] != rank - 1)
    return false;
  for (int64_t i = 0; i < rank - 2; ++i)
    if (perm[i] != i)
      return false;
  return true;
}

/// matmul(transpose(a), b) -> matmul(a, b) {transA}, and the same for b:
///
///   %t = onnx.transpose %w [1, 0]
///   %y = onnx.matmul %x, %t          ->  %y = onnx.matmul %x, %w {transB}
///
/// A weight that the exporter transposed costs no copy.
struct TransposeIntoMatMul : OpRewritePattern<MatMulOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(MatMulOp op,
                                PatternRewriter &rewriter) const override {
    auto transposed = [](Value v) -> Value {
      auto transpose = v.getDefiningOp<TransposeOp>();
      return transpose && swapsLastTwo(transpose.getPerm()) ? transpose.getX()
                                                            : Value();
    };
    Value lhs = transposed(op.getLhs()), rhs = transposed(op.getRhs());
    if (!lhs && !rhs)
      return rewriter.notifyMatchFailure(op, "no transposed operand");
    rewriter.modifyOpInPlace(op, [&] {
      if (lhs) {
        op.getLhsMutable().assign(lhs);
        op.setTransA(!op.getTransA());
      }
      if (rhs) {
        op.getRhsMutable().assign(rhs);
        op.setTransB(!op.getTransB());
      }
    });
    return success();
  }
};

/// transpose(transpose(x, p), q) -> transpose(x, p after q).
struct ComposeTransposes : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(TransposeOp op,
                                PatternRewriter &rewriter) const override {
    auto before = op.getX().getDefiningOp<TransposeOp>();
    if (!before)
      return rewriter.notifyMatchFailure(op, "operand is no transpose");
    SmallVector<int64_t> perm;
    for (int64_t p : op.getPerm())
      perm.push_back(before.getPerm()[p]);
    rewriter.modifyOpInPlace(op, [&] {
      op.getXMutable().assign(before.getX());
      op.setPerm(perm);
    });
    return success();
  }
};
} // namespace

void MatMulOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                           MLIRContext *context) {
  patterns.add<TransposeIntoMatMul>(context);
}

void TransposeOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                              MLIRContext *context) {
  patterns.add<ComposeTransposes>(context);
}
