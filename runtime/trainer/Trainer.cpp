//===- Trainer.cpp - What one rank does -----------------------------------===//

#include "trainer/Trainer.h"

#include "abi/Context.h"
#include "core/PlanCheck.h"
#include "io/Safetensors.h"
#include "io/TokenData.h"
#include "trainer/Metrics.h"
#include "trainer/OutputFiles.h"
#include "trainer/Program.h"
#include "trainer/Resident.h"
#include "trainer/SameProgram.h"
#include "trainer/TraceFile.h"

#include <chrono>
#include <cmath>
#include <optional>
#include <thread>
#include <unistd.h>

using namespace fsdprt;

static Expected<ParameterLoader> openLoader(const RunOptions &options,
                                            const Manifest &manifest, int rank,
                                            std::function<void()> onProgress) {
  ParameterLoader::Options loaderOptions;
  loaderOptions.seed = options.seed;
  loaderOptions.weights = options.weights;
  loaderOptions.rank = rank;
  loaderOptions.onProgress = std::move(onProgress);
  return ParameterLoader::create(manifest, loaderOptions);
}

static Expected<TokenData> openData(const RunOptions &options,
                                    const Manifest &manifest, int rank) {
  return TokenData::open(
      manifest, {options.data, options.tokenizer, options.labels, options.seed,
                 options.shuffle, rank, int(manifest.worldSize())});
}

Status fsdprt::checkInput(const RunOptions &options, const Manifest &manifest) {
  FSDPRT_RETURN_IF_ERROR(checkOutputFiles(options, manifest));
  FSDPRT_RETURN_IF_ERROR(checkTarget(manifest));
  FSDPRT_RETURN_IF_ERROR(checkImports(manifest.folder + "/program.so"));
  FSDPRT_RETURN_IF_ERROR(openLoader(options, manifest, 0, nullptr).status());
  if (options.steps > 0)
    FSDPRT_RETURN_IF_ERROR(openData(options, manifest, 0).status());
  if (!options.save.empty())
    FSDPRT_RETURN_IF_ERROR(
        CheckpointSaver::check(manifest, options.save, options.stripPrefix));
  if (!options.trace.empty())
    FSDPRT_RETURN_IF_ERROR(checkOutput(options.trace, 0));
  return Status();
}

namespace {

class Trainer {
public:
  Trainer(const RunOptions &options, const Manifest &manifest,
          const RankSetup &setup)
      : options(options), manifest(manifest), setup(setup),
        rank(setup.communicator->rank()), world(setup.communicator->size()),
        slot(setup.flight->slotOfRank(rank)) {}

  Status run();

private:
  Status openFiles();
  Status loadProgram();
  Status runPhases(const char *when, int64_t step);
  Status train();
  Status runStep(int64_t step, Progress &progress);
  Status checkResults(const StepMetrics &metrics);
  Status save();
  Status checkRecords();
  Status summarise();
  bool isFirst() const { return rank == 0; }

  const RunOptions &options;
  const Manifest &manifest;
  const RankSetup &setup;
  const int rank, world;
  FlightSlot *slot;

  std::optional<ParameterLoader> loader;
  std::optional<TokenData> data;
  std::optional<MetricsFile> metricsFile;
  std::unique_ptr<Program> program;
  std::unique_ptr<fsdprt_context> context;
  std::vector<StepMetrics> history;
  int64_t residentBefore = 0;
};

} // namespace

Status Trainer::openFiles() {
  auto opened = openLoader(options, manifest, rank,
                           [slot = slot] { markProgress(slot); });
  if (!opened.ok())
    return opened.status();
  loader = std::move(*opened);
  if (options.steps > 0) {
    auto tokens = openData(options, manifest, rank);
    if (!tokens.ok())
      return tokens.status();
    data = std::move(*tokens);
  }
  if (!isFirst())
    return Status();
  if (!options.save.empty())
    FSDPRT_RETURN_IF_ERROR(
        CheckpointSaver::check(manifest, options.save, options.stripPrefix));
  if (!options.metrics.empty()) {
    auto file = MetricsFile::create(options.metrics);
    if (!file.ok())
      return file.status();
    metricsFile.emplace(std::move(*file));
  }
  return Status();
}

Status Trainer::loadProgram() {
  if (!setup.sharedProcess || isFirst())
    resetResidentHighWater();
  residentBefore = residentHighWater();
  auto loaded = Program::load(manifest);
  if (!loaded.ok())
    return loaded.status();
  program = std::move(*loaded);
  int cores = int(std::thread::hardware_concurrency());
  fsdprt_context::Options contextOptions;
  contextOptions.threads = options.threads
                               ? options.threads
                               : std::max(1, cores / setup.ranksOnHost);
  contextOptions.checked = options.checked;
  contextOptions.timeoutSeconds = options.timeoutSeconds;
  contextOptions.traceFirst = options.traceFirst;
  contextOptions.traceEnd = options.traceEnd;
  contextOptions.commDelaySeconds = options.commDelayMilliseconds / 1000;
  auto created = fsdprt_context::create(manifest, *setup.communicator,
                                        setup.flight, contextOptions);
  if (!created.ok())
    return created.status();
  context = std::move(*created);
  context->loader = &*loader;
  if (!setup.sharedProcess && world > 1) // threads have loaded one
    FSDPRT_RETURN_IF_ERROR(checkSameProgram(
        *context->streams, *setup.communicator, setup.flight, options.program));
  return program->prepare(*context);
}

Status Trainer::runPhases(const char *when, int64_t step) {
  for (const PhaseSpec &phase : manifest.phases)
    if (phase.runs == when) {
      context->writeScalar("rank", rank);
      FSDPRT_RETURN_IF_ERROR(program->run(*context, phase, step));
    }
  return Status();
}

/// All ranks see the same loss, so all stop at the same step.
Status Trainer::checkResults(const StepMetrics &metrics) {
  bool hasCount = manifest.results.count("valid_tokens");
  if (hasCount && context->readResult("valid_tokens") == 0)
    return failure("step ", metrics.step + 1,
                   ": no rank has a label that is not ignored");
  if (manifest.results.count("loss") && !std::isfinite(metrics.loss))
    return failure("step ", metrics.step + 1, ": the loss is not finite (",
                   std::isnan(metrics.loss) ? "nan" : "infinite", ")");
  if (manifest.results.count("grad_norm") && !std::isfinite(metrics.gradNorm))
    return failure("step ", metrics.step + 1,
                   ": the gradient norm is not finite (",
                   std::isnan(metrics.gradNorm) ? "nan" : "infinite",
                   "), the loss is ", metrics.loss);
  return Status();
}

Status Trainer::runStep(int64_t step, Progress &progress) {
  auto start = std::chrono::steady_clock::now();
  for (const InputSpec &input : manifest.inputs)
    FSDPRT_RETURN_IF_ERROR(
        data->fill(input, step, context->hostAccess(input.place)));
  StepMetrics metrics;
  metrics.step = step;
  metrics.learningRate = learningRateAt(options, step);
  context->writeScalar("lr", metrics.learningRate);
  context->writeScalar("step", double(step + 1));
  context->gatheredBytes = context->reducedBytes = 0;
  context->localCopyBytes = 0;
  context->streams->takeBlockedSeconds();
  FSDPRT_RETURN_IF_ERROR(runPhases("step", step));
  metrics.loss = context->readResult("loss");
  metrics.gradNorm = context->readResult("grad_norm");
  FSDPRT_RETURN_IF_ERROR(checkResults(metrics));
  std::chrono::duration<double> seconds =
      std::chrono::steady_clock::now() - start;
  metrics.milliseconds = seconds.count() * 1000;
  metrics.tokensPerSecond =
      double(manifest.batch * manifest.seq * world) / seconds.count();
  metrics.plannedPeakBytes = manifest.plannedPeakBytes;
  metrics.measuredPeakBytes = context->recorder.peakBytes();
  metrics.exposedMilliseconds = context->streams->takeBlockedSeconds() * 1000;
  metrics.gatheredBytes = context->gatheredBytes;
  metrics.reducedBytes = context->reducedBytes;
  metrics.localCopyBytes = context->localCopyBytes;
  history.push_back(metrics);
  if (metricsFile)
    FSDPRT_RETURN_IF_ERROR(metricsFile->write(metrics));
  if (isFirst())
    progress.show(metrics);
  return Status();
}

Status Trainer::train() {
  Progress progress(options.steps, setup.terminal);
  Status status;
  for (int64_t step = 0; step < options.steps && status.ok(); ++step)
    status = runStep(step, progress);
  progress.finish();
  return status;
}

Status Trainer::save() {
  if (options.save.empty())
    return Status();
  std::unique_ptr<CheckpointSaver> saver;
  if (isFirst()) {
    auto created =
        CheckpointSaver::create(manifest, options.save, options.stripPrefix);
    if (!created.ok())
      return created.status();
    saver = std::move(*created);
  }
  context->saver = saver.get();
  Status status = runPhases("save", -1);
  context->saver = nullptr;
  FSDPRT_RETURN_IF_ERROR(status);
  enterPhase(slot, "save", -1);
  if (saver)
    FSDPRT_RETURN_IF_ERROR(saver->finish());
  return Status();
}

Status Trainer::checkRecords() {
  if (!options.records.empty())
    FSDPRT_RETURN_IF_ERROR(writeRecords(
        context->recorder,
        options.records + (isFirst() ? "" : "." + std::to_string(rank))));
  if (options.checkPlan)
    if (Status status = checkPlan(manifest, context->recorder); !status.ok())
      return failure("the run does not match the memory plan: ",
                     status.message());
  return Status();
}

static void printSaved(const RunOptions &options, const Manifest &manifest) {
  std::string lacks;
  for (const std::string &name : manifest.dropped)
    lacks +=
        (lacks.empty() ? ", without what --drop-unused left out: '" : ", '") +
        name + "'";
  std::printf("saved %s%s\n", options.save.c_str(), lacks.c_str());
}

Status Trainer::summarise() {
  auto measured = context->streams->gatherValues(context->recorder.peakBytes());
  if (!measured.ok())
    return measured.status();
  auto growth =
      context->streams->gatherValues(residentHighWater() - residentBefore);
  if (!growth.ok())
    return growth.status();
  if (!isFirst())
    return Status();
  std::vector<RankPeak> peaks;
  for (int i = 0; i < world; ++i)
    peaks.push_back({(*measured)[i], (*growth)[i]});
  if (options.checkPlan)
    std::printf("records match the memory plan\n");
  printSummary(history, manifest.plannedPeakBytes, peaks, setup.sharedProcess);
  if (!options.save.empty())
    printSaved(options, manifest);
  return Status();
}

Status Trainer::run() {
  FSDPRT_RETURN_IF_ERROR(openFiles());
  FSDPRT_RETURN_IF_ERROR(loadProgram());
  FSDPRT_RETURN_IF_ERROR(runPhases("once", -1));
  FSDPRT_RETURN_IF_ERROR(train());
  if (context->trace)
    FSDPRT_RETURN_IF_ERROR(writeTrace(*context->trace, *context->streams, rank,
                                      manifest, options.trace));
  FSDPRT_RETURN_IF_ERROR(save());
  FSDPRT_RETURN_IF_ERROR(checkRecords());
  return summarise();
}

Status fsdprt::trainRank(const RunOptions &options, const Manifest &manifest,
                         const RankSetup &setup) {
  FlightSlot *slot = setup.flight->slotOfRank(setup.communicator->rank());
  if (slot) {
    slot->pid = ::getpid();
    enterPhase(slot, "start", -1);
    slot->state = FlightState::Running;
  }
  Status status = Trainer(options, manifest, setup).run();
  if (slot && status.ok())
    slot->state = FlightState::Finished;
  return status;
}
