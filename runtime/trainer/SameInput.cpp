//===- SameInput.cpp - All ranks read and were asked for the same ---------===//

#include "trainer/SameInput.h"

#include "checkpoint/Reader.h"
#include "checkpoint/Sum.h"
#include "io/FilesIdentity.h"
#include "io/TokenFile.h"
#include "trainer/SameProgram.h"

#include <cstring>
#include <set>

using namespace fsdprt;

//===----------------------------------------------------------------------===//
// Of one rank
//===----------------------------------------------------------------------===//

static Expected<std::string>
describeData(const std::vector<std::string> &paths,
             const std::vector<std::string> &endings) {
  std::vector<std::string> files;
  for (const std::string &path : paths) {
    auto listed = listDataFiles(path, endings);
    if (!listed.ok())
      return listed.status();
    files.insert(files.end(), listed->begin(), listed->end());
  }
  auto identity = identityOf(files);
  return identity.ok() ? Expected<std::string>(identity->text())
                       : identity.status();
}

static Expected<std::string> describeWeights(const std::string &path) {
  if (path.empty())
    return std::string("none");
  auto files = isCheckpoint(path) ? listFiles(path) : TensorFiles::list(path);
  if (!files.ok())
    return files.status();
  auto identity = identityOf(*files);
  return identity.ok() ? Expected<std::string>(identity->text())
                       : identity.status();
}

/// The files that parameters start from where --weights does not say others.
static Expected<std::string> describeModel(const RunOptions &options,
                                           const Manifest &manifest) {
  std::set<std::string> files;
  for (const ParameterSpec &parameter : manifest.parameters)
    if (parameter.origin == ParameterSpec::Origin::File &&
        options.weights.empty() && options.resumeFrom.empty())
      files.insert(parameter.file);
  auto identity = identityOf({files.begin(), files.end()});
  return identity.ok() ? Expected<std::string>(identity->text())
                       : identity.status();
}

static std::string exactly(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.17g", value);
  char shorter[32]; // "0.1" rather than "0.10000000000000001"
  std::snprintf(shorter, sizeof(shorter), "%g", value);
  return std::stod(shorter) == value ? shorter : text;
}

using Answers = std::vector<std::pair<const char *, std::string>>;

static Status addFiles(Answers &answers, const RunOptions &options,
                       const Manifest &manifest) {
  std::vector<std::string> endings = tokenEndings(options.tokenizer);
  const std::pair<const char *, Expected<std::string>> all[] = {
      {"--data", describeData(options.data, endings)},
      {"--labels", describeData(options.labels, {".i32"})},
      {"--eval-data", describeData(options.evalData, endings)},
      {"--eval-labels", describeData(options.evalLabels, {".i32"})},
      {"--weights",
       describeWeights(options.resumeFrom.empty() ? options.weights
                                                  : options.resumeFrom)},
      {"the model's files", describeModel(options, manifest)}};
  for (const auto &[what, value] : all) {
    FSDPRT_RETURN_IF_ERROR(value.status());
    answers.emplace_back(what, *value);
  }
  return Status();
}

/// Its name, or what a file of rates holds: hosts may have it in other places.
static std::string describeSchedule(const RunOptions &options) {
  if (options.rates.empty())
    return options.schedule;
  RunningSum sum;
  for (const RatePoint &point : options.rates) {
    std::string text =
        std::to_string(point.step) + " " + exactly(point.rate) + "\n";
    sum.add(text.data(), text.size());
  }
  return std::to_string(options.rates.size()) + " rates, sum " +
         sumText(sum.value());
}

static void addOptions(Answers &answers, const RunOptions &options) {
  const std::pair<const char *, int64_t> numbers[] = {
      {"--skip-rows", options.skipRows},
      {"--accumulate", options.accumulate},
      {"--eval-every", options.evalEvery},
      {"--eval-batches", options.evalBatches},
      {"--eval-ema", options.evalEma},
      {"--steps", options.steps},
      {"--max-tokens", options.maxTokens},
      {"--warmup", options.warmup},
      {"--decay-steps", options.decaySteps},
      {"--checkpoint-every", options.checkpointEvery},
      {"--checkpoint-wait", options.checkpointWait}};
  const std::pair<const char *, std::string> words[] = {
      {"--seed", std::to_string(options.seed)},
      {"--weights-of-data", options.dataWeights},
      {"--shuffle", options.shuffle ? "on" : "off"},
      {"--max-time", options.maxTime},
      {"--lr", exactly(options.learningRate)},
      {"--min-lr", exactly(options.minLearningRate)},
      {"--schedule", describeSchedule(options)},
      {"--checkpoint-dir", options.checkpointDir.empty() ? "none" : "a folder"},
      {"--resume", options.resumeFrom.empty() ? "none" : "a checkpoint"},
      {"--trace", options.trace.empty() ? "none" : "a file"},
      {"--save", options.save.empty() ? "none" : "a file"},
      {"--save-ema", options.saveEma.empty() ? "none" : "a file"}};
  for (const auto &[what, value] : numbers)
    answers.emplace_back(what, std::to_string(value));
  answers.insert(answers.end(), std::begin(words), std::end(words));
}

Expected<AgreedList> fsdprt::whatMustAgree(const RunOptions &options,
                                           const Manifest &manifest) {
  Answers answers;
  FSDPRT_RETURN_IF_ERROR(addFiles(answers, options, manifest));
  addOptions(answers, options);
  AgreedList list;
  if (answers.size() > list.size())
    return failure("ranks have ", answers.size(),
                   " things to agree on, room "
                   "is for ",
                   list.size());
  for (size_t i = 0; i < answers.size(); ++i) {
    const auto &[what, value] = answers[i];
    std::strncpy(list[i].what.data(), what, list[i].what.size() - 1);
    std::strncpy(list[i].value.data(), value.c_str(), list[i].value.size() - 1);
  }
  return list;
}

//===----------------------------------------------------------------------===//
// Of all ranks
//===----------------------------------------------------------------------===//

std::string fsdprt::describeDifference(const std::vector<AgreedList> &ranks) {
  for (size_t i = 0; i < kMostAgreed; ++i) {
    std::string expected = ranks[0][i].value.data();
    std::vector<size_t> others;
    for (size_t rank = 0; rank < ranks.size(); ++rank)
      if (ranks[rank][i].value.data() != expected)
        others.push_back(rank);
    if (others.empty())
      continue;
    std::string found = ranks[others[0]][i].value.data();
    auto shown = [](const std::string &value) {
      return value.empty() ? "none" : value;
    };
    return listRanks(others) + (others.size() == 1 ? " has " : " have ") +
           ranks[0][i].what.data() + ": " + shown(found) + ", rank 0 has " +
           shown(expected) +
           "; start all ranks with the same options, and copy files to every "
           "host";
  }
  return "";
}

Status fsdprt::checkSameInput(Control &control, int rank,
                              const FlightFile *flight,
                              const RunOptions &options,
                              const Manifest &manifest) {
  Expected<AgreedList> mine = whatMustAgree(options, manifest);
  if (!mine.ok())
    return mine.status();
  auto all = control.gather(*mine);
  if (!all.ok())
    return all.status();
  return failIfAnyDiffers(control, rank, flight, describeDifference(*all));
}
