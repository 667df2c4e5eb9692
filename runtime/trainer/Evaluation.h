//===- Evaluation.h - The loss on data not trained on -----------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_EVALUATION_H
#define FSDPRT_TRAINER_EVALUATION_H

#include "io/TokenData.h"
#include "trainer/LoadedProgram.h"
#include "trainer/Metrics.h"

#include <functional>

namespace fsdprt {

/// A validation by --eval-data: every window of it once, in the order of the
/// files, or those of the first --eval-batches, with the parameters or, by
/// --eval-ema, their averages. Nothing that trains changes.
class Evaluation {
public:
  /// Fails where the program has no phase for it, or the data does not fit it.
  static Expected<Evaluation> open(const RunOptions &options,
                                   const Manifest &manifest, int rank);

  /// Whether one is due after `steps` steps of all; `isLast`: none follows.
  bool isDue(int64_t steps, bool isLast) const;
  /// Runs one; `step` is what messages and traces count. None where `isToStop`,
  /// which all ranks ask between batches, says so. The result's `tokens` are
  /// the labels that count; without any its loss is no number.
  Expected<std::optional<EvaluationResult>>
  run(LoadedProgram &program, int64_t step,
      const std::function<Expected<bool>()> &isToStop) const;
  /// What it leaves out; "" if nothing.
  std::string hint() const;

private:
  Evaluation(const RunOptions &options, const Manifest &manifest,
             TokenData data);
  Expected<std::optional<EvaluationResult>>
  runBatches(LoadedProgram &program, int64_t step,
             const std::function<Expected<bool>()> &isToStop) const;

  const RunOptions *options;
  const Manifest *manifest;
  TokenData data;
  int64_t batches = 0; // of all ranks
};

} // namespace fsdprt

#endif // FSDPRT_TRAINER_EVALUATION_H
