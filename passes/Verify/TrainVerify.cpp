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
};
} // namespace
