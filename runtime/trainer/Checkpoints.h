//===- Checkpoints.h - The checkpoints of a run -----------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_CHECKPOINTS_H
#define FSDPRT_TRAINER_CHECKPOINTS_H

#include "abi/Context.h"
#include "checkpoint/FileWriter.h"
#include "checkpoint/Folder.h"
#include "trainer/Heartbeat.h"
#include "trainer/Trainer.h"

namespace fsdprt {

/// When checkpoints are taken, as all ranks of a run agree on it. A rank writes
/// its file beside the training: what updates a line waits until that is read.
/// One that fails costs no more than a warning.
class Checkpoints : public SaveGate {
public:
  /// What the arguments refer to outlives it.
  Checkpoints(const RunOptions &options, const Manifest &manifest,
              const RankSetup &setup, Heartbeat *heartbeat);

  /// From here on signals ask for them. Rank 0: the folder is this run's,
  /// begins no later than `firstStep`, and has no remains of others.
  Status open(int64_t firstStep);
  /// All ranks: that they see one folder; makes the writer. `run` is what is
  /// written of it, but for counters and files.
  Status start(fsdprt_context &context, CheckpointIndex run);

  /// At the end of each step, by all ranks: completes the one before, begins
  /// one if it is due. `isLast`: of the run. Again, it sees what was asked for
  /// meanwhile.
  Status afterStep(const Counters &counters, bool isLast);
  /// When the step's metrics are written, which a run that goes on does not
  /// make again: completes what is to be waited for.
  Status afterMetrics();
  /// Whether a signal asks for the end of the run, by all ranks.
  Expected<bool> isAskedToEnd();
  /// Whether the run is to end for a signal; what to go on from is saved.
  bool isToEnd() const { return ends; }
  int64_t bytesBefore(int32_t arena, int64_t offset,
                      int64_t bytes) const override {
    return writer->bytesBefore(arena, offset, bytes);
  }
  void waitFor(int64_t bytes) override;
  /// When no step follows: waits for what is being written.
  Status finish();
  /// Whether the last one of the run has failed.
  bool isLastLost() const { return !lastProblem.empty(); }
  /// Fails if so, on all ranks, which has been said then.
  Status checkLast();

  /// Milliseconds that the rank has waited for saving, since the last call.
  double takeWaitedMilliseconds() { return std::exchange(waited, 0); }

private:
  /// What a rank tells the others at the end of a step.
  struct Vote {
    int32_t asked = 0; // FlightRequest
    FileWriter::State writer = FileWriter::State::Idle;
    WrittenFile file;
  };
  using Votes = std::vector<Vote>;

  Expected<Votes> vote();
  bool isBusy(const Votes &votes) const;
  Status begin(const Counters &counters);
  Status waitAndComplete();
  Status complete(const Votes &votes);
  Status commit(const Votes &votes);
  Status settle(const Status &mine, const char *what);
  void noteNewest(int64_t step);
  void tidy();
  void removeOlder();
  void warn(const std::string &message);

  const RunOptions &options;
  const Manifest &manifest;
  const RankSetup &setup;
  const int rank;
  std::optional<FolderLock> lock; // of rank 0
  fsdprt_context *context = nullptr;
  Heartbeat *const heartbeat;
  CheckpointIndex run;
  std::unique_ptr<FileWriter> writer;
  bool isPending = false; // the one of run.counters is being written
  int64_t begunAt = -1;   // the step of the last one that was begun
  bool waits = false;     // for it, before the next step
  bool isFinal = false;   // it is the run's last one
  bool isOver = false;    // no step follows
  bool lastFailed = false, ends = false;
  std::string lastProblem; // why the final one is not there
  int64_t newest = -1;     // complete, -1: none that the rank knows of
  bool toldOfOthers = false;
  double waited = 0; // milliseconds
};

} // namespace fsdprt

#endif // FSDPRT_TRAINER_CHECKPOINTS_H
