//===- SameInput.cpp - All ranks read and were asked for the same ---------===//

#include "trainer/SameInput.h"

#include "checkpoint/Reader.h"
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

Expected<AgreedList> fsdprt::whatMustAgree(const RunOptions &options,
                                           const Manifest &manifest) {
  auto data = describeData(options.data, tokenEndings(options.tokenizer));
  auto labels = describeData(options.labels, {".i32"});
  auto weights = describeWeights(
      options.resumeFrom.empty() ? options.weights : options.resumeFrom);
  auto model = describeModel(options, manifest);
  for (const Expected<std::string> *read : {&data, &labels, &weights, &model})
    FSDPRT_RETURN_IF_ERROR(read->status());
  const std::pair<const char *, std::string> all[] = {
      {"--data", *data},
      {"--labels", *labels},
      {"--weights", *weights},
      {"the model's files", *model},
      {"--weights-of-data", options.dataWeights},
      {"--shuffle", options.shuffle ? "on" : "off"},
      {"--seed", std::to_string(options.seed)},
      {"--skip-rows", std::to_string(options.skipRows)},
      {"--steps", std::to_string(options.steps)},
      {"--max-tokens", std::to_string(options.maxTokens)},
      {"--max-time", options.maxTime},
      {"--lr", exactly(options.learningRate)},
      {"--min-lr", exactly(options.minLearningRate)},
      {"--schedule", options.schedule},
      {"--warmup", std::to_string(options.warmup)},
      {"--checkpoint-dir", options.checkpointDir.empty() ? "none" : "a folder"},
      {"--checkpoint-every", std::to_string(options.checkpointEvery)},
      {"--save", options.save.empty() ? "none" : "a file"}};
  static_assert(std::size(all) <= kMostAgreed);
  AgreedList list;
  for (size_t i = 0; i < std::size(all); ++i) {
    std::strncpy(list[i].what.data(), all[i].first, list[i].what.size() - 1);
    std::strncpy(list[i].value.data(), all[i].second.c_str(),
                 list[i].value.size() - 1);
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
