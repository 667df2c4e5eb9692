//===- HoistUpdates.cpp - Updates as soon as gradients are there ----------===//
#include "passes/Schedule/Passes.h"
#include "passes/Support/Step.h"

namespace fsdp {
#define GEN_PASS_DEF_FSDPHOISTUPDATES
#include "passes/Schedule/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;
using namespace fsdp::sharding;

namespace {
struct HoistUpdates : public fsdp::impl::FsdpHoistUpdatesBase<HoistUpdates> {
  void runOnOperation() override {
    func::FuncOp func = getFunction(getOperation(), kStep);
    if (!func)
      return signalPassFailure();
    Block &block = func.getBody().front();
    for (auto update : llvm::make_early_inc_range(block.getOps<UpdateOp>()))
      hoist(update);
  }

  /// Moves `update` behind its last operand and behind the gathers of its
  /// line.
  static void hoist(UpdateOp update) {
    Operation *place = nullptr;
    auto notBefore = [&](Operation *op) {
      if (op && (!place || place->isBeforeInBlock(op)))
        place = op;
    };
    for (Value operand : update.getOperands())
      notBefore(operand.getDefiningOp());
    for (auto start : update->getBlock()->getOps<AllGatherStartOp>())
      if (start.getUnit() == update.getUnit() &&
          start.getLine() == update.getLine())
        for (Operation *wait : start.getPending().getUsers())
          notBefore(wait);
    if (place && place->isBeforeInBlock(update))
      update->moveAfter(place);
  }
};
} // namespace
