//===- Closing.h - The end of a run -----------------------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_CLOSING_H
#define FSDPRT_TRAINER_CLOSING_H

#include "trainer/Heartbeat.h"
#include "trainer/LoadedProgram.h"
#include "trainer/Metrics.h"

namespace fsdprt {

/// What a rank writes and tells when its steps are done.
class Closing {
public:
  /// What of the steps is told.
  struct Told {
    const StepsSummary &steps;
    int64_t lostMetrics;    // lines that could not be written
    int64_t residentBefore; // bytes, when the program was not loaded yet
    bool isSaved;           // --save and --save-ema are written
  };

  /// What the arguments refer to outlives it.
  Closing(const RunOptions &options, const Manifest &manifest,
          const RankSetup &setup, LoadedProgram &program, Heartbeat *heartbeat);

  /// --save and --save-ema, by all ranks: they are there when this returns.
  Status save();
  bool isToSave() const {
    return !options.save.empty() || !options.saveEma.empty();
  }
  /// What is told of the run, when its parameters are safe: all that can be
  /// told, and the first thing that could not.
  Status report();
  /// The last lines; returns when all ranks have come here.
  Status summarise(const Told &told);

private:
  Status write(const std::string &path);
  Status writeRecords();
  bool isFirst() const { return rank == 0; }

  const RunOptions &options;
  const Manifest &manifest;
  const RankSetup &setup;
  const int rank, world;
  FlightSlot *slot;
  LoadedProgram &program;
  fsdprt_context *context;
  Heartbeat *heartbeat;
  bool planMatches = true;
};

} // namespace fsdprt

#endif // FSDPRT_TRAINER_CLOSING_H
