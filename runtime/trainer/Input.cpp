//===- Input.cpp - What a run reads ---------------------------------------===//

#include "trainer/Input.h"

#include "io/Checkpoint.h"
#include "selftest/Reference.h"
#include "trainer/Averages.h"
#include "trainer/Evaluation.h"
#include "trainer/OutputFiles.h"
#include "trainer/Program.h"
#include "trainer/Resume.h"

using namespace fsdprt;

static ParameterLoader::Options loaderOptions(const RunOptions &options,
                                              int rank) {
  ParameterLoader::Options result;
  result.seed = options.seed;
  result.weights =
      options.resumeFrom.empty() ? options.weights : options.resumeFrom;
  result.rank = rank;
  return result;
}

Expected<ParameterLoader> fsdprt::openLoader(const RunOptions &options,
                                             const Manifest &manifest, int rank,
                                             std::function<void()> onProgress) {
  ParameterLoader::Options asked = loaderOptions(options, rank);
  asked.checksValues = false;
  asked.onProgress = std::move(onProgress);
  return ParameterLoader::create(manifest, asked);
}

Expected<TokenData> fsdprt::openData(const RunOptions &options,
                                     const Manifest &manifest, int rank) {
  TokenData::Options asked;
  asked.paths = options.data;
  asked.tokenizer = options.tokenizer;
  asked.labels = options.labels;
  asked.seed = options.seed;
  asked.shuffle = options.shuffle;
  asked.rank = rank;
  asked.world = int(manifest.worldSize());
  if (!options.dataWeights.empty()) {
    auto weights = parseWeights(options.dataWeights, options.data.size());
    if (!weights.ok())
      return weights.status();
    asked.weights = *weights;
  }
  return TokenData::open(manifest, std::move(asked));
}

Status fsdprt::checkInput(const RunOptions &options, const Manifest &manifest,
                          std::optional<int> self) {
  int rank = self.value_or(0);
  FSDPRT_RETURN_IF_ERROR(checkOutputFiles(options, manifest, self));
  FSDPRT_RETURN_IF_ERROR(checkTarget(manifest));
  FSDPRT_RETURN_IF_ERROR(checkImports(manifest.folder + "/program.so"));
  ParameterLoader::Options asked = loaderOptions(options, rank);
  asked.checksValues = rank == 0;
  FSDPRT_RETURN_IF_ERROR(ParameterLoader::create(manifest, asked).status());
  if (options.selfTest && !manifest.kernels.empty())
    FSDPRT_RETURN_IF_ERROR(selftest::referencePath(manifest).status());
  if (options.steps > 0 || (options.selfTest && !options.data.empty())) {
    Expected<TokenData> data = openData(options, manifest, rank);
    FSDPRT_RETURN_IF_ERROR(data.status());
    if (rank == 0)
      FSDPRT_RETURN_IF_ERROR(checkCheckpoints(options, manifest, *data));
  } else if (!options.resumeFrom.empty() && rank == 0) {
    FSDPRT_RETURN_IF_ERROR(checkCheckpoint(options, manifest));
  }
  if (!options.evalData.empty())
    FSDPRT_RETURN_IF_ERROR(Evaluation::open(options, manifest, rank).status());
  FSDPRT_RETURN_IF_ERROR(checkAverages(options, manifest));
  for (const std::string &file : {options.save, options.saveEma})
    if (!file.empty() && rank == 0)
      FSDPRT_RETURN_IF_ERROR(
          CheckpointSaver::check(manifest, file, options.stripPrefix));
  return Status();
}
