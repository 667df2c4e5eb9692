//===- Main.cpp - fsdp-run's entry into the runtime -----------------------===//

#pragma GCC visibility push(default)
#include "trainer/Main.h"
#pragma GCC visibility pop

#include "comm/MpiCommunicator.h"
#include "core/Exceptions.h"
#include "trainer/Budget.h"
#include "trainer/CheckpointSignals.h"
#include "trainer/Failure.h"
#include "trainer/Info.h"
#include "trainer/Input.h"
#include "trainer/Launcher.h"
#include "trainer/OptionChecks.h"
#include "trainer/Ranks.h"
#include "trainer/Resume.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <unistd.h>

using namespace fsdprt;

/// What moves data where the user has not said it. Of a program that cannot be
/// read that is a matter of how its ranks say so together.
static std::string defaultComm(const Expected<Manifest> &manifest,
                               const std::optional<RankEnvironment> &rank) {
  bool isCuda = manifest.ok() ? manifest->target == "cuda"
                              : rank && !(hasMpi() && rank->hasPmi);
  return isCuda ? "nccl" : "mpi";
}

/// Whether ranks meet by NCCL: where MPI is missing, or nobody has told it of
/// them.
static bool meetsByNccl(const RunOptions &options,
                        const std::optional<RankEnvironment> &rank) {
  return rank && options.comm == "nccl" && !(hasMpi() && rank->hasPmi);
}

/// OpenMP reads this when it is loaded, which was before main. Spinning threads
/// of the GEMM library would take the cores from the other ranks and from our
/// own workers.
static void makeOpenMpPassive(char **argv) {
  if (std::getenv("OMP_WAIT_POLICY"))
    return;
  ::setenv("OMP_WAIT_POLICY", "passive", 1);
  ::execv("/proc/self/exe", argv); // goes on as it is should this fail
}

/// NCCL reads this when it is first called; by then other threads may read the
/// environment.
static void prepareNccl() {
  // Connections and their buffers are made with communicators and not by the
  // first collectives: whether the arenas still fit is asked in between.
  ::setenv("NCCL_RUNTIME_CONNECT", "0", /*overwrite=*/0);
  // Several communicators of one GPU are then launched in the order of the
  // calls, which is the same on all ranks.
  ::setenv("NCCL_LAUNCH_ORDER_IMPLICIT", "1", /*overwrite=*/0);
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
  // Again, where the steps follow from the program.
  if (std::string problem = checkSchedule(options); !problem.empty())
    return Status::failure(problem);
  if (!options.autotune.empty() && manifest->target != "cuda")
    return failure("--autotune measures a GPU's products, and this program is "
                   "for the CPU; compile it with --target cuda, or leave it "
                   "out");
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
  if (meetsByNccl(options, environment))
    return checkRanks(*manifest, environment->world, "started were");
  if (!hasMpi() && options.comm == "mpi" &&
      (isOneOf || manifest->worldSize() > 1))
    return failure("this fsdp-run was built without MPI: it runs ranks in one "
                   "process, with --comm thread and no launcher; build it with "
                   "-DFSDPRT_MPI=ON for processes");
  return Status();
}

/// Says what the program is, once, though a launcher may have started several.
static int printInfo(const RunOptions &options,
                     const std::optional<RankEnvironment> &environment) {
  Expected<Manifest> manifest = loadManifest(options.program);
  bool speaks = !environment || environment->rank == 0;
  if (!manifest.ok())
    return failTogether(speaks, manifest.status().message());
  if (speaks)
    std::fputs(describeProgram(*manifest).c_str(), stdout);
  return std::fflush(stdout) == 0
             ? 0
             : fail("not all could be written to standard output");
}

static int run(RunOptions options,
               const std::optional<RankEnvironment> &environment, int argc,
               char **argv) {
  Expected<Manifest> manifest = Status::failure("not read");
  Status status;
  try {
    manifest = loadManifest(options.program);
    if (manifest.ok())
      if (Status planned = manifest->planMicrobatches(options.accumulate);
          !planned.ok())
        manifest = planned;
    status = findResumed(options);
    if (manifest.ok())
      setStepsByTokens(options, *manifest);
    if (options.comm.empty())
      options.comm = defaultComm(manifest, environment);
    if (status.ok())
      status = checkRun(options, environment, manifest);
  } catch (...) {
    status = describeException();
  }
  if (meetsByNccl(options, environment) && environment->world > 1)
    return runNcclRank(options, manifest, *environment, status);
  ::unsetenv("NCCL_COMM_ID"); // ranks tell each other where
  bool isRank = environment && (options.comm != "thread" || !status.ok()) &&
                !meetsByNccl(options, environment);
  if (isRank && hasMpi())
    return runMpiRank(options, manifest, *environment, status);
  if (status.ok())
    status = checkFits(options, *manifest, int(manifest->worldSize()));
  if (!status.ok()) // without MPI each believes to be alone
    return failTogether(!isRank || environment->rank == 0, status.message());
  // One rank needs neither processes nor messages.
  if (options.comm == "thread" || manifest->worldSize() == 1)
    return runThreads(options, *manifest);
  return launchRanks(int(manifest->worldSize()), options.timeoutSeconds,
                     !options.checkpointDir.empty(), argc, argv);
}

int fsdprt_main(int argc, char **argv) {
  ignoreCheckpointRequests();
  openStandardFiles();
  prepareNccl();
  makeOpenMpPassive(argv);
  // A reader of our output that has gone, and a file that may not grow, are
  // errors of the write; they must not end the training.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  auto get = [](const char *name) { return std::getenv(name); };
  auto environment = detectRank(get);
  sayHowItEnds(/*isRank=*/!environment.ok() || environment->has_value());
  try {
    int exitCode = 0;
    auto options = parseCommandLine(argc, argv, exitCode);
    if (!options)
      return exitCode;
    if (!environment.ok()) {
      // Where all have the same wrong, the first one's end has ended this one
      // by then; who is alone with it must not be silent.
      if (!speaksForHost(get))
        ::sleep(3);
      return fail(environment.status().message());
    }
    return options->info ? printInfo(*options, *environment)
                         : run(*options, *environment, argc, argv);
  } catch (...) {
    return fail(describeException().message());
  }
}
