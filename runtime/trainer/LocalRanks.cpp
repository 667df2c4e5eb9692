//===- LocalRanks.cpp - Ranks of this host, started without MPI -----------===//

#include "trainer/LocalRanks.h"

#include "trainer/Failure.h"
#include "trainer/Mpirun.h"

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace fsdprt;

// Positive as long as the number is a rank's of ours. The vector stays as it is
// once there are handlers.
static std::vector<std::atomic<pid_t>> processes;

static void tellRanks(int number) {
  for (const std::atomic<pid_t> &process : processes)
    if (pid_t rank = process; rank > 0)
      ::kill(rank, number);
}

static void killRanks(int) { tellRanks(SIGKILL); }

static void sayCannotStart(int rank) {
  std::fprintf(
      stderr,
      "fsdp-run: error: cannot start rank %d: %s; allow more processes "
      "(ulimit -u, the pids limit of the cgroup)\n",
      rank, std::strerror(errno));
}

[[noreturn]] static void becomeRank(int rank, int ranks, pid_t parent,
                                    char **argv) {
  for (auto [name, value] :
       {std::pair("RANK", rank), std::pair("WORLD_SIZE", ranks),
        std::pair("LOCAL_RANK", rank), std::pair("LOCAL_WORLD_SIZE", ranks)})
    ::setenv(name, std::to_string(value).c_str(), 1);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent)
    ::_exit(1);
  ::execv("/proc/self/exe", argv);
  sayCannotStart(rank);
  ::_exit(cannotStart);
}

/// The status of the next rank that ends, and no more of its process.
static int waitForOne() {
  siginfo_t info = {};
  while (::waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) != 0)
    if (errno != EINTR)
      return 0;
  // From its reaping on, the number may be another process's.
  for (std::atomic<pid_t> &process : processes)
    if (process == info.si_pid)
      process = 0;
  ::waitpid(info.si_pid, nullptr, 0);
  return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

/// Starts them as far as that goes; how many there are.
static int startRanks(int ranks, const HeldSignals &held, char **argv) {
  std::vector<std::atomic<pid_t>>(size_t(ranks)).swap(processes);
  pid_t self = ::getpid();
  for (int rank = 0; rank < ranks; ++rank) {
    pid_t process = ::fork();
    if (process == 0) {
      ::sigprocmask(SIG_SETMASK, &held.usual(), nullptr);
      becomeRank(rank, ranks, self, argv);
    }
    if (process < 0) {
      sayCannotStart(rank);
      return rank;
    }
    processes[size_t(rank)] = process;
  }
  return ranks;
}

void fsdprt::runLocalRanks(int ranks, char **argv) {
  constexpr unsigned grace = 5; // seconds
  HeldSignals held;
  int left = startRanks(ranks, held, argv);
  int failed = left < ranks ? cannotStart : 0;
  handleEndingSignals(tellRanks);
  std::signal(SIGALRM, killRanks);
  ::sigprocmask(SIG_SETMASK, &held.usual(), nullptr);
  for (bool isTold = false; left > 0; --left) {
    if (failed && !isTold) {
      isTold = true;
      tellRanks(SIGTERM);
      ::alarm(grace);
    }
    if (int status = waitForOne(); !failed)
      failed = status;
  }
  ::_exit(failed);
}
