//===- RankEnvironment.cpp - Am I a rank, and which -----------------------===//

#include "trainer/RankEnvironment.h"

#include <cstdlib>

using namespace fsdprt;

static std::optional<int> number(const char *text) {
  if (!text || !*text)
    return std::nullopt;
  char *end = nullptr;
  long value = std::strtol(text, &end, 10);
  if (*end || value < 0 || value > 1 << 24)
    return std::nullopt;
  return int(value);
}

static std::optional<RankEnvironment>
read(const GetEnvironment &get, const char *launcher, const char *rankName,
     const char *worldName, const char *localName) {
  std::optional<int> rank = number(get(rankName));
  std::optional<int> world = number(get(worldName));
  if (!rank || !world || *rank >= *world)
    return std::nullopt;
  return RankEnvironment{launcher, *rank, *world,
                         number(get(localName)).value_or(0)};
}

std::optional<RankEnvironment> fsdprt::detectRank(const GetEnvironment &get) {
  auto torchrun = read(get, "torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK");
  auto mpirun = read(get, "mpirun", "OMPI_COMM_WORLD_RANK",
                     "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK");
  auto srun =
      read(get, "srun", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID");
  if (srun && srun->world < 2)
    srun.reset(); // a shell inside of an allocation
  auto pmi =
      read(get, "a PMI launcher", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID");
  const auto &other = mpirun ? mpirun : srun ? srun : pmi;
  // RANK and WORLD_SIZE are common names: a launcher of processes knows better.
  if (torchrun && (!other || (other->rank == torchrun->rank &&
                              other->world == torchrun->world)))
    return torchrun;
  return other;
}
