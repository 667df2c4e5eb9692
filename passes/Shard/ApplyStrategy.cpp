//===- ApplyStrategy.cpp - What the user asks for, as policies of units ---===//
//
//   fsdp.unit @"h.0" lines [...]
// becomes, by prefetch-forward=h.0=2,
//   fsdp.unit @"h.0" policy <prefetch_forward = 2> lines [...]
//
//===----------------------------------------------------------------------===//
#include "dialects/Fsdp/Fsdp.h"
#include "passes/Shard/Passes.h"
#include "passes/Shard/UnitRules.h"

namespace fsdp {
#define GEN_PASS_DEF_FSDPAPPLYSTRATEGY
#include "passes/Shard/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;
using namespace fsdp::sharding;

namespace {
struct ApplyStrategy : public fsdp::impl::FsdpApplyStrategyBase<ApplyStrategy> {
  using FsdpApplyStrategyBase::FsdpApplyStrategyBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    FailureOr<UnitRules> reshard = UnitRules::parse(
        module, "--reshard-after-forward", reshardAfterForward, readSwitch);
    FailureOr<UnitRules> forward = UnitRules::parse(
        module, "--prefetch-forward", prefetchForward, readDepth);
    FailureOr<UnitRules> backward = UnitRules::parse(
        module, "--prefetch-backward", prefetchBackward, readDepth);
    if (failed(reshard) || failed(forward) || failed(backward))
      return signalPassFailure();
    for (auto unit : module.getOps<UnitOp>()) {
      StringRef name = unit.getSymName();
      PolicyAttr usual = unit.getEffectivePolicy();
      unit.setPolicyAttr(PolicyAttr::get(
          &getContext(),
          reshard->of(name).value_or(usual.getReshardAfterForward()) != 0,
          forward->of(name).value_or(usual.getPrefetchForward()),
          backward->of(name).value_or(usual.getPrefetchBackward())));
      if (!unit.getPolicyAttr().getReshardAfterForward())
        ++numKept;
    }
  }
};
} // namespace
