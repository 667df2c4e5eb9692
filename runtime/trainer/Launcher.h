//===- Launcher.h - fsdp-run as the parent of its ranks ---------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_LAUNCHER_H
#define FSDPRT_TRAINER_LAUNCHER_H

namespace fsdprt {

/// Names in the environment between launcher and ranks.
constexpr const char *flightVariable = "FSDPRT_FLIGHT_RECORD";
constexpr const char *terminalVariable = "FSDPRT_TERMINAL";

/// What ranks get to start, however short --timeout is: processes, MPI_Init and
/// the check of the input, on a busy host.
constexpr double leastStartSeconds = 20;

/// Starts this program again under mpirun, or by itself in a build without MPI,
/// once a rank, and waits. If a rank
/// was killed, names it from its flight record; ranks that did not come up
/// within `timeoutSeconds` (at least 20) are named too, and ended. A signal
/// goes to mpirun, which is killed if it has not ended 5 s later; where the
/// run takes checkpoints, it may ask for one first. Returns the exit code.
int launchRanks(int ranks, double timeoutSeconds, bool checkpoints, int argc,
                char **argv);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_LAUNCHER_H
