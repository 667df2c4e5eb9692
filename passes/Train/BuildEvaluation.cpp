//===- BuildEvaluation.cpp - The loss without training --------------------===//
//
//   func @step(%tokens, %labels) -> onnx.softmax_cross_entropy_loss(...)
// gains beside it
//   func @evaluate(%tokens, %labels)
//     -> train.sum_over_ranks(sum of the losses),
//        train.sum_over_ranks(train.count_valid %labels)
//
//===----------------------------------------------------------------------===//
#include "passes/Support/Step.h"
#include "passes/Train/Form.h"
#include "passes/Train/LossTerms.h"
#include "passes/Train/Passes.h"

namespace fsdp {
#define GEN_PASS_DEF_TRAINBUILDEVALUATION
#include "passes/Train/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

namespace {
struct BuildEvaluation
    : public fsdp::impl::TrainBuildEvaluationBase<BuildEvaluation> {
  void runOnOperation() override {
    func::FuncOp step = getFunction(getOperation(), kStep);
    if (!step)
      return signalPassFailure();
    ValueRange results = step.getBody().front().getTerminator()->getOperands();
    if (results.empty() || !lossBehind(results.front())) {
      step.emitError("'step' has no loss to evaluate: run "
                     "--train-attach-loss, and this before "
                     "--train-build-backward");
      return signalPassFailure();
    }
    OpBuilder builder(step);
    auto evaluate = cast<func::FuncOp>(builder.clone(*step));
    evaluate.setName(kEvaluate);
    sumLosses(evaluate);
  }

  /// Returns what the mean over several batches is made of.
  void sumLosses(func::FuncOp evaluate) {
    Block &block = evaluate.getBody().front();
    Operation *end = block.getTerminator();
    onnx::SoftmaxCrossEntropyLossOp op = lossBehind(end->getOperand(0));
    OpBuilder b(end);
    auto overRanks = [&](Value own) -> Value {
      return b.create<train::SumOverRanksOp>(op.getLoc(), own, kLossScope);
    };
    Value count = overRanks(buildValidCount(b, op, op.getLabels()));
    Value sum = overRanks(buildLossSum(b, op).sum);
    setResults(evaluate, {sum, count}, {"eval_loss_sum", "eval_tokens"});
    uniteReads(block);
    eraseStops(block);
    eraseUnused(block); // the mean, and outputs that the loss does not need
  }
};
} // namespace
