//===- Schedule.cpp - The learning rate over the steps --------------------===//

#include "trainer/Schedule.h"

#include "trainer/OptionChecks.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

using namespace fsdprt;

//===----------------------------------------------------------------------===//
// Formulas
//===----------------------------------------------------------------------===//

/// Steps that the schedule is over.
static int64_t lengthOf(const RunOptions &options) {
  return options.tokenSteps ? options.tokenSteps : options.steps;
}

/// Of the steps that warm-up leaves.
static double rateAfterWarmup(const RunOptions &options, double step) {
  double most = options.learningRate, least = options.minLearningRate;
  if (options.schedule == "constant")
    return most;
  if (options.schedule == "inverse_sqrt") {
    double scale = options.warmup > 0 ? double(options.warmup) : 10000;
    double rate =
        most * std::sqrt(scale / (step - double(options.warmup) + scale));
    return std::max(least, rate);
  }
  int64_t last = lengthOf(options);
  int64_t first =
      options.schedule == "wsd" ? last - options.decaySteps : options.warmup;
  if (step < double(first))
    return most;
  double progress =
      (step - double(first)) / double(std::max<int64_t>(1, last - first));
  if (options.schedule == "cosine")
    return least + 0.5 * (most - least) *
                       (1 + std::cos(3.14159265358979323846 * progress));
  return most + (least - most) * progress;
}

double fsdprt::learningRateAt(const RunOptions &options, double step) {
  if (!options.rates.empty()) {
    auto next = std::find_if(
        options.rates.begin() + 1, options.rates.end(),
        [&](const RatePoint &point) { return double(point.step) > step + 1; });
    return std::prev(next)->rate;
  }
  if (step < double(options.warmup))
    return options.learningRate * step / double(options.warmup);
  return rateAfterWarmup(options, step);
}

//===----------------------------------------------------------------------===//
// Rates from a file
//===----------------------------------------------------------------------===//

/// What is wrong with the line of `point` after those of `rates`, or "".
static std::string checkRate(const RatePoint &point,
                             const std::vector<RatePoint> &rates) {
  if (rates.empty() && point.step != 1)
    return "begins with step " + std::to_string(point.step) + ", expected 1";
  if (!rates.empty() && point.step <= rates.back().step)
    return "has step " + std::to_string(point.step) + " after " +
           std::to_string(rates.back().step) + ", expected them to ascend";
  if (!(point.rate >= 0 && point.rate <= 3.4e38))
    return "has a rate that is no number in [0, 3.4e+38]";
  return "";
}

std::string fsdprt::readRates(const std::string &file,
                              std::vector<RatePoint> &rates) {
  std::ifstream stream(file);
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number) {
    line = line.substr(0, line.find('#'));
    if (line.find_first_not_of(" \t\r") == std::string::npos)
      continue;
    std::istringstream words(line);
    RatePoint point;
    std::string rate, more, problem;
    char *end = nullptr;
    if (!(words >> point.step >> rate) || words >> more ||
        (point.rate = std::strtod(rate.c_str(), &end), *end != 0))
      problem = "is '" + line + "', expected a step and its rate: 1000 3e-4";
    else
      problem = checkRate(point, rates);
    if (!problem.empty())
      return "line " + std::to_string(number) + " of '" + file + "' " + problem;
    rates.push_back(point);
  }
  if (!stream.eof())
    return "cannot read the rates in '" + file + "': " + std::strerror(errno);
  return rates.empty() ? "'" + file +
                             "' holds no rates, expected lines of a "
                             "step and its rate: 1000 3e-4"
                       : "";
}

//===----------------------------------------------------------------------===//
// Options together
//===----------------------------------------------------------------------===//

static std::string shown(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%g", value);
  return text;
}

std::string
fsdprt::checkScheduleOptions(const RunOptions &options,
                             const std::function<bool(const char *)> &isGiven) {
  if (!options.rates.empty())
    for (const char *option : {"--lr", "--min-lr", "--warmup"})
      if (isGiven(option))
        return std::string(option) + " has no effect: --schedule " +
               options.schedule + " has the rates of all steps";
  if (options.schedule == "constant" && isGiven("--min-lr"))
    return "--min-lr is for --schedule cosine, linear, inverse_sqrt or wsd";
  if (options.schedule != "wsd" && isGiven("--decay-steps"))
    return "--decay-steps is for --schedule wsd";
  if (options.schedule == "wsd" && options.decaySteps < 1)
    return "--schedule wsd needs --decay-steps, the number of steps at the end "
           "in which the rate falls";
  return "";
}

std::string fsdprt::checkSchedule(const RunOptions &options) {
  const std::string &name = options.schedule;
  int64_t steps = lengthOf(options);
  if (steps == 0 || !options.rates.empty())
    return "";
  if (options.warmup > steps)
    return "--warmup is " + std::to_string(options.warmup) +
           ", expected at most --steps, which is " + std::to_string(steps) +
           ": --lr would never be reached";
  if (name == "constant")
    return "";
  if (name != "inverse_sqrt" && steps == kNoLastStep && options.maxTokens == 0)
    return "--schedule " + name +
           " needs to know the last step: add --steps or --max-tokens";
  if (name == "wsd" && options.decaySteps > steps - options.warmup)
    return "--decay-steps is " + std::to_string(options.decaySteps) +
           ", expected at most what --warmup leaves of --steps, " +
           std::to_string(steps - options.warmup);
  if ((name == "cosine" || name == "linear") && options.warmup == steps)
    return "--warmup leaves no step for the " + name + " schedule";
  if (options.minLearningRate > options.learningRate)
    return "--min-lr is " + shown(options.minLearningRate) +
           ", expected at most --lr, which is " + shown(options.learningRate);
  return "";
}
