//===- Closing.cpp - The end of a run -------------------------------------===//

#include "trainer/Closing.h"

#include "core/PlanCheck.h"
#include "io/OutputFile.h"
#include "trainer/Averages.h"
#include "trainer/Failure.h"
#include "trainer/OutputFiles.h"
#include "trainer/Resident.h"
#include "trainer/TraceFile.h"

#include <algorithm>
#include <cstdio>
#include <poll.h>
#include <unistd.h>

using namespace fsdprt;

Closing::Closing(const RunOptions &options, const Manifest &manifest,
                 const RankSetup &setup, LoadedProgram &program,
                 Heartbeat *heartbeat)
    : options(options), manifest(manifest), setup(setup),
      rank(setup.communicator->rank()), world(setup.communicator->size()),
      slot(setup.flight->slotOfRank(rank)), program(program),
      context(&program.context()), heartbeat(heartbeat) {}

Status Closing::save() {
  if (!options.save.empty())
    FSDPRT_RETURN_IF_ERROR(write(options.save));
  if (options.saveEma.empty())
    return Status();
  FSDPRT_RETURN_IF_ERROR(exchangeAverages(*context));
  FSDPRT_RETURN_IF_ERROR(write(options.saveEma));
  return exchangeAverages(*context);
}

Status Closing::write(const std::string &path) {
  std::unique_ptr<CheckpointSaver> saver;
  std::string saved = oneLine(path);
  if (path == options.saveEma && !options.save.empty())
    saved = oneLine(options.save) + " and " + saved;
  {
    Heartbeat::Beating beating(isFirst() ? heartbeat : nullptr);
    if (isFirst()) {
      auto created =
          CheckpointSaver::create(manifest, path, options.stripPrefix);
      if (!created.ok())
        return created.status();
      saver = std::move(*created);
    }
    context->saver = saver.get();
    Status status = program.runPhases(Runs::Save, -1);
    context->saver = nullptr;
    FSDPRT_RETURN_IF_ERROR(status);
    enterPhase(slot, "save", -1);
    if (saver)
      FSDPRT_RETURN_IF_ERROR(saver->finish());
    if (saver)
      setup.flight->noteSaved(saved);
  }
  // From here on all ranks know it, on other hosts too.
  FSDPRT_RETURN_IF_ERROR(context->device->control().gatherValues(0).status());
  setup.flight->noteSaved(saved);
  return Status();
}

Status Closing::writeRecords() {
  Heartbeat::Beating beating(heartbeat);
  std::string path = recordsOf(options.records, rank);
  Expected<std::unique_ptr<OutputFile>> file = OutputFile::create(path);
  Status status = file.status();
  if (status.ok())
    status = (*file)->append(recordsAsJson(context->recorder));
  if (status.ok())
    status = (*file)->finish();
  return status.ok() ? status
                     : failure("cannot write records to '", path,
                               "': ", status.message());
}

Status Closing::report() {
  Status first;
  auto keep = [&first](Status status) {
    if (first.ok())
      first = std::move(status);
  };
  if (context->trace) {
    // Others wait for the first one only; were they to beat too, none of them
    // would see that one of them is stuck.
    Heartbeat::Beating beating(isFirst() ? heartbeat : nullptr);
    keep(writeTrace(*context->trace, context->device->control(), rank, manifest,
                    options.trace));
  }
  if (!options.records.empty())
    keep(writeRecords());
  if (options.checkPlan)
    if (Status status = checkPlan(manifest, context->recorder); !status.ok()) {
      planMatches = false;
      keep(failure("the run does not match the memory plan: ",
                   status.message()));
    }
  return first;
}

static void printSaved(const std::string &path, const Manifest &manifest) {
  std::string lacks;
  for (const std::string &name : manifest.dropped)
    lacks +=
        (lacks.empty() ? ", without what --drop-unused left out: '" : ", '") +
        name + "'";
  std::printf("saved %s%s\n", path.c_str(), lacks.c_str());
}

/// A reader that has left has seen what it wanted.
static void checkPrinted() {
  std::fflush(stdout);
  pollfd output = {STDOUT_FILENO, 0, 0};
  bool hasLeft = ::poll(&output, 1, 0) == 1 && (output.revents & POLLERR);
  if (std::ferror(stdout) && !hasLeft)
    reportWarning("not all could be written to standard output");
}

Status Closing::summarise(const Told &told) {
  auto matching = context->device->control().gatherValues(planMatches);
  if (!matching.ok())
    return matching.status();
  auto measured =
      context->device->control().gatherValues(context->recorder.peakBytes());
  if (!measured.ok())
    return measured.status();
  auto growth = context->device->control().gatherValues(residentHighWater() -
                                                        told.residentBefore);
  if (!growth.ok())
    return growth.status();
  std::vector<RankPeak> peaks;
  for (int i = 0; i < world; ++i)
    peaks.push_back({(*measured)[i], (*growth)[i]});
  if (isFirst()) {
    if (options.checkPlan &&
        !std::count(matching->begin(), matching->end(), false))
      std::printf("records match the memory plan\n");
    printSummary(told.steps, manifest.plannedPeakBytes, peaks,
                 setup.sharedProcess);
    if (told.lostMetrics)
      std::printf("metrics: %lld of %lld steps could not be written to %s\n",
                  (long long)told.lostMetrics, (long long)told.steps.steps(),
                  options.metrics.c_str());
    for (const std::string &path : {options.save, options.saveEma})
      if (!path.empty() && told.isSaved)
        printSaved(path, manifest);
    checkPrinted();
  }
  // A rank that fails ends the others: not before all is told.
  return context->device->control().gatherValues(0).status();
}
