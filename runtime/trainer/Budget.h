//===- Budget.h - When a run ends -------------------------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_BUDGET_H
#define FSDPRT_TRAINER_BUDGET_H

#include "comm/Control.h"
#include "core/Manifest.h"
#include "trainer/CommandLine.h"

#include <chrono>

namespace fsdprt {

/// Seconds of "90", "90s", "1.5m", "2h", "1d"; none if that is no time above 0.
std::optional<double> parseDuration(const std::string &text);

/// Rows of the data that a step of all ranks takes.
int64_t rowsPerStep(const RunOptions &options, const Manifest &manifest);

/// The steps that --max-tokens comes to, where --steps does not say how many:
/// those of the run before, and those that the tokens it has left take.
void setStepsByTokens(RunOptions &options, const Manifest &manifest);

/// Where in the schedule step `step` stands, from 0, after `rows` rows that
/// were trained on: `step`, but where --max-tokens says how long the run is,
/// steps of as many tokens as this run's have. So a run that goes on with more
/// or fewer tokens a step has the rates that belong to its tokens.
double schedulePosition(const RunOptions &options, const Manifest &manifest,
                        int64_t step, int64_t rows);

/// What ends a run before its --steps are made.
class Budget {
public:
  /// Time begins here.
  Budget(const RunOptions &options, const Manifest &manifest);

  /// After a step, on all ranks at once: "" to go on, or what is spent, the
  /// same on all: "--max-time 30m". `rows`: what all ranks have trained on.
  Expected<std::string> whatIsSpent(Control &control, int64_t rows) const;

private:
  const RunOptions &options;
  const int64_t tokensPerRow;
  const std::chrono::steady_clock::time_point begin;
};

} // namespace fsdprt

#endif // FSDPRT_TRAINER_BUDGET_H
