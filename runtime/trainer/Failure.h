//===- Failure.h - One clear message, whoever fails -------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_FAILURE_H
#define FSDPRT_TRAINER_FAILURE_H

#include "core/FlightRecord.h"

namespace fsdprt {

/// `text` without control characters, which names of files may hold: "\\n".
std::string oneLine(const std::string &text);

/// Prints "fsdp-run: error: rank R: ..." unless another process or rank of
/// this host has spoken already. `rank` < 0: not about one rank.
void reportFailure(const FlightFile *flight, int rank,
                   const std::string &message);

/// Prints "fsdp-run: warning: ...".
void reportWarning(const std::string &message);

/// Who says that ranks were told to end.
enum class Speaker {
  Launcher, ///< fsdp-run, which started them as processes and reads the record
  Ranks,    ///< the first rank of a host, under a launcher that is not ours
  Process   ///< the ranks are threads of this process
};

/// Installs handlers that
///  - on SIGTERM, which mpirun sends to the survivors of a dead rank, name the
///    rank that died or was told to end first and what it was doing, and exit
///    (as threads also on SIGINT);
///  - on a fault name operation and arena, and exit.
/// `flight` stays valid for the rest of the process.
void installSignalHandlers(const FlightFile *flight, int rank, Speaker speaker);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_FAILURE_H
