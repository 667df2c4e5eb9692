//===- TrainVerify.cpp - A training step on whole tensors -----------------===//
#include "passes/Support/Step.h"
#include "passes/Verify/Passes.h"

#include "llvm/ADT/StringSet.h"

namespace fsdp {
#define GEN_PASS_DEF_TRAINVERIFY
#include "passes/Verify/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

namespace {
struct TrainVerify : public fsdp::impl::TrainVerifyBase<TrainVerify> {
  using TrainVerifyBase::TrainVerifyBase;

  void runOnOperation() override {
    llvm::StringSet<> updated;
    inBackward = false;
    WalkResult result = getOperation().walk([&](Operation *op) {
      return failed(check(op, updated)) ? WalkResult::interrupt()
                                        : WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }

  LogicalResult check(Operation *op, llvm::StringSet<> &updated) {
    if (auto node = dyn_cast<onnx::NodeOp>(op))
      return op->emitOpError("'")
             << node.getOpType() << "' is not supported (train_v1)";
    if (failed(checkRecomputed(op)))
      return failure();
    if (isa<train::GradientOp>(op))
      return op->emitOpError("is not consumed by an update (train_v2)");
    auto update = dyn_cast<train::UpdateOp>(op);
    if (!update)
      return success();
    auto parameter =
        getOperation().lookupSymbol<onnx::ParameterOp>(update.getParameter());
    if (!parameter || !parameter.isTrainable())
      return op->emitOpError("updates '")
             << update.getParameter()
             << "', which is not a trainable parameter (train_v3)";
    if (!updated.insert(update.getParameter()).second)
      return op->emitOpError("updates '")
             << update.getParameter() << "' a second time (train_v3)";
    return success();
  }

  /// What is computed again, or waits to be, stands in backward and comes from
  /// a barrier.
  LogicalResult checkRecomputed(Operation *op) {
    if (isa<train::BackwardBeginOp, func::FuncOp>(op)) // after its body
      inBackward = isa<train::BackwardBeginOp>(op);
    bool isRecomputed = op->hasAttr(train::kRecomputed);
    if (!isRecomputed && !isa<train::BarrierOp>(op))
      return success();
    if (!inBackward)
      return op->emitOpError("stands before backward, which is to compute it "
                             "again (train_v4)");
    bool isBehind = llvm::any_of(op->getOperands(), [](Value operand) {
      Operation *source = operand.getDefiningOp();
      return source && (isa<train::BarrierOp>(source) ||
                        source->hasAttr(train::kRecomputed));
    });
    if (isRecomputed && !isBehind)
      return op->emitOpError("is computed again from values that no barrier "
                             "keeps apart (train_v4)");
    return success();
  }

  bool inBackward = false;
};
} // namespace
