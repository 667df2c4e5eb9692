//===- LocalRanks.h - Ranks of this host, started without MPI ---*- C++ -*-===//

#ifndef FSDPRT_TRAINER_LOCALRANKS_H
#define FSDPRT_TRAINER_LOCALRANKS_H

namespace fsdprt {

/// Takes mpirun's place where it is missing: runs this program once a rank, all
/// on this host, and tells each which it is, by torchrun's variables. Passes
/// ending signals on. When a rank has failed it tells the others to end, and
/// kills those that have not 5 s later. Ends this process with the status of
/// the first that failed, 128 + N if signal N ended it, or 0.
[[noreturn]] void runLocalRanks(int ranks, char **argv);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_LOCALRANKS_H
