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

/// A task of a job step. In a batch script SLURM_PROCID and SLURM_NTASKS are
/// those of the allocation: the script is alone, and has no step, or one with a
/// number from the end of 32 bits (batch, interactive shell).
static std::optional<RankEnvironment> readSlurm(const GetEnvironment &get) {
  const char *named = get("SLURM_STEP_ID");
  std::optional<int> step = number(named ? named : get("SLURM_STEPID"));
  const char *tasks =
      get("SLURM_STEP_NUM_TASKS") ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS";
  auto srun = read(get, "srun", "SLURM_PROCID", tasks, "SLURM_LOCALID");
  return step && srun && srun->world > 1 ? srun : std::nullopt;
}

std::optional<RankEnvironment> fsdprt::detectRank(const GetEnvironment &get) {
  auto torchrun = read(get, "torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK");
  auto mpirun = read(get, "mpirun", "OMPI_COMM_WORLD_RANK",
                     "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK");
  auto srun = readSlurm(get);
  auto pmi =
      read(get, "a PMI launcher", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID");
  const auto &other = mpirun ? mpirun : srun ? srun : pmi;
  // RANK and WORLD_SIZE are common names: a launcher of processes knows better.
  if (torchrun && (!other || (other->rank == torchrun->rank &&
                              other->world == torchrun->world)))
    return torchrun;
  return other;
}
