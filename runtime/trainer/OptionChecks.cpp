//===- OptionChecks.cpp - Is what was asked for possible ------------------===//

#include "trainer/OptionChecks.h"

#include "io/Mixture.h"
#include "trainer/Budget.h"
#include "trainer/Schedule.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <utility>
#include <vector>

using namespace fsdprt;

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

// For ever, for a wait; clocks count it in nanoseconds without overflow.
static constexpr double longest = 1e9;

// Of the data; far from overflow, whatever is added.
static constexpr int64_t mostRows = 1000000000000000;

// Beyond any host's cores; a system may refuse to start many more.
static constexpr int mostThreads = 1024;

// They are counted in float32.
static constexpr int64_t mostMicrobatches = 1 << 24;

namespace {
struct NumberCheck {
  const char *option;
  double value;
  bool isValid; // nan is in no range
  const char *range;
};
} // namespace

static std::string shown(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%g", value);
  return text;
}

/// A program computes in float32: beyond that a rate is infinite.
static bool isRate(double value) { return value >= 0 && value <= 3.4e38; }

std::string fsdprt::checkNumbers(const RunOptions &options,
                                 const IsGiven &isGiven) {
  constexpr const char *rate = "a number in [0, 3.4e+38]";
  const NumberCheck checks[] = {
      {"--steps", double(options.steps), options.steps >= 0,
       "a whole number, 0 or more"},
      {"--max-tokens", double(options.maxTokens), options.maxTokens > 0,
       "a whole number, 1 or more"},
      {"--accumulate", double(options.accumulate),
       options.accumulate > 0 && options.accumulate <= mostMicrobatches,
       "a whole number in [1, 16777216]"},
      {"--eval-every", double(options.evalEvery), options.evalEvery > 0,
       "a whole number, 1 or more"},
      {"--eval-batches", double(options.evalBatches), options.evalBatches > 0,
       "a whole number, 1 or more"},
      {"--warmup", double(options.warmup), options.warmup >= 0,
       "a whole number, 0 or more"},
      {"--checkpoint-every", double(options.checkpointEvery),
       options.checkpointEvery > 0, "a whole number, 1 or more"},
      {"--keep", double(options.keep), options.keep > 0,
       "a whole number, 1 or more"},
      {"--decay-steps", double(options.decaySteps), options.decaySteps >= 0,
       "a whole number, 0 or more"},
      {"--lr", options.learningRate, isRate(options.learningRate), rate},
      {"--min-lr", options.minLearningRate, isRate(options.minLearningRate),
       rate},
      {"--skip-rows", double(options.skipRows),
       options.skipRows >= 0 && options.skipRows <= mostRows,
       "a whole number in [0, 1e+15]"},
      {"--ranks", double(options.ranks), options.ranks > 0,
       "a whole number, 1 or more"},
      {"--threads", double(options.threads),
       options.threads > 0 && options.threads <= mostThreads,
       "a whole number in [1, 1024]"},
      {"--timeout", options.timeoutSeconds,
       options.timeoutSeconds > 0 && options.timeoutSeconds <= longest,
       "seconds in (0, 1e+09]"},
      {"--peak-tflops", options.peakTeraflops,
       options.peakTeraflops > 0 && options.peakTeraflops <= longest,
       "a number in (0, 1e+09]"},
      {"--comm-delay", options.commDelayMilliseconds,
       options.commDelayMilliseconds >= 0 &&
           options.commDelayMilliseconds <= longest,
       "milliseconds in [0, 1e+09]"}};
  for (const NumberCheck &check : checks)
    if (isGiven(check.option) && !check.isValid)
      return std::string(check.option) + " is " + shown(check.value) +
             ", expected " + check.range;
  return "";
}

//===----------------------------------------------------------------------===//
// Names that are nearly right
//===----------------------------------------------------------------------===//

size_t fsdprt::editDistance(const std::string &a, const std::string &b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      size_t replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

//===----------------------------------------------------------------------===//
// Options that belong together
//===----------------------------------------------------------------------===//

/// An option without the one it is for would have no effect.
static std::string checkHasOwner(const RunOptions &options,
                                 const IsGiven &isGiven) {
  const struct {
    const char *option;
    bool hasOwner;
    const char *owner;
  } pairs[] = {
      {"--strip-prefix", !options.save.empty() || !options.saveEma.empty(),
       "--save"},
      {"--save-ema", options.steps > 0, "--steps"},
      {"--checkpoint-every", !options.checkpointDir.empty(),
       "--checkpoint-dir"},
      {"--keep", !options.checkpointDir.empty(), "--checkpoint-dir"},
      {"--checkpoint-wait", !options.checkpointDir.empty(), "--checkpoint-dir"},
      {"--checkpoint-dir", options.steps > 0, "--steps"},
      {"--resume", options.steps > 0 || !options.evalData.empty(),
       "--steps or --eval-data"},
      {"--metrics", options.steps > 0 || options.selfTest, "--steps above 0"},
      {"--max-tokens", options.steps > 0, "--steps above 0"},
      {"--max-time", options.steps > 0, "--steps above 0"},
      {"--tokenizer", !options.data.empty() || !options.evalData.empty(),
       "--data"},
      {"--eval-labels", !options.evalData.empty(), "--eval-data"},
      {"--eval-every", !options.evalData.empty(), "--eval-data"},
      {"--eval-batches", !options.evalData.empty(), "--eval-data"},
      {"--eval-ema", !options.evalData.empty(), "--eval-data"},
      {"--labels", !options.data.empty(), "--data"},
      {"--weights-of-data", !options.data.empty(), "--data"},
      {"--skip-rows", !options.data.empty(), "--data"},
      {"--trace-steps", !options.trace.empty(), "--trace"}};
  for (const auto &pair : pairs)
    if (isGiven(pair.option) && !pair.hasOwner)
      return std::string(pair.option) + " is for " + pair.owner;
  return "";
}

/// A name that is empty, as of a variable that is not set, would drop what it
/// is for without a word.
static std::string checkNames(const RunOptions &options,
                              const IsGiven &isGiven) {
  std::vector<std::pair<const char *, std::string>> names = {
      {"--weights", options.weights},
      {"--save", options.save},
      {"--save-ema", options.saveEma},
      {"--checkpoint-dir", options.checkpointDir},
      {"--resume", options.resume},
      {"--metrics", options.metrics},
      {"--records", options.records},
      {"--trace", options.trace},
      {"--autotune", options.autotune}};
  for (const std::string &name : options.data)
    names.emplace_back("--data", name);
  for (const std::string &name : options.labels)
    names.emplace_back("--labels", name);
  for (const std::string &name : options.evalData)
    names.emplace_back("--eval-data", name);
  for (const std::string &name : options.evalLabels)
    names.emplace_back("--eval-labels", name);
  for (const auto &[option, name] : names)
    if (isGiven(option) && name.empty())
      return std::string(option) + " '' names no file: is a variable not set?";
  return "";
}

static std::string checkResume(const RunOptions &options) {
  if (options.evalEma && options.steps == 0 && options.resume.empty())
    return "--eval-ema where no step is made is for --resume D/step-N: before "
           "the first step there is no average, and --weights has none";
  if (options.resume == "latest" && options.checkpointDir.empty())
    return "--resume latest is for --checkpoint-dir";
  // What `latest` finds comes before the weights that the run began with.
  if (!options.resume.empty() && options.resume != "latest" &&
      !options.weights.empty())
    return "--resume takes the checkpoint's parameters: leave --weights away, "
           "or give --resume latest to begin with them where there is no "
           "checkpoint yet";
  return "";
}

/// Training takes data and a number of steps; without, only saving is left.
static std::string checkHasWork(const RunOptions &options,
                                const IsGiven &isGiven) {
  if (options.steps > 0 && options.data.empty())
    return "no data to train on: add --data FILE, text (with --tokenizer "
           "bytes) or tokens as .u16, .u32, .npy or .bin";
  if (!options.data.empty() && !options.save.empty() && options.steps == 0 &&
      !isGiven("--steps"))
    return "--data without --steps N would save parameters that are not "
           "trained: add it, or leave --data out";
  if (options.steps > 0 || !options.save.empty() || options.selfTest ||
      options.info || !options.evalData.empty())
    return "";
  return std::string("nothing to do: to train, add ") +
         (options.data.empty() ? "--data FILE and " : "") +
         "--steps N, the number of updates, as --steps 200; to only write the "
         "first parameters, add --save FILE";
}

/// A self-test makes its own two steps and keeps nothing of them.
static std::string checkSelfTest(const RunOptions &options,
                                 const IsGiven &isGiven) {
  if (!options.selfTest)
    return "";
  for (const char *option :
       {"--steps", "--max-tokens", "--max-time", "--schedule", "--warmup",
        "--min-lr", "--decay-steps", "--save", "--save-ema", "--checkpoint-dir",
        "--resume", "--records", "--trace", "--check-plan", "--checked",
        "--graph", "--comm-delay", "--peak-tflops"})
    if (isGiven(option))
      return std::string("--self-test makes two steps of its own, without ") +
             option + ": leave one of the two away";
  return "";
}

static std::string checkMaxTime(const RunOptions &options,
                                const IsGiven &isGiven) {
  if (!isGiven("--max-time") || parseDuration(options.maxTime))
    return "";
  return "--max-time is '" + options.maxTime +
         "', expected a time above 0: 90s, 30m, 2h or 1d";
}

static std::string checkWeightsOfData(const RunOptions &options,
                                      const IsGiven &isGiven) {
  if (!isGiven("--weights-of-data"))
    return "";
  return parseWeights(options.dataWeights, options.data.size())
      .status()
      .message();
}

std::string fsdprt::checkTogether(const RunOptions &options,
                                  const IsGiven &isGiven) {
  if (std::string problem = checkNames(options, isGiven); !problem.empty())
    return problem;
  if (std::string problem = checkSelfTest(options, isGiven); !problem.empty())
    return problem;
  if (std::string problem = checkHasWork(options, isGiven); !problem.empty())
    return problem;
  if (std::string problem = checkHasOwner(options, isGiven); !problem.empty())
    return problem;
  if (std::string problem = checkMaxTime(options, isGiven); !problem.empty())
    return problem;
  if (std::string problem = checkWeightsOfData(options, isGiven);
      !problem.empty())
    return problem;
  if (std::string problem = checkResume(options); !problem.empty())
    return problem;
  if (std::string problem = checkScheduleOptions(options, isGiven);
      !problem.empty())
    return problem;
  return checkSchedule(options);
}
