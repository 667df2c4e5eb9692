//===- Mpirun.cpp - The process that starts the ranks ---------------------===//

#include "trainer/Mpirun.h"

#include "trainer/CheckpointSignals.h"
#include "trainer/Failure.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace fsdprt;

// Positive only as long as the number is our child's: kill() of -1 would strike
// every process of the user.
static volatile sig_atomic_t launchedProcess = 0;
static volatile sig_atomic_t receivedSignal = 0;

static void forwardSignal(int number) {
  if (takesAsRequest(number))
    return;
  receivedSignal = number;
  signalMpirun(number);
}

HeldSignals::HeldSignals() {
  sigset_t held;
  ::sigemptyset(&held);
  for (int number : endingSignals)
    ::sigaddset(&held, number);
  ::sigprocmask(SIG_BLOCK, &held, &before);
}

void fsdprt::becomeMpirun(const std::vector<std::string> &command) {
  std::vector<char *> pointers;
  for (const std::string &word : command)
    pointers.push_back(const_cast<char *>(word.c_str()));
  pointers.push_back(nullptr);
  ::execvp(pointers[0], pointers.data());
  std::fprintf(stderr,
               "fsdp-run: error: cannot start mpirun: %s; install OpenMPI or "
               "use --comm thread\n",
               std::strerror(errno));
  ::_exit(cannotStart);
}

Status fsdprt::startMpirun(const std::function<void()> &become, int errors,
                           const HeldSignals &held) {
  handleEndingSignals(forwardSignal);
  pid_t self = ::getpid();
  pid_t child = ::fork();
  if (child < 0)
    return failure("cannot start mpirun: ", std::strerror(errno),
                   "; allow more processes (ulimit -u, the pids limit of the "
                   "cgroup), or use --comm thread");
  if (child == 0) {
    handleEndingSignals(SIG_DFL);
    ::sigprocmask(SIG_SETMASK, &held.usual(), nullptr);
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != self)
      ::_exit(1);
    // What is sent to our whole group (by a terminal, `timeout`, a batch
    // system) is for this process's parent to pass on or not: mpirun would kill
    // the ranks a second after it. A terminal may stop what writes to it behind
    // its foreground.
    ::setpgid(0, 0);
    std::signal(SIGTTOU, SIG_IGN);
    ::dup2(errors, STDERR_FILENO);
    become();
  }
  launchedProcess = child;
  return Status();
}

void fsdprt::signalMpirun(int number) {
  if (launchedProcess > 0)
    ::kill(launchedProcess, number);
}

std::optional<int> fsdprt::reapMpirun() {
  siginfo_t info = {};
  if (::waitid(P_PID, launchedProcess, &info, WEXITED | WNOHANG | WNOWAIT) ||
      info.si_pid == 0)
    return std::nullopt;
  // From its reaping on, the number may be another process's.
  pid_t child = launchedProcess;
  launchedProcess = 0;
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

int fsdprt::endingSignal() { return receivedSignal; }
