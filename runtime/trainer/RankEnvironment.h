//===- RankEnvironment.h - Am I a rank, and which ---------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_RANKENVIRONMENT_H
#define FSDPRT_TRAINER_RANKENVIRONMENT_H

#include <functional>
#include <optional>
#include <string>

namespace fsdprt {

/// What a launcher says in the environment.
struct RankEnvironment {
  std::string launcher; // "torchrun", "mpirun", "srun", "a PMI launcher"
  int rank = 0, world = 1;
  int local = 0; // rank among those of this host
};

using GetEnvironment = std::function<const char *(const char *)>;

/// In the order torchrun (unless another launcher contradicts it),
/// OMPI_COMM_WORLD_*, SLURM (a step of more than one task), PMI_*. None: nobody
/// started this process as a rank. Where the launcher does not say the local
/// rank, every rank is alone on its host.
std::optional<RankEnvironment> detectRank(const GetEnvironment &get);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_RANKENVIRONMENT_H
