//===- Main.cpp - fsdp-run's entry into the runtime -----------------------===//

#pragma GCC visibility push(default)
#include "trainer/Main.h"
#pragma GCC visibility pop

#include "comm/MpiCommunicator.h"
#include "comm/ThreadCommunicator.h"
#include "core/Exceptions.h"
#include "core/UniqueName.h"
#include "io/OutputFile.h"
#include "trainer/CommandLine.h"
#include "trainer/Failure.h"
#include "trainer/Input.h"
#include "trainer/Launcher.h"
#include "trainer/Machine.h"
#include "trainer/RankEnvironment.h"
#include "trainer/Trainer.h"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <thread>
#include <unistd.h>

using namespace fsdprt;

static int fail(const std::string &message) {
  reportFailure(nullptr, -1, message);
  return 1;
}

/// How the peers of a rank that fails are ended.
enum class MpiEnd {
  Exit, ///< the launcher sees it; threads end with their process
  Abort ///< another launcher (srun) may let them wait for ever
};

[[noreturn]] static void leave(const FlightFile *flight, int rank,
                               const Status &status, MpiEnd end) {
  reportFailure(flight, rank, status.message());
  std::fflush(stdout);
  removeUnfinishedFiles();
  if (flight)
    killStoppedRanks(*flight, rank);
  // Peers may never reach MPI_Finalize.
  if (end == MpiEnd::Abort)
    abortMpi();
  ::_exit(1);
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

static Exchanges exchangesOf(const RunOptions &options) {
  return options.comm == "nccl" ? Exchanges::Nccl : Exchanges::Host;
}

/// What moves data where the user has not said it.
static std::string defaultComm(const Manifest &manifest) {
  return manifest.target == "cuda" ? "nccl" : "mpi";
}

static Status checkFits(const RunOptions &options, const Manifest &manifest,
                        int ranks) {
  // What a GPU has free is asked by the rank that has it.
  if (options.ignoreMemory || manifest.target == "cuda")
    return Status();
  return checkMemory(manifest, ranks, freeMemory());
}

//===----------------------------------------------------------------------===//
// Ranks as threads
//===----------------------------------------------------------------------===//

static void runThread(const RunOptions &options, const Manifest &manifest,
                      std::shared_ptr<ThreadGroup> group, FlightFile *flight,
                      int rank) {
  ThreadCommunicator communicator(group, rank);
  RankSetup setup;
  setup.communicator = &communicator;
  setup.flight = flight;
  setup.place = {rank, group->size(), /*oneProcess=*/true};
  setup.exchanges = exchangesOf(options);
  setup.threads =
      threadsPerRank(ownCores(), ownCores(), group->size(), coreQuota());
  setup.terminal = ::isatty(STDOUT_FILENO);
  setup.sharedProcess = group->size() > 1;
  setup.onFailure = [&](const Status &status) {
    leave(flight, rank, status, MpiEnd::Exit);
  };
  trainRank(options, manifest, setup);
}

static int runThreads(const RunOptions &options, const Manifest &manifest) {
  int world = int(manifest.worldSize());
  Expected<FlightFile> created = FlightFile::createPrivate(world);
  if (!created.ok())
    return fail(created.status().message());
  FlightFile *flight =
      installSignalHandlers(std::move(*created), -1, Speaker::Process);
  auto group = std::make_shared<ThreadGroup>(world);
  std::vector<std::thread> threads;
  try {
    for (int rank = 0; rank < world; ++rank)
      threads.emplace_back(runThread, std::cref(options), std::cref(manifest),
                           group, flight, rank);
  } catch (...) { // those that have started wait for the others
    leave(flight, -1, describeException(), MpiEnd::Exit);
  }
  for (std::thread &thread : threads)
    thread.join();
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

/// `input` is what was found wrong with it before. Only with MPI can ranks
/// agree on who says it, and end peers whose input is right: those wait for
/// this rank in MPI_Init.
static int runMpiRank(const RunOptions &options,
                      const Expected<Manifest> &manifest,
                      const RankEnvironment &environment, Status input) {
  auto communicator = createMpiCommunicator();
  if (!communicator.ok())
    return fail((input.ok() ? communicator.status() : input).message());
  int rank = (*communicator)->rank(), world = (*communicator)->size();
  if (Status status = checkLauncher(environment, **communicator);
      !status.ok()) // each believes to be alone: the first one speaks
    return environment.rank == 0 ? fail((input.ok() ? status : input).message())
                                 : 1;
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

/// A file that is opened as descriptor 1 or 2 would get what is printed.
static void openStandardFiles() {
  int fd = ::open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO)
    fd = ::open("/dev/null", O_RDWR);
  if (fd >= 0)
    ::close(fd);
}

static Status checkRun(const RunOptions &options,
                       const std::optional<RankEnvironment> &environment,
                       const Expected<Manifest> &manifest) {
  FSDPRT_RETURN_IF_ERROR(manifest.status());
  if (options.comm == "nccl" && manifest->target != "cuda")
    return failure("--comm nccl exchanges between GPUs, and this program is "
                   "for the CPU; compile it with --target cuda, or use --comm "
                   "mpi");
  if (std::getenv(flightVariable))
    return Status(); // the launcher has looked
  if (options.ranks)
    FSDPRT_RETURN_IF_ERROR(checkRanks(*manifest, options.ranks, "-n asks for"));
  bool isOneOf = environment && environment->world > 1;
  FSDPRT_RETURN_IF_ERROR(checkInput(
      options, *manifest,
      isOneOf ? std::optional<int>(environment->rank) : std::nullopt));
  if (isOneOf && options.comm == "thread")
    return failure("--comm thread runs all ranks in one process, but ",
                   environment->launcher, " started ", environment->world,
                   " of them: leave one of the two away");
  if (!hasMpi() && options.comm != "thread" &&
      (isOneOf || manifest->worldSize() > 1))
    return failure("this fsdp-run was built without MPI: it runs ranks in one "
                   "process, with --comm thread and no launcher; build it with "
                   "-DFSDPRT_MPI=ON for processes");
  return Status();
}

static int run(RunOptions options,
               const std::optional<RankEnvironment> &environment, int argc,
               char **argv) {
  Expected<Manifest> manifest = Status::failure("not read");
  Status status;
  try {
    manifest = loadManifest(options.program);
    if (options.comm.empty())
      options.comm = manifest.ok() ? defaultComm(*manifest) : "mpi";
    status = checkRun(options, environment, manifest);
  } catch (...) {
    status = describeException();
  }
  bool isRank = environment && (options.comm != "thread" || !status.ok());
  if (isRank && hasMpi())
    return runMpiRank(options, manifest, *environment, status);
  if (status.ok())
    status = checkFits(options, *manifest, int(manifest->worldSize()));
  if (!status.ok()) // without MPI each believes to be alone
    return isRank && environment->rank > 0 ? 1 : fail(status.message());
  // One rank needs neither processes nor messages.
  if (options.comm == "thread" || manifest->worldSize() == 1)
    return runThreads(options, *manifest);
  return launchRanks(int(manifest->worldSize()), options.timeoutSeconds, argc,
                     argv);
}

int fsdprt_main(int argc, char **argv) {
  openStandardFiles();
  makeOpenMpPassive(argv);
  // A reader of our output that has gone, and a file that may not grow, are
  // errors of the write; they must not end the training.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  auto environment =
      detectRank([](const char *name) { return std::getenv(name); });
  sayHowItEnds(/*isRank=*/environment.has_value());
  try {
    int exitCode = 0;
    auto options = parseCommandLine(argc, argv, exitCode);
    return options ? run(*options, environment, argc, argv) : exitCode;
  } catch (...) {
    return fail(describeException().message());
  }
}
