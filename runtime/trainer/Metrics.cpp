//===- Metrics.cpp - What a step tells ------------------------------------===//

#include "trainer/Metrics.h"

#include "trainer/CommandLine.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

using namespace fsdprt;

//===----------------------------------------------------------------------===//
// The screen
//===----------------------------------------------------------------------===//

Progress::Progress(int64_t steps, bool terminal)
    : steps(steps), interval(std::max<int64_t>(1, steps / 20)),
      terminal(terminal) {}

/// "  mfu 41.3 %", or "" where it is not known.
static std::string formatMfu(const StepMetrics &metrics) {
  char text[32] = "";
  if (metrics.mfu)
    std::snprintf(text, sizeof(text), "  mfu %.1f %%", 100 * *metrics.mfu);
  return text;
}

/// "3/100", or "3" where nobody knows the last one.
static std::string stepOf(int64_t done, int64_t steps) {
  return std::to_string(done) +
         (steps == kNoLastStep ? "" : "/" + std::to_string(steps));
}

void Progress::show(const StepMetrics &metrics) {
  int64_t done = metrics.step + 1;
  if (!terminal) {
    auto now = std::chrono::steady_clock::now();
    bool isDue = now - lastShown >= std::chrono::seconds(30) ||
                 metrics.evaluation.has_value();
    if (done != 1 && done != steps && done % interval && !isDue)
      return;
    lastShown = now;
    std::printf("step %s  row %lld  loss %.4f  grad_norm %.4f  lr %.3g  "
                "%.1f ms  %.0f tokens/s%s\n",
                stepOf(done, steps).c_str(), (long long)metrics.rows,
                metrics.loss, metrics.gradNorm, metrics.learningRate,
                metrics.milliseconds, metrics.tokensPerSecond,
                formatMfu(metrics).c_str());
    if (metrics.evaluation)
      std::printf("step %s  validation: %s\n", stepOf(done, steps).c_str(),
                  describe(*metrics.evaluation).c_str());
    std::fflush(stdout);
    return;
  }
  if (metrics.evaluation)
    std::printf("\r\033[Kstep %s  validation: %s\n",
                stepOf(done, steps).c_str(),
                describe(*metrics.evaluation).c_str());
  constexpr int width = 30;
  int filled = int(width * done / steps);
  std::string bar(filled, '#');
  bar.resize(width, '.');
  std::printf("\r[%s] %s  loss %.4f  %.0f tokens/s%s", bar.c_str(),
              stepOf(done, steps).c_str(), metrics.loss,
              metrics.tokensPerSecond, formatMfu(metrics).c_str());
  if (steps != kNoLastStep)
    std::printf("  %.0f s left ", (steps - done) * metrics.milliseconds / 1000);
  std::printf("\033[K");
  std::fflush(stdout);
  barShown = true;
}

void Progress::finish() {
  if (barShown)
    std::printf("\n");
  barShown = false;
}

double EvaluationResult::perplexity() const { return std::exp(loss); }

std::string fsdprt::describe(const EvaluationResult &result) {
  char text[160];
  std::snprintf(text, sizeof(text),
                "%sloss %.4f (perplexity %.2f) over %lld tokens in %.1f s",
                result.ofAverages ? "average of the parameters, " : "",
                result.loss, result.perplexity(), (long long)result.tokens,
                result.milliseconds / 1000);
  return text;
}

void fsdprt::printDeviceMemory(const DeviceMemory &memory, size_t numArenas) {
  std::string sharing;
  if (memory.ranks > 1)
    sharing = " for each of " + std::to_string(memory.ranks) + " ranks";
  std::printf("GPU memory: plan %s in %zu arenas%s, libraries %s, driver and "
              "others %s, %s of %s left\n",
              formatBytes(memory.plan).c_str(), numArenas, sharing.c_str(),
              formatBytes(memory.libraries).c_str(),
              formatBytes(memory.others()).c_str(),
              formatBytes(memory.left()).c_str(),
              formatBytes(memory.total).c_str());
  std::fflush(stdout);
}

void StepsSummary::add(const StepMetrics &metrics) {
  (count == 0 ? first : others) += 1 / metrics.tokensPerSecond;
  if (count++ == 0)
    firstLoss = metrics.loss;
  lastLosses.push_back(metrics.loss);
  if (lastLosses.size() > 20)
    lastLosses.pop_front();
  localCopyBytes = metrics.localCopyBytes;
}

void StepsSummary::print() const {
  if (count == 0)
    return;
  double sum = std::accumulate(lastLosses.begin(), lastLosses.end(), 0.0);
  std::printf("loss: first %.4f, last %.4f, mean of the last %zu %.4f\n",
              firstLoss, lastLosses.back(), lastLosses.size(),
              sum / double(lastLosses.size()));
  std::printf("speed: %.0f tokens/s\n",
              count > 1 ? double(count - 1) / others : 1 / first);
  std::printf("local copies: %lld bytes a step\n", (long long)localCopyBytes);
}

void fsdprt::printSummary(const StepsSummary &steps, int64_t plannedPeakBytes,
                          const std::vector<RankPeak> &peaks,
                          bool sharedProcess) {
  steps.print();
  for (size_t rank = 0; rank < peaks.size(); ++rank) {
    std::printf("rank %zu: planned peak %lld bytes (%s), measured %lld", rank,
                (long long)plannedPeakBytes,
                formatBytes(plannedPeakBytes).c_str(),
                (long long)peaks[rank].measured);
    if (!sharedProcess)
      std::printf(", resident growth %lld (%s)",
                  (long long)peaks[rank].residentGrowth,
                  formatBytes(peaks[rank].residentGrowth).c_str());
    std::printf("\n");
  }
  if (sharedProcess && !peaks.empty())
    std::printf("all ranks: resident growth %lld (%s)\n",
                (long long)peaks[0].residentGrowth,
                formatBytes(peaks[0].residentGrowth).c_str());
  std::fflush(stdout);
}
