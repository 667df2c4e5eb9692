//===- Budget.cpp - When a run ends ---------------------------------------===//

#include "trainer/Budget.h"

#include <algorithm>
#include <charconv>
#include <cmath>

using namespace fsdprt;

std::optional<double> fsdprt::parseDuration(const std::string &text) {
  double value = 0;
  const char *end = text.data() + text.size();
  auto read = std::from_chars(text.data(), end, value);
  if (read.ec != std::errc() || end - read.ptr > 1)
    return std::nullopt;
  switch (read.ptr == end ? 's' : *read.ptr) {
  case 's':
    break;
  case 'm':
    value *= 60;
    break;
  case 'h':
    value *= 3600;
    break;
  case 'd':
    value *= 86400;
    break;
  default:
    return std::nullopt;
  }
  // Clocks count in nanoseconds.
  bool isTime = value > 0 && value <= 1e9;
  return isTime ? std::optional<double>(value) : std::nullopt;
}

int64_t fsdprt::rowsPerStep(const RunOptions &options,
                            const Manifest &manifest) {
  return manifest.batch * manifest.worldSize() * options.accumulate;
}

void fsdprt::setStepsByTokens(RunOptions &options, const Manifest &manifest) {
  if (options.steps != kNoLastStep || options.maxTokens == 0)
    return;
  double tokens = double(rowsPerStep(options, manifest)) * double(manifest.seq);
  double all = double(options.maxTokens);
  double left = all - double(options.rowsBefore) * double(manifest.seq);
  options.steps =
      options.stepsBefore + int64_t(std::ceil(std::max(0.0, left) / tokens));
  options.tokenSteps = int64_t(std::ceil(all / tokens));
}

double fsdprt::schedulePosition(const RunOptions &options,
                                const Manifest &manifest, int64_t step,
                                int64_t rows) {
  return options.tokenSteps && options.rates.empty()
             ? double(rows) / double(rowsPerStep(options, manifest))
             : double(step);
}

Budget::Budget(const RunOptions &options, const Manifest &manifest)
    : options(options), tokensPerRow(manifest.seq),
      begin(std::chrono::steady_clock::now()) {}

Expected<std::string> Budget::whatIsSpent(Control &control,
                                          int64_t rows) const {
  if (options.maxTokens > 0 &&
      double(rows) * double(tokensPerRow) >= double(options.maxTokens))
    return "--max-tokens " + std::to_string(options.maxTokens);
  if (options.maxTime.empty())
    return std::string();
  std::chrono::duration<double> passed =
      std::chrono::steady_clock::now() - begin;
  // Clocks differ: the first rank's counts.
  auto isSpent =
      control.gatherValues(passed.count() >= *parseDuration(options.maxTime));
  if (!isSpent.ok())
    return isSpent.status();
  return (*isSpent)[0] ? "--max-time " + options.maxTime : std::string();
}
