//===- BuildBackward.cpp - Loss seed and reverse sweep --------------------===//
//
//   %loss = onnx.softmax_cross_entropy_loss %logits, %labels
//   return %loss
// becomes
//   %n = train.sum_over_ranks(train.count_valid %labels)
//   %seed = onnx.reciprocal %n
//   %losses, %lse = train.cross_entropy %logits, %labels
//   %sum = onnx.reduce_sum %losses
//   %loss = train.sum_over_ranks(onnx.mul %sum, %seed)
//   train.backward_begin
//   %dlogits = train.cross_entropy_grad %logits, %labels, %lse, %seed
//   ...
//   train.gradient @w, %dw
//   return %loss, %n
//
//===----------------------------------------------------------------------===//
#include "passes/Support/Step.h"
#include "passes/Train/Differentiate.h"
#include "passes/Train/Form.h"
#include "passes/Train/Passes.h"

namespace fsdp {
#define GEN_PASS_DEF_TRAINBUILDBACKWARD
#include "passes/Train/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

namespace {
constexpr llvm::StringLiteral kLossScope = "loss";

/// One read a parameter, before everything else: gradients of several uses
/// then meet in one value.
SmallVector<onnx::ReadOp> uniqueReads(Block &block) {
  llvm::MapVector<StringAttr, onnx::ReadOp> reads;
  for (auto read : llvm::make_early_inc_range(block.getOps<onnx::ReadOp>())) {
    auto [it, isNew] = reads.insert({read.getParameterAttr().getAttr(), read});
    if (isNew)
      continue;
    read.replaceAllUsesWith(it->second.getResult());
    read.erase();
  }
  SmallVector<onnx::ReadOp> unique;
  for (auto &[name, read] : llvm::reverse(reads)) {
    read->moveBefore(&block, block.begin());
    unique.push_back(read);
  }
  return unique;
}

/// The sweep has gone around them: what is left is the identity.
void eraseStops(Block &block) {
  for (auto stop :
       llvm::make_early_inc_range(block.getOps<onnx::StopGradientOp>())) {
    stop.replaceAllUsesWith(stop.getX());
    stop.erase();
  }
}

struct Loss {
  Value loss, count, seed, lse;
};

struct BuildBackward
    : public fsdp::impl::TrainBuildBackwardBase<BuildBackward> {
  using TrainBuildBackwardBase::TrainBuildBackwardBase;

  void runOnOperation() override {
    func::FuncOp func = getFunction(getOperation(), kStep);
    if (!func || failed(build(func)))
      signalPassFailure();
  }

  LogicalResult build(func::FuncOp func) {
    Block &block = func.getBody().front();
    ValueRange results = block.getTerminator()->getOperands();
    auto lossOp = results.empty() ? nullptr : lossBehind(results.front());
    if (!lossOp)
      return func.emitError("'step' has no loss: run --train-attach-loss");
    if (lossMean != "global" && lossMean != "rank")
      return func.emitError("unknown loss-mean '")
             << lossMean << "', expected global or rank";
    OpBuilder builder(lossOp);
    Loss loss = scaleLoss(builder, lossOp);
    builder.setInsertionPoint(block.getTerminator());
    setResults(func, {loss.loss, loss.count}, {"loss", "valid_tokens"});
    Value logits = lossOp.getLogits(), labels = lossOp.getLabels();
    int64_t ignore = lossOp.getIgnoreIndex();
    lossOp->dropAllUses();
    lossOp.erase();
    eraseUnused(block); // outputs that the loss does not need

    builder.create<train::BackwardBeginOp>(func.getLoc());
    Value seed = builder.create<train::CrossEntropyGradOp>(
        func.getLoc(), logits.getType(), logits, labels, loss.lse, loss.seed,
        ignore, kLossScope);
    return addGradients(builder, block, logits, seed);
  }

  Loss scaleLoss(OpBuilder &b, onnx::SoftmaxCrossEntropyLossOp op) {
    Location loc = op.getLoc();
    auto logitsType = cast<RankedTensorType>(op.getLogits().getType());
    Type element = onnx::statisticsType(logitsType.getElementType());
    Type scalar = RankedTensorType::get({}, element);
    Type rows =
        RankedTensorType::get(logitsType.getShape().drop_back(), element);
    Value local = b.create<train::CountValidOp>(
        loc, scalar, op.getLabels(), op.getIgnoreIndex(), kLossScope);
    Value count = b.create<train::SumOverRanksOp>(loc, local, kLossScope);
    Value divisor = count;
    if (lossMean == "rank") {
      // A rank without valid labels contributes 0: its divisor is 1, not 0.
      Value one = b.create<onnx::ConstantOp>(
          loc, scalar,
          DenseElementsAttr::get(cast<ShapedType>(scalar),
                                 b.getFloatAttr(element, 1.0)),
          kLossScope);
      Value own = b.create<onnx::MaxOp>(loc, local, one, kLossScope);
      Value ranks = b.create<train::RankCountOp>(loc, scalar, kLossScope);
      divisor = b.create<onnx::MulOp>(loc, own, ranks, kLossScope);
    }
    Value seed = b.create<onnx::ReciprocalOp>(loc, divisor, kLossScope);
    auto each = b.create<train::CrossEntropyOp>(
        loc, rows, rows, op.getLogits(), op.getLabels(), op.getIgnoreIndex(),
        kLossScope);
    auto axes = llvm::to_vector(llvm::seq<int64_t>(logitsType.getRank() - 1));
    Value sum = each.getLosses();
    if (!axes.empty())
      sum = b.create<onnx::ReduceSumOp>(loc, scalar, sum, axes,
                                        /*keepdims=*/false, kLossScope);
    Value mean = b.create<onnx::MulOp>(loc, sum, seed, kLossScope);
    Value loss = b.create<train::SumOverRanksOp>(loc, mean, kLossScope);
    return {loss, count, seed, each.getLse()};
  }

  LogicalResult addGradients(OpBuilder &builder, Block &block, Value logits,
                             Value seed) {
    SmallVector<onnx::ReadOp> reads;
    SmallVector<Value> wrt, grads;
    for (onnx::ReadOp read : uniqueReads(block)) {
      auto parameter =
          getOperation().lookupSymbol<onnx::ParameterOp>(read.getParameter());
      if (!parameter.isTrainable())
        continue;
      reads.push_back(read);
      wrt.push_back(read.getResult());
    }
    if (failed(differentiate(builder, logits, seed, wrt, grads)))
      return failure();
    bool any = false;
    for (auto [read, grad] : llvm::zip(reads, grads)) {
      if (!grad)
        continue;
      any = true;
      builder.setInsertionPointAfterValue(grad);
      builder.create<train::GradientOp>(read.getLoc(), read.getParameterAttr(),
                                        grad, read.getScopeAttr());
      ++numGradients;
    }
    if (!any)
      return getOperation().emitError(
          "no parameter gets a gradient: nothing can be trained");
    eraseStops(block);
    return success();
  }
};
} // namespace
