//===- MpiCommunicator.h - Ranks as MPI processes ---------------*- C++ -*-===//

#ifndef FSDPRT_COMM_MPICOMMUNICATOR_H
#define FSDPRT_COMM_MPICOMMUNICATOR_H

#include "comm/Communicator.h"

#include <memory>

namespace fsdprt {

/// False in a build without MPI (FSDPRT_MPI=OFF), where nothing else of this
/// may be called.
bool hasMpi();

/// Initialises MPI (once a process) and its communicators, one a channel.
/// Non-blocking calls only, tested with growing sleeps.
Expected<std::unique_ptr<Communicator>> createMpiCommunicator();

/// Ranks on this host, and this rank's number among them. After creation.
struct HostRanks {
  int first = 0, count = 1, local = 0;
  int cores = 1; // that any of them may run on
};
Expected<HostRanks> mpiHostRanks();

/// Broadcasts `text` from the first rank of each host to the others of it.
Expected<std::string> mpiShareOnHost(const std::string &text);

/// Ends this rank, and its peers wherever they are.
[[noreturn]] void abortMpi();

/// Ends MPI; every rank must come here.
void finalizeMpi();

} // namespace fsdprt

#endif // FSDPRT_COMM_MPICOMMUNICATOR_H
