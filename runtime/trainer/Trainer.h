//===- Trainer.h - What one rank does ---------------------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_TRAINER_H
#define FSDPRT_TRAINER_TRAINER_H

#include "comm/Communicator.h"
#include "core/FlightRecord.h"
#include "core/Manifest.h"
#include "device/HostPlace.h"
#include "trainer/CommandLine.h"

#include <functional>

namespace fsdprt {

struct RankSetup {
  Communicator *communicator = nullptr;
  FlightFile *flight = nullptr;
  HostPlace place;
  Exchanges exchanges = Exchanges::Host;
  int threads = 1;            // to compute with, unless --threads says it
  bool terminal = false;      // standard output ends at one
  bool sharedProcess = false; // ranks are threads
  /// Called with what went wrong while the rank's memory, which peers may be
  /// reading, is still there; does not return.
  std::function<void(const Status &)> onFailure;
};

/// Loads the program, initialises, trains, saves, and (rank 0) reports.
void trainRank(const RunOptions &options, const Manifest &manifest,
               const RankSetup &setup);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_TRAINER_H
