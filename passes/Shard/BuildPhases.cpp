//===- BuildPhases.cpp - The phases around the step -----------------------===//
//
//   func @init()   { fsdp.load "h.0" line 0 ... }
//   func @export() { shards, all_gather, wait, fsdp.store, release ... }
//
//===----------------------------------------------------------------------===//
#include "passes/Shard/Lines.h"
#include "passes/Shard/Passes.h"
#include "passes/Support/Step.h"

namespace fsdp {
#define GEN_PASS_DEF_FSDPBUILDPHASES
#include "passes/Shard/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;
using namespace fsdp::sharding;

namespace {
struct BuildPhases : public fsdp::impl::FsdpBuildPhasesBase<BuildPhases> {
  using FsdpBuildPhasesBase::FsdpBuildPhasesBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    func::FuncOp step = getFunction(module, kStep);
    if (!step)
      return signalPassFailure();
    OpBuilder builder(step);
    buildInit(builder);
    builder.setInsertionPointAfter(step);
    buildExport(builder);
  }

  func::FuncOp buildFunction(OpBuilder &builder, StringRef name) {
    auto func = builder.create<func::FuncOp>(getOperation().getLoc(), name,
                                             builder.getFunctionType({}, {}));
    builder.setInsertionPointToStart(func.addEntryBlock());
    auto end = builder.create<func::ReturnOp>(func.getLoc());
    builder.setInsertionPoint(end);
    return func;
  }

  void buildInit(OpBuilder &builder) {
    func::FuncOp func = buildFunction(builder, kInit);
    for (const LineRef &line : getLines(getOperation()))
      builder.create<LoadOp>(func.getLoc(), line.unitName(), line.index);
  }

  void buildExport(OpBuilder &builder) {
    func::FuncOp func = buildFunction(builder, kExport);
    for (const LineRef &line : getLines(getOperation())) {
      ValueRange full =
          buildGather(builder, func.getLoc(), line, line.get().getLayout());
      builder.create<StoreOp>(func.getLoc(), line.unitName(), line.index, full);
      builder.create<ReleaseOp>(func.getLoc(), line.unitName(), line.index,
                                full);
    }
  }
};
} // namespace
