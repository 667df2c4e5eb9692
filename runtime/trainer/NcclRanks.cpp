//===- NcclRanks.cpp - Ranks that meet by NCCL ----------------------------===//
//
// torchrun, srun without PMI, and fsdp-run where there is no mpirun start
// processes and tell each which rank it is; that is all that they do. So NCCL
// finds the others, at an address that all know, and the ranks of a host find
// their flight record by a name that follows from what their launcher says.
//
//===----------------------------------------------------------------------===//

#include "cuda/NcclCommunicator.h"
#include "trainer/CheckpointSignals.h"
#include "trainer/Failure.h"
#include "trainer/Launcher.h"
#include "trainer/Machine.h"
#include "trainer/Ranks.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <unistd.h>

using namespace fsdprt;

/// NCCL would make every communicator at NCCL_COMM_ID; the ranks' own is the
/// only one there. The environment holds the text itself, so that the name can
/// be made another one while NCCL's threads read others; so it stays to the
/// end.
static std::string &addressVariable() {
  static auto *text = new std::string;
  return *text;
}

static void setAddress(const std::string &address) {
  addressVariable() = "NCCL_COMM_ID=" + address;
  ::putenv(addressVariable().data());
}

static void forgetAddress() {
  __atomic_store_n(addressVariable().data(), '_', __ATOMIC_RELAXED);
}

/// What says which rank of the host one is, and how many there are.
static const char *hostVariables(const std::string &launcher) {
  if (launcher == "srun")
    return "SLURM_LOCALID, SLURM_NODEID and SLURM_STEP_TASKS_PER_NODE";
  if (launcher == "mpirun")
    return "OMPI_COMM_WORLD_LOCAL_RANK and OMPI_COMM_WORLD_LOCAL_SIZE";
  return launcher == "torchrun" ? "LOCAL_RANK and LOCAL_WORLD_SIZE"
                                : "MPI_LOCALRANKID and MPI_LOCALNRANKS";
}

static Status checkHost(const RankEnvironment &environment) {
  if (environment.local < environment.hostRanks)
    return Status();
  return failure(environment.launcher,
                 " does not say which of how many ranks of this host rank ",
                 environment.rank, " is; ranks that meet without MPI need ",
                 hostVariables(environment.launcher), " in the environment");
}

/// The record of this host's ranks.
static Expected<FlightFile> joinFlight(const RankEnvironment &environment,
                                       const std::string &address) {
  if (const char *given = std::getenv(flightVariable))
    return FlightFile::open(given);
  std::string run =
      environment.start + address + " " + std::to_string(::geteuid());
  return FlightFile::join("/fsdprt-" +
                              std::to_string(std::hash<std::string>()(run)),
                          environment.rank - environment.local,
                          environment.hostRanks, environment.local);
}

/// Ranks that come a little later find that it has been said as long as the one
/// which did is there.
[[noreturn]] static void giveUp(const FlightFile *flight, int rank,
                                const Status &status) {
  constexpr int moments = 30;
  reportFailure(flight, rank, status.message());
  for (int i = 0; i < moments && !describeAbsent(*flight).empty(); ++i)
    ::usleep(100000);
  leave(flight, rank, status, MpiEnd::Exit);
}

static cuda::Meeting meetingOf(const RunOptions &options,
                               const RankEnvironment &environment,
                               const std::string &address,
                               const FlightFile *flight) {
  cuda::Meeting meeting;
  meeting.address = address;
  meeting.rank = environment.rank;
  meeting.ranks = environment.world;
  meeting.place = {environment.local, environment.hostRanks};
  meeting.flight = flight;
  meeting.timeoutSeconds = std::max(options.timeoutSeconds, leastStartSeconds);
  return meeting;
}

/// Where ranks meet; nowhere yet where fsdp-run has started them, all here.
static Expected<std::string> addressFor(const RankEnvironment &environment) {
  if (std::getenv(flightVariable))
    return std::string();
  FSDPRT_RETURN_IF_ERROR(checkHost(environment));
  return meetingAddress([](const char *name) { return std::getenv(name); });
}

/// Once all ranks have come, and have the record open.
static void endMeeting(const cuda::Meeting &meeting) {
  if (meeting.address.empty())
    return FlightFile::unlink(std::getenv(flightVariable));
  forgetAddress();
  meeting.flight->removeName();
}

int fsdprt::runNcclRank(const RunOptions &options,
                        const Expected<Manifest> &manifest,
                        const RankEnvironment &environment, Status input) {
  Expected<std::string> address = addressFor(environment);
  if (!address.ok())
    return failTogether(environment.local == 0,
                        (input.ok() ? address.status() : input).message());
  if (!address->empty())
    setAddress(*address);
  auto joined = joinFlight(environment, *address);
  if (!joined.ok())
    return fail((input.ok() ? joined.status() : input).message());
  int rank = environment.rank;
  bool isOurs = address->empty();
  FlightFile *flight = installSignalHandlers(
      std::move(*joined), rank, isOurs ? Speaker::Launcher : Speaker::Ranks);
  comeUp(flight->slotOfRank(rank));
  if (!input.ok())
    giveUp(flight, rank, input);
  cuda::Meeting meeting = meetingOf(options, environment, *address, flight);
  auto communicator = cuda::NcclCommunicator::meet(meeting);
  if (!communicator.ok())
    giveUp(flight, rank, communicator.status());
  endMeeting(meeting);
  RankSetup setup;
  setup.communicator = communicator->get();
  setup.flight = flight;
  setup.place = meeting.place;
  setup.exchanges = exchangesOf(options);
  // Too few where each is bound to cores of its own: nobody says what all have.
  setup.threads = threadsPerRank(ownCores(), ownCores(), environment.hostRanks,
                                 coreQuota());
  setup.terminal = ::isatty(STDOUT_FILENO);
  setup.onFailure = [&](const Status &why) {
    leave(flight, rank, why, MpiEnd::Exit);
  };
  trainRank(options, *manifest, setup);
  return exitCodeOfRank(*flight);
}
