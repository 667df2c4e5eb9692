//===- Metrics.h - What a step tells ----------------------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_METRICS_H
#define FSDPRT_TRAINER_METRICS_H

#include "core/Numbers.h"
#include "device/Device.h"

#include <chrono>
#include <cstdint>
#include <deque>
#include <vector>

namespace fsdprt {

/// What an evaluation found, the same on all ranks.
struct EvaluationResult {
  double loss = 0;    // mean over the valid labels of all batches
  int64_t tokens = 0; // these labels
  double milliseconds = 0;
  bool ofAverages = false; // of the parameters, by --eval-ema

  double perplexity() const;
};

/// "loss 3.1416 (perplexity 23.14) over 65536 tokens in 1.5 s", with what it is
/// of where that is not the parameters.
std::string describe(const EvaluationResult &result);

struct StepMetrics {
  int64_t step = 0; // from 0; the file counts from 1
  double loss = 0, gradNorm = 0, learningRate = 0;
  int64_t rows = 0;  // of the data that all ranks have had when it ends
  double epochs = 0; // passes over the data that these are
  double milliseconds = 0, tokensPerSecond = 0; // all ranks
  double exposedMilliseconds = 0; // compute waited for communication
  int64_t plannedPeakBytes = 0, measuredPeakBytes = 0;
  int64_t gatheredBytes = 0, reducedBytes = 0; // of this rank and step
  /// Bytes of parameters and gradients that were merely moved within the rank.
  int64_t localCopyBytes = 0;
  /// Waited for checkpoints since the step before.
  std::optional<double> checkpointMilliseconds;
  /// Of what was evaluated after the step.
  std::optional<EvaluationResult> evaluation;
  std::optional<DeviceMemory> deviceMemory;
  /// In which the thread that issues did not wait for the device.
  std::optional<double> hostMilliseconds;
  /// Share of the step in which the products could be done at best.
  std::optional<double> mfu;
};

/// Tells the user: a bar on a terminal, otherwise a line for each
/// twentieth of the steps and for each half minute.
class Progress {
public:
  Progress(int64_t steps, bool terminal);
  void show(const StepMetrics &metrics);
  void finish();

private:
  int64_t steps, interval;
  bool terminal, barShown = false;
  std::chrono::steady_clock::time_point lastShown; // without a terminal
};

/// The start, on a device with memory of its own: what it is used for.
void printDeviceMemory(const DeviceMemory &memory, size_t numArenas);

/// What one rank used.
struct RankPeak {
  int64_t measured = 0, residentGrowth = 0;
};

/// What the end tells of the steps, in memory that does not grow with them.
class StepsSummary {
public:
  void add(const StepMetrics &metrics);
  int64_t steps() const { return count; }
  /// Losses and speed; nothing without a step.
  void print() const;

private:
  int64_t count = 0, localCopyBytes = 0; // the latter of the last step
  double firstLoss = 0;
  std::deque<double> lastLosses; // 20 at most
  /// Sums of seconds a token. The first step pays for page faults and for
  /// making the GEMM primitives: it counts only where it is alone.
  double first = 0, others = 0;
};

/// The end: losses, speed, and peaks by rank. `sharedProcess`: the ranks are
/// threads, so residentGrowth is that of all together.
void printSummary(const StepsSummary &steps, int64_t plannedPeakBytes,
                  const std::vector<RankPeak> &peaks, bool sharedProcess);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_METRICS_H
