//===- Trainer.h - What one rank does ---------------------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_TRAINER_H
#define FSDPRT_TRAINER_TRAINER_H

#include "comm/Communicator.h"
#include "core/FlightRecord.h"
#include "core/Manifest.h"
#include "trainer/CommandLine.h"

namespace fsdprt {

struct RankSetup {
  Communicator *communicator = nullptr;
  FlightFile *flight = nullptr;
  int ranksOnHost = 1;
  bool terminal = false;      // standard output ends at one
  bool sharedProcess = false; // ranks are threads
};

/// Everything that can be wrong with program, data, weights and output, found
/// before ranks are started, memory is taken and time is spent.
Status checkInput(const RunOptions &options, const Manifest &manifest);

/// Loads the program, initialises, trains, saves, and (rank 0) reports.
Status trainRank(const RunOptions &options, const Manifest &manifest,
                 const RankSetup &setup);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_TRAINER_H
