//===- BuildBackward.cpp - Loss seed and reverse sweep --------------------===//
//
//   %loss = onnx.softmax_cross_entropy_loss %logits, %labels
//   return %loss
// becomes
//   %own = train.count_valid %labels
//   %n = train.sum_over_ranks(train.total @valid_tokens, %own of %microbatches)
//   %seed = onnx.reciprocal %n
//   %losses, %lse = train.cross_entropy %logits, %labels
//   %sum = onnx.reduce_sum %losses
//   %mean = train.sum_over_ranks(onnx.mul %sum, %seed)
//   %loss = train.accumulate @loss, %mean at %microbatch
//   train.backward_begin
//   %dlogits = train.cross_entropy_grad %logits, %labels, %lse, %seed
//   ...
//   train.gradient @w, %dw
//   return %loss, %n
// and beside it stands what counts the labels of a step of several microbatches
// before the first:
//   func @count(%labels, %microbatch)
//     train.accumulate @valid_tokens, train.count_valid %labels at %microbatch
//
//===----------------------------------------------------------------------===//
#include "passes/Support/Step.h"
#include "passes/Train/Differentiate.h"
#include "passes/Train/Form.h"
#include "passes/Train/LossTerms.h"
#include "passes/Train/Passes.h"

#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/IR/IRMapping.h"

namespace fsdp {
#define GEN_PASS_DEF_TRAINBUILDBACKWARD
#include "passes/Train/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

namespace {
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
    declareState(OpBuilder(func), lossOp.getLoc(), kValidTokens,
                 getLossType(lossOp));
    buildCount(func, lossOp);
    OpBuilder builder(lossOp);
    Loss loss = scaleLoss(builder, func, lossOp);
    builder.setInsertionPoint(block.getTerminator());
    setResults(func, {loss.loss, loss.count}, {kLoss, kValidTokens});
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

  void declareState(OpBuilder b, Location loc, StringRef name, Type type) {
    b.setInsertionPointToStart(getOperation().getBody());
    b.create<train::StateOp>(loc, name, type);
  }

  /// The labels, as the loss sees them, may be computed from any input. Where
  /// they are from a parameter too nothing can count them before the step,
  /// which then has one microbatch.
  void buildCount(func::FuncOp step, onnx::SoftmaxCrossEntropyLossOp op) {
    OpBuilder b(step);
    Location loc = op.getLoc();
    llvm::SetVector<Operation *> slice;
    BackwardSliceOptions options;
    options.inclusive = true;
    getBackwardSlice(op.getLabels(), &slice, options);
    if (llvm::any_of(slice, llvm::IsaPred<onnx::ReadOp>))
      return;
    auto count = b.create<func::FuncOp>(loc, kCount, b.getFunctionType({}, {}));
    Block *body = count.addEntryBlock();
    b.setInsertionPointToStart(body);
    auto end = b.create<func::ReturnOp>(loc);
    b.setInsertionPoint(end);
    IRMapping copies;
    for (BlockArgument argument : step.getArguments()) {
      bool isNeeded =
          argument == op.getLabels() ||
          llvm::any_of(slice, [&](Operation *needed) {
            return llvm::is_contained(needed->getOperands(), argument);
          });
      if (!isNeeded)
        continue;
      unsigned number = count.getNumArguments();
      count.insertArgument(number, argument.getType(),
                           step.getArgAttrDict(argument.getArgNumber()), loc);
      copies.map(argument, count.getArgument(number));
    }
    for (Operation *needed : slice)
      b.clone(*needed, copies);
    Value own = buildValidCount(b, op, copies.lookupOrDefault(op.getLabels()));
    Value microbatch = addArgument(
        count, RankedTensorType::get({}, b.getF32Type()), "microbatch");
    b.create<train::AccumulateOp>(loc, own.getType(), kValidTokens, own,
                                  microbatch, kLossScope);
  }

  Loss scaleLoss(OpBuilder &b, func::FuncOp func,
                 onnx::SoftmaxCrossEntropyLossOp op) {
    Location loc = op.getLoc();
    RankedTensorType scalar = getLossType(op);
    Type f32 = RankedTensorType::get({}, b.getF32Type());
    Value own = buildValidCount(b, op, op.getLabels());
    Value local = b.create<train::TotalOp>(
        loc, scalar, kValidTokens, own, addArgument(func, f32, "microbatches"),
        kLossScope);
    Value count = b.create<train::SumOverRanksOp>(loc, local, kLossScope);
    Value divisor = count;
    if (lossMean == "rank") {
      // A rank without valid labels contributes 0: its divisor is 1, not 0.
      Value one = b.create<onnx::ConstantOp>(
          loc, scalar,
          DenseElementsAttr::get(scalar,
                                 b.getFloatAttr(scalar.getElementType(), 1.0)),
          kLossScope);
      Value least = b.create<onnx::MaxOp>(loc, local, one, kLossScope);
      Value ranks = b.create<train::RankCountOp>(loc, scalar, kLossScope);
      divisor = b.create<onnx::MulOp>(loc, least, ranks, kLossScope);
    }
    Value seed = b.create<onnx::ReciprocalOp>(loc, divisor, kLossScope);
    auto [sum, lse] = buildLossSum(b, op);
    Value mean = b.create<onnx::MulOp>(loc, sum, seed, kLossScope);
    Value part = b.create<train::SumOverRanksOp>(loc, mean, kLossScope);
    declareState(b, loc, kLoss, scalar);
    Value loss = b.create<train::AccumulateOp>(
        loc, scalar, kLoss, part, addArgument(func, f32, "microbatch"),
        kLossScope);
    return {loss, count, seed, lse};
  }

  LogicalResult addGradients(OpBuilder &builder, Block &block, Value logits,
                             Value seed) {
    SmallVector<onnx::ReadOp> reads;
    SmallVector<Value> wrt, grads;
    for (onnx::ReadOp read : uniteReads(block)) {
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
    eraseStops(block); // the sweep has gone around them
    return success();
  }
};
} // namespace
