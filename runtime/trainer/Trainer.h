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

/// Loads the program, initialises, trains, saves, and (rank 0) reports.
Status trainRank(const RunOptions &options, const Manifest &manifest,
                 const RankSetup &setup);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_TRAINER_H
