//===- Trainer.cpp - What one rank does -----------------------------------===//

#include "trainer/Trainer.h"

#include "core/Exceptions.h"
#include "core/UniqueName.h"
#include "trainer/Budget.h"
#include "trainer/Checkpoints.h"
#include "trainer/Closing.h"
#include "trainer/Evaluation.h"
#include "trainer/Failure.h"
#include "trainer/Heartbeat.h"
#include "trainer/Input.h"
#include "trainer/LoadedProgram.h"
#include "trainer/MakeDevice.h"
#include "trainer/MetricsFile.h"
#include "trainer/PeakSpeed.h"
#include "trainer/Resident.h"
#include "trainer/Resume.h"
#include "trainer/Schedule.h"
#include "trainer/SelfTest.h"
#include "trainer/StepResults.h"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <optional>

using namespace fsdprt;

namespace {

class Trainer {
public:
  Trainer(const RunOptions &options, const Manifest &manifest,
          const RankSetup &setup)
      : options(options), manifest(manifest), setup(setup),
        rank(setup.communicator->rank()), world(setup.communicator->size()),
        slot(setup.flight->slotOfRank(rank)), budget(options, manifest),
        program(options, manifest, setup) {
    counters.rows = options.skipRows;
  }

  Status run();

private:
  Status openFiles();
  Status openCheckpoints();
  Status loadProgram();
  Status initialise();
  void findPeak();
  Status train();
  Status runStep(int64_t step, StepMetrics &metrics);
  Status endStep(StepMetrics &metrics, bool isLast, Progress &progress);
  Status stop(const Status &reason);
  Status stopAtRows(const Status &reason);
  Status evaluate(std::optional<EvaluationResult> &result, bool isLast);
  void writeMetrics(const StepMetrics &metrics);
  Status findSpent(std::string &spent);
  /// Null for a run that begins.
  const CheckpointReader *resumedFrom() const {
    return options.resumeFrom.empty() ? nullptr
                                      : program.parameters().checkpoint();
  }
  bool isFirst() const { return rank == 0; }
  bool isPreempted() const { return checkpoints && checkpoints->isToEnd(); }

  const RunOptions &options;
  const Manifest &manifest;
  const RankSetup &setup;
  const int rank, world;
  FlightSlot *slot;

  Budget budget;
  LoadedProgram program;
  fsdprt_context *context = nullptr; // the program's
  std::optional<TokenData> data;
  std::optional<Evaluation> evaluation;
  bool isEvaluationLeft = false;            // of the last step; told to end
  Counters counters;                        // of all steps, also of runs before
  std::optional<CheckpointIndex> described; // the run, for checkpoints
  std::unique_ptr<Checkpoints> checkpoints; // null: none are taken
  std::optional<MetricsFile> metricsFile;
  std::unique_ptr<Heartbeat> heartbeat; // where there is a disk to wait for
  std::optional<PeakSpeed> peak;        // of the device, where it is known
  StepsSummary summary;
  int64_t lostMetrics = 0; // lines that could not be written
  int64_t residentBefore = 0;
};

} // namespace

Status Trainer::openFiles() {
  if (!options.save.empty() || !options.saveEma.empty() ||
      !options.records.empty() || !options.trace.empty() ||
      !options.checkpointDir.empty())
    heartbeat = std::make_unique<Heartbeat>(slot);
  FSDPRT_RETURN_IF_ERROR(program.openParameters());
  if (options.steps > 0) {
    auto tokens = openData(options, manifest, rank);
    if (!tokens.ok())
      return tokens.status();
    data = std::move(*tokens);
    FSDPRT_RETURN_IF_ERROR(openCheckpoints());
  } else if (const CheckpointReader *evaluated = resumedFrom()) {
    FSDPRT_RETURN_IF_ERROR(checkEvaluated(*evaluated, manifest));
    counters = evaluated->index().counters;
  }
  if (!options.evalData.empty()) {
    auto opened = Evaluation::open(options, manifest, rank);
    if (!opened.ok())
      return opened.status();
    evaluation = std::move(*opened);
    if (isFirst() && !evaluation->hint().empty())
      reportWarning(evaluation->hint());
  }
  if (std::string hint = isFirst() && data ? data->hint() : ""; !hint.empty())
    reportWarning(hint);
  return Status();
}

/// What a run goes on from, and where it leaves its own.
Status Trainer::openCheckpoints() {
  const CheckpointReader *resumed = resumedFrom();
  if (!resumed && options.checkpointDir.empty())
    return Status();
  Expected<CheckpointIndex> run = describeRun(options, manifest, *data);
  if (!run.ok())
    return run.status();
  described = std::move(*run);
  if (resumed) {
    FSDPRT_RETURN_IF_ERROR(checkResumed(*resumed, *described, options));
    counters = resumed->index().counters;
  }
  if (options.checkpointDir.empty())
    return Status();
  described->run = resumed ? resumed->index().run : uniqueSuffix();
  checkpoints =
      std::make_unique<Checkpoints>(options, manifest, setup, heartbeat.get());
  return checkpoints->open(counters.step);
}

Status Trainer::loadProgram() {
  if (!setup.sharedProcess || isFirst())
    resetResidentHighWater();
  residentBefore = residentHighWater();
  fsdprt_context::Options asked = program.contextOptions();
  asked.traceFirst = options.traceFirst;
  asked.traceEnd = options.traceEnd;
  FSDPRT_RETURN_IF_ERROR(
      program.load(asked, deviceOf(options, manifest, setup)));
  context = &program.context();
  return Status();
}

/// Parameters and states, of the program or of a checkpoint.
Status Trainer::initialise() {
  const CheckpointReader *resumed = resumedFrom();
  const CheckpointReader *read = program.parameters().checkpoint();
  if (read)
    if (Status status = verifyCheckpoint(*read, *context); !status.ok())
      return damaged(options, status);
  FSDPRT_RETURN_IF_ERROR(program.runPhases(Runs::Once, -1));
  if (resumed)
    FSDPRT_RETURN_IF_ERROR(resumeStates(*resumed, *context));
  if (isFirst() && !options.resume.empty())
    std::printf("%s\n", describeBeginning(options, counters).c_str());
  if (resumed && isFirst() && counters.step < options.steps)
    if (std::string other =
            describeOtherSchedule(resumed->index().schedule, options);
        !other.empty())
      std::printf("%s\n", other.c_str());
  return checkpoints ? checkpoints->start(*context, std::move(*described))
                     : Status();
}

void Trainer::findPeak() {
  std::string chip = context->device->chip();
  peak = options.peakTeraflops > 0
             ? PeakSpeed::ofTeraflops(options.peakTeraflops)
             : PeakSpeed::ofChip(chip);
  if (!peak && !chip.empty() && isFirst() && options.steps > 0)
    std::printf("mfu is not told: the peak speed of '%s' is not known; give it "
                "with --peak-tflops\n",
                chip.c_str());
}

/// Of what all ranks have found. The checkpoint that is being written is of
/// before it.
Status Trainer::stop(const Status &reason) {
  Status written = checkpoints ? checkpoints->finish() : Status();
  return written.ok() ? reason
                      : failure(reason.message(),
                                "; the last checkpoint: ", written.message());
}

Status Trainer::stopAtRows(const Status &reason) {
  return stop(failure(reason.message(), "; it had rows ", counters.rows + 1,
                      " to ", counters.rows + rowsPerStep(options, manifest),
                      " of the data"));
}

Status Trainer::runStep(int64_t step, StepMetrics &metrics) {
  auto start = std::chrono::steady_clock::now();
  metrics.step = step;
  metrics.learningRate = learningRateAt(
      options, schedulePosition(options, manifest, step,
                                counters.rows - options.skipRows));
  context->counts = StepCounts();
  context->device->takeBlockedSeconds();
  context->device->takeWaitedSeconds();
  FSDPRT_RETURN_IF_ERROR(program.runMicrobatches(
      step, metrics.learningRate,
      [this](const InputSpec &input, int64_t number, void *to) {
        return data->fill(input, counters.rows + number * data->rowsPerBatch(),
                          to);
      }));
  FSDPRT_RETURN_IF_ERROR(program.runPhases(Runs::Update, step));
  double validTokens = 0;
  FSDPRT_RETURN_IF_ERROR(readResults(*context, metrics, validTokens));
  if (Status status = checkResults(manifest, metrics, validTokens);
      !status.ok())
    return stopAtRows(status);
  std::chrono::duration<double> seconds =
      std::chrono::steady_clock::now() - start;
  metrics.milliseconds = seconds.count() * 1000;
  metrics.tokensPerSecond =
      double(rowsPerStep(options, manifest) * manifest.seq) / seconds.count();
  metrics.plannedPeakBytes = manifest.plannedPeakBytes;
  metrics.measuredPeakBytes = context->recorder.peakBytes();
  metrics.exposedMilliseconds = context->device->takeBlockedSeconds() * 1000;
  if (std::optional<double> waited = context->device->takeWaitedSeconds())
    metrics.hostMilliseconds = metrics.milliseconds - *waited * 1000;
  if (peak)
    metrics.mfu = peak->secondsOf(context->counts.products) / seconds.count();
  metrics.gatheredBytes = context->counts.gathered;
  metrics.reducedBytes = context->counts.reduced;
  metrics.deviceMemory = context->device->memory();
  metrics.localCopyBytes = context->counts.copied;
  if (checkpoints)
    metrics.checkpointMilliseconds = checkpoints->takeWaitedMilliseconds();
  counters.step = step + 1;
  counters.rows += rowsPerStep(options, manifest);
  counters.epoch = int64_t(data->epochsOf(counters.rows));
  metrics.rows = counters.rows;
  metrics.epochs = data->epochsOf(counters.rows);
  return Status();
}

/// A checkpoint is begun before what takes long and trains nothing.
Status Trainer::endStep(StepMetrics &metrics, bool isLast, Progress &progress) {
  if (checkpoints)
    FSDPRT_RETURN_IF_ERROR(checkpoints->afterStep(counters, isLast));
  if (evaluation && !isPreempted() && evaluation->isDue(counters.step, isLast))
    FSDPRT_RETURN_IF_ERROR(evaluate(metrics.evaluation, isLast));
  summary.add(metrics);
  if (metricsFile)
    writeMetrics(metrics);
  if (isFirst())
    progress.show(metrics);
  return checkpoints ? checkpoints->afterMetrics() : Status();
}

/// What was asked for meanwhile does not wait for all of it.
Status Trainer::evaluate(std::optional<EvaluationResult> &result, bool isLast) {
  auto found = evaluation->run(program, counters.step - 1, [this] {
    return checkpoints ? checkpoints->isAskedToEnd() : Expected<bool>(false);
  });
  if (!found.ok())
    return found.status();
  result = *found;
  if (result && result->tokens == 0)
    return stop(failure("--eval-data has no label that is not ignored"));
  if (result)
    return Status();
  isEvaluationLeft = isLast;
  if (isFirst())
    std::printf("told to end: no validation after step %lld%s\n",
                (long long)counters.step,
                isLast ? "; --resume latest makes it" : "");
  // No checkpoint of a step is made twice.
  bool isSaved =
      resumedFrom() && resumedFrom()->index().counters.step == counters.step;
  return isSaved ? Status() : checkpoints->afterStep(counters, isLast);
}

/// A full disk costs the lines, not the training.
void Trainer::writeMetrics(const StepMetrics &metrics) {
  Status status = metricsFile->write(metrics);
  if (!status.ok() && lostMetrics++ == 0)
    reportWarning(status.message() + " (step " +
                  std::to_string(metrics.step + 1) +
                  "); training goes on without what cannot be written");
}

Status Trainer::findSpent(std::string &spent) {
  auto found = budget.whatIsSpent(context->device->control(),
                                  counters.rows - options.skipRows);
  if (found.ok())
    spent = *found;
  return found.status();
}

Status Trainer::train() {
  // Not before: what an earlier run has told is kept till this one trains.
  if (isFirst() && !options.metrics.empty()) {
    auto file = resumedFrom()
                    ? MetricsFile::append(options.metrics, counters.step)
                    : MetricsFile::create(options.metrics);
    if (!file.ok())
      return file.status();
    metricsFile.emplace(std::move(*file));
  }
  findPeak();
  Progress progress(options.steps, setup.terminal);
  Status status;
  bool isMade = counters.step >= options.steps; // all that is to be trained
  std::string spent;
  // What was spent before counts too.
  if (resumedFrom() && counters.step < options.steps)
    status = findSpent(spent);
  while (counters.step < options.steps && status.ok() && spent.empty() &&
         !isPreempted()) {
    StepMetrics metrics;
    status = runStep(counters.step, metrics);
    bool isLast = counters.step == options.steps;
    if (status.ok() && !isLast)
      status = findSpent(spent);
    if (status.ok())
      status = endStep(metrics, isLast || !spent.empty(), progress);
  }
  if (status.ok() && checkpoints)
    status = checkpoints->finish();
  progress.finish();
  if (status.ok() && evaluation && isMade) {
    std::optional<EvaluationResult> result;
    status = evaluate(result, /*isLast=*/true);
    if (result && isFirst())
      std::printf("validation: %s\n", describe(*result).c_str());
  }
  if (isFirst() && !spent.empty())
    std::printf("ended after step %lld: %s\n", (long long)counters.step,
                spent.c_str());
  return status;
}

Status Trainer::run() {
  FSDPRT_RETURN_IF_ERROR(openFiles());
  FSDPRT_RETURN_IF_ERROR(loadProgram());
  FSDPRT_RETURN_IF_ERROR(initialise());
  FSDPRT_RETURN_IF_ERROR(train());
  Closing closing(options, manifest, setup, program, heartbeat.get());
  bool isLost = checkpoints && checkpoints->isLastLost();
  if (isPreempted() && isFirst() && !isLost)
    std::printf("told to end after step %lld of %lld: --resume latest goes "
                "on%s\n",
                (long long)counters.step, (long long)options.steps,
                closing.isToSave() ? ", and saves at the end of the run" : "");
  else if (!isPreempted())
    FSDPRT_RETURN_IF_ERROR(closing.save());
  Status status = closing.report();
  Status told =
      closing.summarise({summary, lostMetrics, residentBefore, !isPreempted()});
  if (told.ok() && isLost)
    told = checkpoints->checkLast();
  setup.flight->header()->preempted =
      (isPreempted() || isEvaluationLeft) && !isLost;
  return status.ok() ? told : status;
}

void fsdprt::trainRank(const RunOptions &options, const Manifest &manifest,
                       const RankSetup &setup) {
  FlightSlot *slot = setup.flight->slotOfRank(setup.communicator->rank());
  comeUp(slot);
  Status status;
  Trainer trainer(options, manifest, setup);
  SelfTest selfTest(options, manifest, setup);
  try {
    status = options.selfTest ? selfTest.run() : trainer.run();
  } catch (...) {
    status = describeException();
  }
  if (!status.ok())
    setup.onFailure(status);
  if (slot)
    slot->state = FlightState::Finished;
}
