//===- Schedule.cpp - The learning rate over the steps --------------------===//

#include "trainer/Schedule.h"

#include <algorithm>
#include <cmath>

using namespace fsdprt;

double fsdprt::learningRateAt(const RunOptions &options, int64_t step) {
  if (step < options.warmup)
    return options.learningRate * double(step) / double(options.warmup);
  if (options.schedule == "constant")
    return options.learningRate;
  double progress =
      double(step - options.warmup) /
      double(std::max<int64_t>(1, options.steps - options.warmup));
  return options.minLearningRate +
         0.5 * (options.learningRate - options.minLearningRate) *
             (1 + std::cos(3.14159265358979323846 * progress));
}
