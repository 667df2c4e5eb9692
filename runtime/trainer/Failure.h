//===- Failure.h - One clear message, whoever fails -------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_FAILURE_H
#define FSDPRT_TRAINER_FAILURE_H

#include "core/FlightRecord.h"

#include <csignal>
#include <string>

namespace fsdprt {

/// `text` without control characters, which names of files may hold: "\\n".
std::string oneLine(const std::string &text);

/// Prints "fsdp-run: error: rank R: ..." unless another process or rank of
/// this host has spoken already, and where the parameters are if they are safe.
/// `rank` < 0: not about one rank.
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

/// What asks a process to end; those that it ignores (nohup) it goes on to.
constexpr int endingSignals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};

/// Installs `handler` for the ending signals that are not ignored.
void handleEndingSignals(void (*handler)(int));

/// For a process that is no rank: an ending signal is said. An exception that
/// nobody can catch is one line too, of any process.
void sayHowItEnds(bool isRank);

/// Installs handlers that
///  - on an ending signal (mpirun sends SIGTERM to the survivors of a dead
///    rank) name the rank that died or was told to end first and what it was
///    doing, and exit; with 0 if ranks that are threads have all finished;
///  - on a fault name operation and arena, and exit.
/// Returns the record, which they keep for the rest of the process.
FlightFile *installSignalHandlers(FlightFile flight, int rank, Speaker speaker);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_FAILURE_H
