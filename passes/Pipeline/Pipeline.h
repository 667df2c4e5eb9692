//===- Pipeline.h - The stages in order -------------------------*- C++ -*-===//
#ifndef FSDP_PASSES_PIPELINE_PIPELINE_H
#define FSDP_PASSES_PIPELINE_PIPELINE_H

#include "mlir/Pass/PassManager.h"
#include <string>
#include <vector>

namespace fsdp {
/// What a user says of a training step (fsdp-compile's options).
struct PipelineOptions {
  std::string mesh = "shard=1";
  std::string placement = "flat"; ///< how parameters are cut: flat or dim0
  std::vector<std::string> units;
  /// "N" or "PATTERN=N": gathers that a unit starts ahead.
  std::vector<std::string> prefetchForward, prefetchBackward;
  /// "true", "false" or one of them behind "PATTERN=": whether a unit is
  /// gathered again in backward.
  std::vector<std::string> reshardAfterForward;
  /// "PATTERN" or "PATTERN=elementwise": modules computed again in backward.
  std::vector<std::string> recompute;
  int64_t reduceInFlight = 1; ///< reduce-scatters beside backward
  std::string memoryLimit;    ///< of a rank, such as "2GiB"; empty: none
  /// As torch names dtypes; empty: those of the model.
  std::string paramDtype, reduceDtype, outputDtype;
  /// Whether the target's GEMM library has products in them.
  bool libraryBf16 = true, libraryF16 = false;
  /// Of kernels, as Target has it: where a reduction has enough iterations by
  /// itself, so has the gradient of a gather.
  int64_t foldElements = 0;
  std::string accumulateSync = "every"; ///< or "last"
  bool accumulateGathered = false;      ///< parameters, between microbatches
  std::string loss, logits, labelsShift, lossMean = "global";
  std::string optimizer = "adamw", optimizerDtype = "float32";
  /// As --train-build-update takes them.
  std::vector<std::string> optimizerNumbers, groups, noDecay;
  double clipGradNorm = 0.0, ema = 0.0;
};

/// Registers every pass, for `fsdp-opt`.
void registerPasses();

/// Appends all stages: imported model to planned program. Each stage ends in
/// its verifier.
void buildPipeline(mlir::OpPassManager &manager,
                   const PipelineOptions &options);
} // namespace fsdp

#endif // FSDP_PASSES_PIPELINE_PIPELINE_H
