//===- MpiRanks.cpp - Ranks as MPI processes ------------------------------===//

#include "comm/MpiCommunicator.h"
#include "core/UniqueName.h"
#include "trainer/CheckpointSignals.h"
#include "trainer/Failure.h"
#include "trainer/Launcher.h"
#include "trainer/Machine.h"
#include "trainer/Ranks.h"

#include <cstdlib>

using namespace fsdprt;

/// Opens the flight record that fsdp-run made, or makes one for this host.
static Expected<FlightFile> openFlight(const HostRanks &host) {
  const char *given = std::getenv(flightVariable);
  std::string name = given ? given : "";
  std::string problem;
  FlightFile own;
  if (!given && host.local == 0) {
    name = "/fsdprt-" + uniqueSuffix();
    Expected<FlightFile> created =
        FlightFile::createShared(name, host.first, host.count);
    if (created.ok())
      own = std::move(*created);
    else
      problem = created.status().message();
  }
  Expected<std::string> shared = mpiShareOnHost(problem.empty() ? name : "");
  if (!shared.ok())
    return shared.status();
  if (shared->empty())
    return failure(problem.empty() ? "no flight record" : problem);
  Expected<FlightFile> opened = own.header()
                                    ? Expected<FlightFile>(std::move(own))
                                    : FlightFile::open(*shared);
  // Once all have it open the name can go: nothing is left behind even by
  // SIGKILL. Sharing again is a barrier.
  Expected<std::string> barrier = mpiShareOnHost("");
  if (host.local == 0)
    FlightFile::unlink(*shared);
  if (opened.ok() && !barrier.ok())
    return barrier.status();
  return opened;
}

static MpiEnd endUnder(const RankEnvironment &environment) {
  // mpirun and torchrun end the others when one has failed.
  bool isWatched =
      environment.launcher == "mpirun" || environment.launcher == "torchrun";
  return isWatched ? MpiEnd::Exit : MpiEnd::Abort;
}

static Status checkLauncher(const RankEnvironment &environment,
                            const Communicator &communicator) {
  if (communicator.size() == environment.world &&
      communicator.rank() == environment.rank)
    return Status();
  return failure(environment.launcher, " started ", environment.world,
                 " ranks but MPI sees ", communicator.size(),
                 "; start them with mpirun, or with a launcher that MPI "
                 "supports");
}

/// The record of this rank's host, with handlers that read it.
static FlightFile *joinHost(const HostRanks &host, int rank, MpiEnd end) {
  Expected<FlightFile> flight = openFlight(host);
  if (!flight.ok())
    leave(nullptr, rank, flight.status(), end);
  bool launched = std::getenv(flightVariable) != nullptr;
  return installSignalHandlers(std::move(*flight), rank,
                               launched ? Speaker::Launcher : Speaker::Ranks);
}

int fsdprt::runMpiRank(const RunOptions &options,
                       const Expected<Manifest> &manifest,
                       const RankEnvironment &environment, Status input) {
  auto communicator = createMpiCommunicator();
  if (!communicator.ok())
    return fail((input.ok() ? communicator.status() : input).message());
  int rank = (*communicator)->rank(), world = (*communicator)->size();
  if (Status status = checkLauncher(environment, **communicator);
      !status.ok()) // each believes to be alone: the first one speaks
    return failTogether(environment.rank == 0,
                        (input.ok() ? status : input).message());
  MpiEnd end = endUnder(environment);
  Expected<HostRanks> host = mpiHostRanks();
  if (!host.ok())
    leave(nullptr, rank, host.status(), end);
  // Before any rank takes its part: all wait for the first one below. Under
  // fsdp-run the launcher has looked.
  if (input.ok() && !std::getenv(flightVariable) && host->local == 0)
    if (Status status = checkFits(options, *manifest, host->count);
        !status.ok())
      leave(nullptr, -1, status, end);
  FlightFile *flight = joinHost(*host, rank, end);
  if (!input.ok())
    leave(flight, rank, input, end);
  if (Status status = checkRanks(*manifest, world, "started were");
      !status.ok())
    leave(flight, -1, status, end);
  RankSetup setup;
  setup.communicator = communicator->get();
  setup.flight = flight;
  setup.place = {host->local, host->count};
  setup.exchanges = exchangesOf(options);
  setup.threads =
      threadsPerRank(host->cores, ownCores(), host->count, coreQuota());
  // mpirun gives the ranks a terminal of their own, whatever it writes to.
  setup.terminal = std::getenv(terminalVariable) != nullptr;
  setup.onFailure = [&](const Status &status) {
    leave(flight, rank, status, end);
  };
  trainRank(options, *manifest, setup);
  finalizeMpi();
  return exitCodeOfRank(*flight);
}
