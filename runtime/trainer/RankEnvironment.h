//===- RankEnvironment.h - Am I a rank, and which ---------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_RANKENVIRONMENT_H
#define FSDPRT_TRAINER_RANKENVIRONMENT_H

#include "core/Status.h"

#include <functional>
#include <optional>
#include <string>

namespace fsdprt {

/// What a launcher says in the environment.
struct RankEnvironment {
  std::string launcher; // "torchrun", "mpirun", "srun", "a PMI launcher"
  int rank = 0, world = 1;
  int local = 0;       // rank among those of this host
  int hostRanks = 0;   // how many those are; 0: the launcher does not say
  bool hasPmi = false; // MPI can find its peers through the launcher
  /// Differs between starts of programs that may meet on a host.
  std::string start;
};

using GetEnvironment = std::function<const char *(const char *)>;

/// In the order torchrun, OMPI_COMM_WORLD_*, SLURM (a step of more than one
/// task), PMI_*, RANK and WORLD_SIZE alone. None: nobody started this process
/// as a rank. Where the launcher does not say the local rank, every rank is
/// alone on its host. Fails where torchrun, or who sets MASTER_ADDR as it does,
/// says what cannot be.
Expected<std::optional<RankEnvironment>> detectRank(const GetEnvironment &get);

/// Whether this process is to say what all ranks of its host find wrong: not
/// one that knows of a rank before it.
bool speaksForHost(const GetEnvironment &get);

/// "HOST:PORT" where ranks meet that have no MPI: NCCL_COMM_ID, or the port
/// after MASTER_PORT at MASTER_ADDR, as torchrun itself listens on that one.
Expected<std::string> meetingAddress(const GetEnvironment &get);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_RANKENVIRONMENT_H
