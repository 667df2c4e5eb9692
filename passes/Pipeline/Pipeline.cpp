//===- Pipeline.cpp - The stages in order ---------------------------------===//
#include "passes/Pipeline/Pipeline.h"
#include "passes/Kernel/Passes.h"
#include "passes/Plan/Passes.h"
#include "passes/Schedule/Passes.h"
#include "passes/Shard/Passes.h"
#include "passes/Train/Passes.h"
#include "passes/Verify/Passes.h"

#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace fsdp;

void fsdp::registerPasses() {
  registerTransformsPasses();
  registerFsdpTrainPasses();
  registerFsdpShardPasses();
  registerFsdpSchedulePasses();
  registerFsdpKernelPasses();
  registerFsdpPlanPasses();
  registerFsdpVerifyPasses();
}

static void addCleanup(OpPassManager &manager) {
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
}

static void addTrainStage(OpPassManager &manager,
                          const PipelineOptions &options) {
  TrainAttachLossOptions loss;
  loss.loss = options.loss;
  loss.logits = options.logits;
  loss.labelsShift = options.labelsShift;
  manager.addPass(createTrainAttachLoss(loss));
  addCleanup(manager);
  // Before the backward pass: the gradient then computes the scores again.
  manager.addPass(createTrainFormAttention());
  // Before mixed precision, which casts between the parts.
  manager.addPass(createTrainFormNorms());
  manager.addPass(createTrainFormGelu());
  addCleanup(manager);
  TrainMixedPrecisionOptions precision;
  precision.paramDtype = options.paramDtype;
  precision.outputDtype = options.outputDtype;
  precision.units = options.units;
  manager.addPass(createTrainMixedPrecision(precision));
  addCleanup(manager);
  manager.addPass(createTrainBuildEvaluation());
  TrainBuildBackwardOptions backward;
  backward.lossMean = options.lossMean;
  manager.addPass(createTrainBuildBackward(backward));
  if (!options.paramDtype.empty())
    manager.addPass(createTrainNarrowSaved());
  addCleanup(manager);
  if (options.reduceDtype != "bfloat16")
    manager.addPass(createTrainWidenGradients());
  TrainBuildUpdateOptions update;
  update.optimizer = options.optimizer;
  update.numbers = options.optimizerNumbers;
  update.groupTexts = options.groups;
  update.clipGradNorm = options.clipGradNorm;
  update.ema = options.ema;
  update.optimizerDtype = options.optimizerDtype;
  update.noDecay = options.noDecay;
  manager.addPass(createTrainBuildUpdate(update));
  if (!options.recompute.empty()) {
    TrainRecomputeOptions recompute;
    recompute.rules = options.recompute;
    recompute.units = options.units;
    manager.addPass(createTrainRecompute(recompute));
  }
  manager.addPass(createTrainVerify());
}

static void addShardStage(OpPassManager &manager,
                          const PipelineOptions &options) {
  FsdpAssignUnitsOptions units;
  units.mesh = options.mesh;
  units.placement = options.placement;
  units.units = options.units;
  units.paramDtype = options.paramDtype;
  units.reduceDtype = options.reduceDtype;
  manager.addPass(createFsdpAssignUnits(units));
  FsdpApplyStrategyOptions strategy;
  strategy.reshardAfterForward = options.reshardAfterForward;
  strategy.prefetchForward = options.prefetchForward;
  strategy.prefetchBackward = options.prefetchBackward;
  manager.addPass(createFsdpApplyStrategy(strategy));
  manager.addPass(createFsdpInsertGathers({options.accumulateGathered}));
  manager.addPass(createFsdpInsertReductions({options.accumulateSync}));
  manager.addPass(createFsdpBuildPhases());
  addCleanup(manager);
  manager.addPass(createFsdpVerify());
}

static void addScheduleStage(OpPassManager &manager,
                             const PipelineOptions &options) {
  manager.addPass(createFsdpPrefetch());
  FsdpOverlapReductionsOptions overlap;
  overlap.inFlight = options.reduceInFlight;
  manager.addPass(createFsdpOverlapReductions(overlap));
  manager.addPass(createFsdpSinkGradients());
  manager.addPass(createFsdpVerify());
}

void fsdp::buildPipeline(OpPassManager &manager,
                         const PipelineOptions &options) {
  // First of all: what follows need not know of extents of 0.
  manager.addPass(createTrainFoldEmpty());
  addCleanup(manager);
  addTrainStage(manager, options);
  addShardStage(manager, options);
  addScheduleStage(manager, options);
  manager.addPass(createKernelSinkCasts());
  manager.addPass(
      createKernelFoldAdds({options.libraryBf16, options.libraryF16}));
  manager.addPass(
      createKernelFormGroups({options.libraryBf16, options.libraryF16}));
  if (options.foldElements) {
    manager.addPass(createKernelSplitReductions({options.foldElements}));
    manager.addPass(createKernelOrderGathers());
  }
  manager.addPass(createConvertFsdpToFsdpRt());
  manager.addPass(createPlanAssignOffsets());
  PlanCheckMemoryOptions memory;
  memory.limit = options.memoryLimit;
  manager.addPass(createPlanCheckMemory(memory));
  manager.addPass(createFsdpRtVerify());
  manager.addPass(createProgramVerify());
}
