//===- Resume.cpp - Going on where a run has ended ------------------------===//

#include "trainer/Resume.h"

#include "checkpoint/Compare.h"
#include "checkpoint/Contents.h"
#include "checkpoint/Folder.h"
#include "checkpoint/LoadStates.h"
#include "checkpoint/Sum.h"

#include <algorithm>
#include <sstream>

using namespace fsdprt;

/// A command that is given again says where the run has begun, and that of one
/// which only goes on need not.
static Status takeProgress(const CheckpointIndex &index, RunOptions &options) {
  int64_t first = index.firstRow;
  if (options.skipRows != 0 && options.skipRows != first)
    return failure("--skip-rows is ", options.skipRows, ", but the run of '",
                   options.resumeFrom, "' began with ", first,
                   " rows skipped and goes on after row ", index.counters.rows,
                   ": give --skip-rows ", first, ", or leave it away");
  options.skipRows = first;
  options.stepsBefore = index.counters.step;
  options.rowsBefore = index.counters.rows - first;
  return Status();
}

Status fsdprt::damaged(const RunOptions &options, const Status &why) {
  // The readers' word for what is not as it was written; all else is to be
  // mended where it is.
  bool isDamaged = why.message().find(" is damaged") != std::string::npos;
  if (!isDamaged || options.resume != "latest" || options.resumeFrom.empty())
    return why;
  auto steps = listCheckpoints(options.checkpointDir);
  if (!steps.ok() || steps->size() < 2)
    return failure(why.message(), "; there is no other one in '",
                   options.checkpointDir, "'");
  std::string before =
      stepFolder(options.checkpointDir, (*steps)[steps->size() - 2]);
  return failure(why.message(), "; move '", options.resumeFrom,
                 "' away to go on from '", before, "'");
}

Status fsdprt::findResumed(RunOptions &options) {
  options.resumeFrom = options.resume;
  if (options.resume == "latest") {
    Expected<std::vector<int64_t>> steps =
        listCheckpoints(options.checkpointDir);
    if (!steps.ok())
      return failure("--resume: ", steps.status().message());
    options.resumeFrom =
        steps->empty() ? "" : stepFolder(options.checkpointDir, steps->back());
  }
  if (options.resumeFrom.empty())
    return Status();
  Expected<CheckpointIndex> index = loadIndex(options.resumeFrom);
  return index.ok() ? takeProgress(*index, options)
                    : failure("--resume: ",
                              damaged(options, index.status()).message());
}

static CheckpointIndex describeProgram(const Manifest &manifest) {
  CheckpointIndex program;
  program.model = manifest.model;
  program.optimizer = manifest.optimizer;
  program.vocabSize = manifest.vocabSize;
  program.mesh = manifest.mesh;
  program.placement = placementOf(manifest);
  program.parameters = describeParameters(manifest);
  return program;
}

static CheckpointSchedule scheduleOf(const RunOptions &options) {
  return {options.schedule, options.learningRate, options.minLearningRate,
          options.warmup, options.steps == kNoLastStep ? 0 : options.steps};
}

Expected<CheckpointIndex> fsdprt::describeRun(const RunOptions &options,
                                              const Manifest &manifest,
                                              const TokenData &data) {
  Expected<uint64_t> sum = data.sum();
  if (!sum.ok())
    return sum.status();
  CheckpointIndex run = describeProgram(manifest);
  run.seed = options.seed;
  run.firstRow = options.skipRows;
  run.schedule = scheduleOf(options);
  run.data = {options.data,    data.numTokens(),    manifest.seq,
              options.shuffle, options.dataWeights, sumText(*sum)};
  return run;
}

Status fsdprt::checkResumed(const CheckpointReader &checkpoint,
                            const CheckpointIndex &run,
                            const RunOptions &options) {
  FSDPRT_RETURN_IF_ERROR(checkSameRun(checkpoint, run));
  int64_t step = checkpoint.index().counters.step;
  if (step <= options.steps)
    return Status();
  return failure("checkpoint '", checkpoint.folder(), "' is of step ", step,
                 ", beyond --steps ", options.steps,
                 ", which counts from the run's beginning");
}

Status fsdprt::checkEvaluated(const CheckpointReader &checkpoint,
                              const Manifest &manifest) {
  return checkSameStates(checkpoint, describeProgram(manifest));
}

std::string fsdprt::describeBeginning(const RunOptions &options,
                                      const Counters &counters) {
  const std::string &from = options.resumeFrom;
  if (from.empty())
    return "no checkpoint in '" + options.checkpointDir +
           "' yet: from the beginning";
  std::string step = "'" + from + "', step " + std::to_string(counters.step);
  return options.steps == 0
             ? "has what is in " + step
             : "goes on from " + step + ", row " +
                   std::to_string(counters.rows) + " of the data";
}

/// "cosine, --lr 0.001, --min-lr 0, --warmup 10".
static std::string describeSchedule(const CheckpointSchedule &schedule) {
  std::ostringstream text;
  text << schedule.name << ", --lr " << schedule.lr << ", --min-lr "
       << schedule.minLr << ", --warmup " << schedule.warmup;
  return text.str();
}

std::string fsdprt::describeOtherSchedule(const CheckpointSchedule &before,
                                          const RunOptions &options) {
  std::string own = describeSchedule(scheduleOf(options));
  std::string other = describeSchedule(before);
  return own == other
             ? ""
             : "the schedule is " + own + "; the checkpoint's was " + other;
}

Status fsdprt::checkNothingLater(const RunOptions &options, int64_t firstStep) {
  const std::string &folder = options.checkpointDir;
  Expected<std::vector<int64_t>> steps = listStepFolders(folder);
  Expected<std::vector<int64_t>> whole = listCheckpoints(folder);
  for (const Status &status : {steps.status(), whole.status()})
    if (!status.ok())
      return failure("--checkpoint-dir: ", status.message());
  if (steps->empty() || steps->back() <= firstStep)
    return Status();
  if (!std::binary_search(whole->begin(), whole->end(), steps->back()))
    return failure("--checkpoint-dir: '", stepFolder(folder, steps->back()),
                   "' is no checkpoint, having no ", kIndexName,
                   ", and has the name of one of this run: move it away");
  return failure("--checkpoint-dir: '", folder, "' has a checkpoint of step ",
                 steps->back(), ", and this run begins with step ",
                 firstStep + 1,
                 "; nothing is overwritten: give --resume latest, or another "
                 "folder");
}

static Status checkFolder(const RunOptions &options, int64_t firstStep) {
  if (options.checkpointDir.empty())
    return Status();
  // Let go again: who trains takes it.
  Expected<FolderLock> lock = FolderLock::take(options.checkpointDir);
  return lock.ok() ? checkNothingLater(options, firstStep)
                   : failure("--checkpoint-dir: ", lock.status().message());
}

Status fsdprt::checkCheckpoints(const RunOptions &options,
                                const Manifest &manifest,
                                const TokenData &data) {
  if (options.resumeFrom.empty())
    return checkFolder(options, 0);
  Expected<CheckpointReader> opened =
      CheckpointReader::open(options.resumeFrom);
  if (!opened.ok())
    return failure("--resume: ", damaged(options, opened.status()).message());
  FSDPRT_RETURN_IF_ERROR(checkFolder(options, opened->index().counters.step));
  Expected<CheckpointIndex> run = describeRun(options, manifest, data);
  return run.ok() ? checkResumed(*opened, *run, options) : run.status();
}

Status fsdprt::checkCheckpoint(const RunOptions &options,
                               const Manifest &manifest) {
  Expected<CheckpointReader> opened =
      CheckpointReader::open(options.resumeFrom);
  return opened.ok() ? checkEvaluated(*opened, manifest)
                     : failure("--resume: ", opened.status().message());
}

Status fsdprt::verifyCheckpoint(const CheckpointReader &checkpoint,
                                fsdprt_context &context) {
  Control &control = context.device->control();
  auto steps = control.gatherValues(checkpoint.index().counters.step);
  if (!steps.ok())
    return steps.status();
  for (size_t rank = 0; rank < steps->size(); ++rank)
    if ((*steps)[rank] != (*steps)[0])
      return failure("rank ", rank, " goes on from step ", (*steps)[rank],
                     ", rank 0 from step ", (*steps)[0],
                     ": give the checkpoint's folder to --resume");
  const std::vector<CheckpointFile> &files = checkpoint.index().files;
  Status mine;
  for (size_t i = size_t(context.rank()); i < files.size() && mine.ok();
       i += size_t(context.world()))
    mine = checkpoint.checkSum(files[i],
                               [&context] { markProgress(context.slot); });
  // Who has found it says it; the others wait for that.
  Expected<std::string> problem = control.firstFailure(mine);
  if (!problem.ok())
    return problem.status();
  return problem->empty() ? Status() : mine.ok() ? failure(*problem) : mine;
}

Status fsdprt::resumeStates(const CheckpointReader &checkpoint,
                            fsdprt_context &context) {
  return loadStates(checkpoint, context.manifest, context.rank(),
                    [&context](int32_t arena, int64_t offset, int64_t count,
                               const void *from) {
                      markProgress(context.slot);
                      return context.device->upload(
                          {context.arenas[size_t(arena)].begin + offset, count},
                          from);
                    });
}
