//===- Checkpoints.cpp - The checkpoints of a run -------------------------===//

#include "trainer/Checkpoints.h"

#include "checkpoint/NewFile.h"
#include "trainer/CheckpointSignals.h"
#include "trainer/Failure.h"
#include "trainer/Resume.h"
#include "trainer/SameProgram.h"
#include "trainer/SharedFolder.h"

#include <algorithm>
#include <chrono>

using namespace fsdprt;

namespace {
/// Adds the milliseconds of its life.
class Waiting {
public:
  explicit Waiting(double &sum) : sum(sum) {}
  ~Waiting() {
    std::chrono::duration<double, std::milli> passed = Clock::now() - start;
    sum += passed.count();
  }

private:
  using Clock = std::chrono::steady_clock;
  double &sum;
  const Clock::time_point start = Clock::now();
};
} // namespace

Checkpoints::Checkpoints(const RunOptions &options, const Manifest &manifest,
                         const RankSetup &setup, Heartbeat *heartbeat)
    : options(options), manifest(manifest), setup(setup),
      rank(setup.communicator->rank()), heartbeat(heartbeat) {}

void Checkpoints::warn(const std::string &message) {
  if (rank == 0)
    reportWarning(message);
}

//===----------------------------------------------------------------------===//
// Before the training
//===----------------------------------------------------------------------===//

Status Checkpoints::open(int64_t firstStep) {
  listenForCheckpoints(*setup.flight);
  if (rank != 0)
    return Status();
  Heartbeat::Beating beating(heartbeat);
  Expected<FolderLock> taken = FolderLock::take(options.checkpointDir);
  if (!taken.ok())
    return failure("--checkpoint-dir: ", taken.status().message());
  lock.emplace(std::move(*taken));
  FSDPRT_RETURN_IF_ERROR(checkNothingLater(options, firstStep));
  if (Status removed = removePartials(options.checkpointDir); !removed.ok())
    return failure("--checkpoint-dir: ", removed.message());
  auto steps = listCheckpoints(options.checkpointDir);
  if (steps.ok() && !steps->empty())
    noteNewest(steps->back());
  return Status();
}

/// For whatever is said when the run ends.
void Checkpoints::noteNewest(int64_t step) {
  newest = step;
  setup.flight->noteCheckpoint(oneLine(options.checkpointDir), step);
}

Status Checkpoints::start(fsdprt_context &of, CheckpointIndex described) {
  context = &of;
  run = std::move(described);
  FSDPRT_RETURN_IF_ERROR(checkSharedFolder(
      context->device->control(), rank, setup.flight, options.checkpointDir));
  auto read = [this](int32_t arena, int64_t offset, int64_t count, void *to) {
    return context->device->download(
        {context->arenas[size_t(arena)].begin + offset, count}, to);
  };
  FlightSlot *slot = context->slot;
  writer = std::make_unique<FileWriter>(rank, partsOfRank(manifest, rank), read,
                                        [slot] { markProgress(slot); });
  context->gate = this;
  setup.flight->header()->takesRequests = 1;
  return Status();
}

//===----------------------------------------------------------------------===//
// Among the ranks
//===----------------------------------------------------------------------===//

Expected<Checkpoints::Votes> Checkpoints::vote() {
  Vote mine;
  mine.asked = setup.flight->header()->asked;
  mine.writer = writer->state();
  if (mine.writer == FileWriter::State::Done)
    mine.file = writer->file();
  return context->device->control().gather(mine);
}

bool Checkpoints::isBusy(const Votes &votes) const {
  return std::any_of(votes.begin(), votes.end(), [](const Vote &vote) {
    return vote.writer == FileWriter::State::Busy;
  });
}

/// Whether a stage has gone well on all ranks, or else has been warned of: of
/// the run's last checkpoint more is to be said.
Status Checkpoints::settle(const Status &mine, const char *what) {
  Expected<std::string> problem = context->device->control().firstFailure(mine);
  if (!problem.ok())
    return problem.status();
  lastFailed = !problem->empty();
  if (!lastFailed)
    return Status();
  std::string said = std::string(what) + " (" + *problem + ")";
  if (isFinal)
    lastProblem = said;
  else
    warn("the checkpoint of step " + std::to_string(run.counters.step) + " " +
         said +
         (isOver ? "" : "; training goes on, and the next one is tried"));
  return Status();
}

/// Rank 0 makes the folder; when all know that it is there, they write.
Status Checkpoints::begin(const Counters &counters) {
  run.counters = counters;
  lastProblem.clear();
  Status made;
  if (rank == 0) {
    Heartbeat::Beating beating(heartbeat);
    made = makePartial(options.checkpointDir, counters.step);
  }
  FSDPRT_RETURN_IF_ERROR(settle(made, "is not taken"));
  if (lastFailed)
    return Status();
  isPending = true;
  begunAt = counters.step;
  std::string folder = partialFolder(options.checkpointDir, counters.step);
  if (context->device->downloadsBeside()) {
    writer->start(folder, counters.step);
    return Status();
  }
  Waiting waiting(waited);
  Heartbeat::Beating beating(heartbeat);
  writer->writeNow(folder, counters.step);
  return Status();
}

/// Rank 0: the index is the last file, and the name comes after it.
Status Checkpoints::commit(const Votes &votes) {
  run.files.clear();
  for (size_t i = 0; i < votes.size(); ++i)
    run.files.push_back({rankFileName(int(i)), votes[i].file.bytes,
                         sumText(votes[i].file.sum)});
  const std::string &folder = options.checkpointDir;
  auto file = NewFile::create(partialFolder(folder, run.counters.step) + "/" +
                              kIndexName);
  if (!file.ok())
    return file.status();
  std::string text = writeIndex(run);
  FSDPRT_RETURN_IF_ERROR((*file)->append(text.data(), int64_t(text.size())));
  FSDPRT_RETURN_IF_ERROR((*file)->finish());
  return completePartial(folder, run.counters.step);
}

/// All ranks have ended their files, well or not.
Status Checkpoints::complete(const Votes &votes) {
  isPending = false;
  FSDPRT_RETURN_IF_ERROR(settle(writer->status(), "failed"));
  // The others wait for this one; what they wait for is a disk.
  Heartbeat::Beating beating(rank == 0 ? heartbeat : nullptr);
  if (!lastFailed)
    FSDPRT_RETURN_IF_ERROR(
        settle(rank == 0 ? commit(votes) : Status(), "failed"));
  if (!lastFailed)
    noteNewest(run.counters.step);
  if (rank == 0)
    tidy();
  return Status();
}

/// Rank 0, after a checkpoint is complete or has failed.
void Checkpoints::tidy() {
  const std::string &folder = options.checkpointDir;
  int64_t step = run.counters.step;
  if (lastFailed) {
    if (Status removed = removePartial(folder, step); !removed.ok())
      warn(removed.message());
    return;
  }
  if (Status synced = syncFolder(folder); !synced.ok())
    warn("the checkpoint of step " + std::to_string(step) +
         " is complete, but may not outlast a power failure (" +
         synced.message() + ")");
  else if (options.keep > 0)
    removeOlder();
}

/// What is not this run's is no matter of --keep.
void Checkpoints::removeOlder() {
  const std::string &folder = options.checkpointDir;
  Expected<int64_t> others = removeOldest(folder, options.keep, run.run);
  if (!others.ok())
    warn(others.status().message());
  else if (*others > 0 && !std::exchange(toldOfOthers, true))
    warn("--keep " + std::to_string(options.keep) + " leaves " +
         std::to_string(*others) +
         (*others == 1 ? " checkpoint" : " checkpoints") +
         " of other runs in '" + folder + "'");
}

Status Checkpoints::waitAndComplete() {
  Waiting waiting(waited);
  {
    Heartbeat::Beating beating(heartbeat);
    writer->wait();
  }
  Expected<Votes> votes = vote();
  return votes.ok() ? complete(*votes) : votes.status();
}

//===----------------------------------------------------------------------===//
// While training
//===----------------------------------------------------------------------===//

Status Checkpoints::afterStep(const Counters &counters, bool isLast) {
  Expected<Votes> votes = vote();
  if (!votes.ok())
    return votes.status();
  const bool isBegun = begunAt == counters.step;
  if (isPending && !isBegun && !isBusy(*votes))
    FSDPRT_RETURN_IF_ERROR(complete(*votes));
  int32_t asked = 0;
  for (const Vote &vote : *votes)
    asked |= vote.asked;
  bool isDue =
      asked || isLast ||
      (options.checkpointEvery && counters.step % options.checkpointEvery == 0);
  if (!isDue)
    return Status();
  setup.flight->header()->asked &= ~FlightRequest::Save;
  if (isPending && !isBegun)
    FSDPRT_RETURN_IF_ERROR(waitAndComplete());
  bool isToldToEnd = asked & FlightRequest::End;
  ends = isToldToEnd && !isLast;
  isFinal = isLast || isToldToEnd;
  // What a device has not written beside the training is written by now.
  waits = options.checkpointWait || isToldToEnd ||
          !context->device->downloadsBeside();
  return isBegun ? Status() : begin(counters);
}

Expected<bool> Checkpoints::isAskedToEnd() {
  auto asked = context->device->control().gatherValues(
      setup.flight->header()->asked & FlightRequest::End);
  if (!asked.ok())
    return asked.status();
  return std::any_of(asked->begin(), asked->end(),
                     [](int64_t value) { return value != 0; });
}

Status Checkpoints::afterMetrics() {
  return isPending && waits ? waitAndComplete() : Status();
}

void Checkpoints::waitFor(int64_t bytes) {
  if (!isPending || !writer->needs(bytes))
    return;
  Waiting waiting(waited);
  Heartbeat::Beating beating(heartbeat);
  writer->waitFor(bytes);
}

Status Checkpoints::finish() {
  setup.flight->header()->takesRequests = 0;
  isOver = true;
  return isPending ? waitAndComplete() : Status();
}

Status Checkpoints::checkLast() {
  if (!isLastLost())
    return Status();
  std::string none = ": no checkpoint is in '" + options.checkpointDir + "'";
  return failIfAnyDiffers(context->device->control(), rank, setup.flight,
                          "the last checkpoint, of step " +
                              std::to_string(run.counters.step) + ", " +
                              lastProblem + (newest < 0 ? none : ""));
}
