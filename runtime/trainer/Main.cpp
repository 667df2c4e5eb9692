//===- Main.cpp - fsdp-run's entry into the runtime -----------------------===//

#pragma GCC visibility push(default)
#include "trainer/Main.h"
#pragma GCC visibility pop

#include "comm/MpiCommunicator.h"
#include "comm/ThreadCommunicator.h"
#include "trainer/CommandLine.h"
#include "trainer/Failure.h"
#include "trainer/Launcher.h"
#include "trainer/RankEnvironment.h"
#include "trainer/Trainer.h"

#include <cstdlib>
#include <thread>
#include <unistd.h>

using namespace fsdprt;

static int fail(const std::string &message) {
  reportFailure(nullptr, -1, message);
  return 1;
}

static Status checkRanks(const Manifest &manifest, int ranks,
                         const char *origin) {
  if (ranks == manifest.worldSize())
    return Status();
  return failure("the program was compiled for ", manifest.worldSize(),
                 " ranks (mesh ", manifest.meshString(), "), ", origin, " ",
                 ranks, "; use -n ", manifest.worldSize(),
                 " or compile with --mesh of another size");
}

//===----------------------------------------------------------------------===//
// Ranks as threads
//===----------------------------------------------------------------------===//

static int runThreads(const RunOptions &options, const Manifest &manifest) {
  int world = int(manifest.worldSize());
  Expected<FlightFile> flight = FlightFile::createPrivate(world);
  if (!flight.ok())
    return fail(flight.status().message());
  installSignalHandlers(&*flight, -1, Speaker::Process);
  auto group = std::make_shared<ThreadGroup>(world);
  std::vector<int> failed(world, 0);
  auto runRank = [&](int rank) {
    ThreadCommunicator communicator(group, rank);
    RankSetup setup;
    setup.communicator = &communicator;
    setup.flight = &*flight;
    setup.ranksOnHost = world;
    setup.terminal = ::isatty(STDOUT_FILENO);
    setup.sharedProcess = world > 1;
    Status status = trainRank(options, manifest, setup);
    if (status.ok())
      return;
    failed[rank] = 1;
    // First the message, then the others may fail because of it.
    reportFailure(&*flight, rank, status.message());
    communicator.abort();
  };
  std::vector<std::thread> threads;
  for (int rank = 0; rank < world; ++rank)
    threads.emplace_back(runRank, rank);
  for (std::thread &thread : threads)
    thread.join();
  for (int rank = 0; rank < world; ++rank)
    if (failed[rank])
      return 1;
  return 0;
}

//===----------------------------------------------------------------------===//
// Ranks as MPI processes
//===----------------------------------------------------------------------===//

/// Opens the flight record that fsdp-run made, or makes one for this host.
static Expected<FlightFile> openFlight(const HostRanks &host) {
  const char *given = std::getenv(flightVariable);
  std::string name = given ? given : "";
  std::string problem;
  FlightFile own;
  if (!given && host.local == 0) {
    name = "/fsdprt-" + std::to_string(::getpid());
    FlightFile::unlink(name);
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
  return opened;
}

[[noreturn]] static void leave(const FlightFile *flight, int rank,
                               const Status &status) {
  reportFailure(flight, rank, status.message());
  std::fflush(stdout);
  if (flight)
    killStoppedRanks(*flight, rank);
  // Peers may never reach MPI_Finalize; the launcher ends them.
  ::_exit(1);
}

static int runMpiRank(const RunOptions &options, const Manifest &manifest,
                      const RankEnvironment &environment) {
  auto communicator = createMpiCommunicator();
  if (!communicator.ok())
    return fail(communicator.status().message());
  int rank = (*communicator)->rank(), world = (*communicator)->size();
  if (world != environment.world || rank != environment.rank) {
    if (environment.rank == 0)
      return fail(environment.launcher + " started " +
                  std::to_string(environment.world) + " ranks but MPI sees " +
                  std::to_string(world) +
                  "; start them with mpirun, or with a launcher that MPI "
                  "supports");
    return 1;
  }
  Expected<HostRanks> host = mpiHostRanks();
  if (!host.ok())
    leave(nullptr, rank, host.status());
  Expected<FlightFile> flight = openFlight(*host);
  if (!flight.ok())
    leave(nullptr, rank, flight.status());
  bool launched = std::getenv(flightVariable) != nullptr;
  installSignalHandlers(&*flight, rank,
                        launched ? Speaker::Launcher : Speaker::Ranks);
  if (Status status = checkRanks(manifest, world, "started were"); !status.ok())
    leave(&*flight, -1, status);
  RankSetup setup;
  setup.communicator = communicator->get();
  setup.flight = &*flight;
  setup.ranksOnHost = host->count;
  // mpirun gives the ranks a terminal of their own, whatever it writes to.
  setup.terminal = std::getenv(terminalVariable) != nullptr;
  Status status = trainRank(options, manifest, setup);
  if (!status.ok())
    leave(&*flight, rank, status);
  finalizeMpi();
  return 0;
}

//===----------------------------------------------------------------------===//
// Entry
//===----------------------------------------------------------------------===//

/// OpenMP reads this when it is loaded, which was before main. Spinning threads
/// of the GEMM library would take the cores from the other ranks and from our
/// own workers.
static void makeOpenMpPassive(char **argv) {
  if (std::getenv("OMP_WAIT_POLICY"))
    return;
  ::setenv("OMP_WAIT_POLICY", "passive", 1);
  ::execv("/proc/self/exe", argv); // goes on as it is should this fail
}

int fsdprt_main(int argc, char **argv) {
  makeOpenMpPassive(argv);
  int exitCode = 0;
  auto options = parseCommandLine(argc, argv, exitCode);
  if (!options)
    return exitCode;
  auto environment =
      detectRank([](const char *name) { return std::getenv(name); });
  bool isRank = environment && options->comm == "mpi";
  // Under a launcher all ranks of a host would print the same; the first one
  // speaks. Hosts differ: a file may be missing on one of them.
  bool speaks = !environment || environment->local == 0;
  Expected<Manifest> manifest = loadManifest(options->program);
  Status status = manifest.status();
  if (status.ok() && options->ranks)
    status = checkRanks(*manifest, options->ranks, "-n asks for");
  if (status.ok())
    status = checkInput(*options, *manifest);
  if (status.ok() && environment && environment->world > 1 && !isRank)
    status = failure("--comm thread runs all ranks in one process, but ",
                     environment->launcher, " started ", environment->world,
                     " of them: leave one of the two away");
  if (!status.ok()) {
    if (speaks)
      reportFailure(nullptr, -1, status.message());
    return 1;
  }
  if (isRank)
    return runMpiRank(*options, *manifest, *environment);
  // One rank needs neither processes nor messages.
  if (options->comm == "thread" || manifest->worldSize() == 1)
    return runThreads(*options, *manifest);
  return launchRanks(int(manifest->worldSize()), argc, argv);
}
