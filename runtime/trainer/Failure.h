//===- Failure.h - One clear message, whoever fails -------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_FAILURE_H
#define FSDPRT_TRAINER_FAILURE_H

#include "core/FlightRecord.h"

namespace fsdprt {

/// Prints "fsdp-run: error: rank R: ..." unless another process or rank of
/// this host has spoken already. `rank` < 0: not about one rank.
void reportFailure(const FlightFile *flight, int rank,
                   const std::string &message);

/// Installs handlers that
///  - on SIGTERM, which mpirun sends to the survivors of a dead rank, name that
///    rank and what it was doing (`speaksForOthers`: not under fsdp-run, which
///    does this itself), and exit;
///  - on a fault name operation and arena, and exit.
/// `flight` stays valid for the rest of the process.
void installSignalHandlers(const FlightFile *flight, int rank,
                           bool speaksForOthers);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_FAILURE_H
