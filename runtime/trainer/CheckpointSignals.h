//===- CheckpointSignals.h - Signals that ask for a checkpoint --*- C++ -*-===//
//
// SIGUSR1: a checkpoint at the end of the step. SIGTERM: one, and then the end
// of the run, with a status of its own. The record of the host's ranks holds
// what was asked for; the ranks look at it when a step ends.
//
//===----------------------------------------------------------------------===//

#ifndef FSDPRT_TRAINER_CHECKPOINTSIGNALS_H
#define FSDPRT_TRAINER_CHECKPOINTSIGNALS_H

#include "core/FlightRecord.h"

namespace fsdprt {

/// Exit status of a run that was told to end, and can be gone on with:
/// EX_TEMPFAIL of sysexits.h.
constexpr int preemptedStatus = 75;

/// Before anything that takes time, in every process: SIGUSR1 must not end one
/// that has no use for it yet, nor what it becomes by exec.
void ignoreCheckpointRequests();

/// From here on SIGUSR1 asks for a checkpoint of the ranks of `flight`, which
/// outlives the process's handlers.
void listenForCheckpoints(const FlightFile &flight);

/// Whether an ending signal only asks for a checkpoint before the end: the
/// first SIGTERM while the ranks train, and none of them has died. Safe in a
/// signal handler.
bool takesAsRequest(int number);

/// The exit code of a rank that has done all it had to; the one that fsdp-run
/// has started leaves it to that.
int exitCodeOfRank(const FlightFile &flight);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_CHECKPOINTSIGNALS_H
