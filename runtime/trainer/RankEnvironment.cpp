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

namespace {
/// The variables of one launcher.
struct Names {
  const char *launcher, *rank, *world, *local, *hostRanks;
};
} // namespace

static constexpr Names torchrunNames = {"torchrun", "RANK", "WORLD_SIZE",
                                        "LOCAL_RANK", "LOCAL_WORLD_SIZE"};

static std::optional<RankEnvironment> read(const GetEnvironment &get,
                                           const Names &names) {
  std::optional<int> rank = number(get(names.rank));
  std::optional<int> world = number(get(names.world));
  if (!rank || !world || *rank >= *world)
    return std::nullopt;
  RankEnvironment read;
  read.launcher = names.launcher;
  read.rank = *rank;
  read.world = *world;
  read.local = number(get(names.local)).value_or(0);
  read.hostRanks = number(get(names.hostRanks)).value_or(0);
  for (const char *name :
       {"TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT", "GROUP_RANK",
        "SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_STEPID"})
    if (const char *value = get(name))
      read.start += std::string(value) + " ";
  return read;
}

//===----------------------------------------------------------------------===//
// SLURM
//===----------------------------------------------------------------------===//

/// Tasks of a node by SLURM's "4(x2),3", which is 4, 4, 3; 0 if it does not
/// say.
static int tasksOfNode(const char *text, int node) {
  while (text && *text) {
    char *end = nullptr;
    long tasks = std::strtol(text, &end, 10), times = 1;
    if (end[0] == '(' && end[1] == 'x') {
      times = std::strtol(end + 2, &end, 10);
      end += *end == ')';
    }
    if (end == text || times < 1 || tasks < 1 || tasks > 1 << 24)
      return 0;
    if (node < times)
      return int(tasks);
    node -= int(times);
    text = *end == ',' ? end + 1 : end;
  }
  return 0;
}

/// A task of a job step. In a batch script SLURM_PROCID and SLURM_NTASKS are
/// those of the allocation: the script is alone, and has no step, or one with a
/// number from the end of 32 bits (batch, interactive shell).
static std::optional<RankEnvironment> readSlurm(const GetEnvironment &get) {
  const char *named = get("SLURM_STEP_ID");
  std::optional<int> step = number(named ? named : get("SLURM_STEPID"));
  const char *tasks =
      get("SLURM_STEP_NUM_TASKS") ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS";
  const char *onNodes = get("SLURM_STEP_TASKS_PER_NODE");
  auto srun = read(get, {"srun", "SLURM_PROCID", tasks, "SLURM_LOCALID", ""});
  if (!step || !srun || srun->world == 1)
    return std::nullopt;
  srun->hostRanks = tasksOfNode(onNodes ? onNodes : get("SLURM_TASKS_PER_NODE"),
                                number(get("SLURM_NODEID")).value_or(0));
  srun->hasPmi = get("PMI_RANK") || get("PMI_FD") || get("PMIX_RANK");
  return srun;
}

//===----------------------------------------------------------------------===//
// torchrun
//===----------------------------------------------------------------------===//

/// Whoever sets one of these sets all.
static Status checkTorchrun(const GetEnvironment &get) {
  auto wrong = [&](const char *name, const std::string &expected) {
    const char *text = get(name);
    return failure(text ? std::string(name) + " is '" + text + "', expected "
                        : std::string(name) + " is not set, expected ",
                   expected,
                   ": a launcher as torchrun sets RANK, WORLD_SIZE, "
                   "LOCAL_RANK and LOCAL_WORLD_SIZE, and without one none of "
                   "them may be set beside MASTER_ADDR");
  };
  std::optional<int> sizes[2];
  const char *const names[2][2] = {{"RANK", "WORLD_SIZE"},
                                   {"LOCAL_RANK", "LOCAL_WORLD_SIZE"}};
  for (int i = 0; i < 2; ++i) {
    auto [rankName, sizeName] = names[i];
    sizes[i] = number(get(sizeName));
    if (!sizes[i] || *sizes[i] == 0)
      return wrong(sizeName, "a whole number, 1 or more");
    std::optional<int> rank = number(get(rankName));
    if (!rank || *rank >= *sizes[i])
      return wrong(rankName, "a whole number below " + std::string(sizeName) +
                                 ", which is " + std::to_string(*sizes[i]));
  }
  if (*sizes[1] > *sizes[0])
    return wrong("LOCAL_WORLD_SIZE",
                 "at most WORLD_SIZE, which is " + std::to_string(*sizes[0]));
  return Status();
}

/// Whether RANK and its like, which are common names, are meant for a rank.
static bool isMeant(const GetEnvironment &get) {
  return get("TORCHELASTIC_RUN_ID") ||
         (get("MASTER_ADDR") &&
          (get("RANK") || get("WORLD_SIZE") || get("LOCAL_RANK")));
}

Expected<std::optional<RankEnvironment>>
fsdprt::detectRank(const GetEnvironment &get) {
  using Found = std::optional<RankEnvironment>;
  // torchrun may have been started by one of the others, a process a host.
  if (!get("TORCHELASTIC_RUN_ID")) {
    // RANK and WORLD_SIZE are common names: a launcher of processes knows
    // better.
    if (Found mpirun =
            read(get, {"mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
                       "OMPI_COMM_WORLD_LOCAL_RANK",
                       "OMPI_COMM_WORLD_LOCAL_SIZE"})) {
      mpirun->hasPmi = true;
      return mpirun;
    }
    if (Found srun = readSlurm(get))
      return srun;
    if (Found pmi = read(get, {"a PMI launcher", "PMI_RANK", "PMI_SIZE",
                               "MPI_LOCALRANKID", "MPI_LOCALNRANKS"})) {
      pmi->hasPmi = true;
      return pmi;
    }
  }
  if (isMeant(get))
    FSDPRT_RETURN_IF_ERROR(checkTorchrun(get));
  return read(get, torchrunNames);
}

bool fsdprt::speaksForHost(const GetEnvironment &get) {
  return number(get("LOCAL_RANK")).value_or(0) == 0;
}

//===----------------------------------------------------------------------===//
// Where ranks meet
//===----------------------------------------------------------------------===//

static constexpr int lastPort = 65535;

static Status checkAddress(const std::string &address) {
  size_t colon = address.rfind(':');
  std::optional<int> port = colon == std::string::npos
                                ? std::nullopt
                                : number(address.c_str() + colon + 1);
  if (colon == 0 || !port || *port < 1 || *port > lastPort)
    return failure("NCCL_COMM_ID is '", address,
                   "', expected HOST:PORT or [IPV6]:PORT, a port of rank 0's "
                   "host that is free");
  return Status();
}

Expected<std::string> fsdprt::meetingAddress(const GetEnvironment &get) {
  if (const char *given = get("NCCL_COMM_ID")) {
    FSDPRT_RETURN_IF_ERROR(checkAddress(given));
    return std::string(given);
  }
  const char *host = get("MASTER_ADDR"), *port = get("MASTER_PORT");
  if (!host || !*host || !port)
    return failure(
        "ranks cannot meet without MPI: ",
        host && *host ? "MASTER_PORT" : "MASTER_ADDR",
        " is not set; export MASTER_ADDR, a name or address of rank 0's host "
        "(under SLURM: MASTER_ADDR=$(scontrol show hostnames "
        "$SLURM_JOB_NODELIST | head -n 1)), and MASTER_PORT, before a port "
        "there that is free, or NCCL_COMM_ID=HOST:PORT");
  std::optional<int> before = number(port);
  if (!before || *before >= lastPort)
    return failure("MASTER_PORT is '", port,
                   "', expected a port below 65535: ranks meet at the one "
                   "after it");
  bool isIpv6 = std::string(host).find(':') != std::string::npos;
  return (isIpv6 ? "[" + std::string(host) + "]" : host) + ":" +
         std::to_string(*before + 1);
}
