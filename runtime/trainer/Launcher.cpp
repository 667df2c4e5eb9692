//===- Launcher.cpp - fsdp-run as the parent of its ranks -----------------===//

#include "trainer/Launcher.h"

#include "trainer/Failure.h"

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace fsdprt;

static pid_t launchedProcess = -1;
static volatile sig_atomic_t receivedSignal = 0;

static void forwardSignal(int number) {
  receivedSignal = number;
  if (launchedProcess > 0)
    ::kill(launchedProcess, number);
}

static std::vector<std::string> commandFor(int ranks, int argc, char **argv) {
  char self[PATH_MAX];
  ssize_t length = ::readlink("/proc/self/exe", self, sizeof(self) - 1);
  std::vector<std::string> command = {
      "mpirun", "--quiet", "--oversubscribe",    "--bind-to",
      "none",   "-n",      std::to_string(ranks)};
  if (::geteuid() == 0)
    command.insert(command.begin() + 1, "--allow-run-as-root");
  command.push_back(length > 0 ? std::string(self, length) : argv[0]);
  command.insert(command.end(), argv + 1, argv + argc);
  return command;
}

/// A survivor's transport complains when its peer is gone; what happened is
/// said by our own message.
static bool isEchoOfDeath(const std::string &line) {
  return line.find("] Read -1, expected ") != std::string::npos;
}

/// Passes what the ranks write to standard error on, line by line, to its end.
static void forwardErrors(int fd) {
  std::string pending;
  char piece[4096];
  for (ssize_t got; (got = ::read(fd, piece, sizeof(piece))) != 0;) {
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      break;
    pending.append(piece, got);
    for (size_t end; (end = pending.find('\n')) != std::string::npos;) {
      std::string line = pending.substr(0, end + 1);
      pending.erase(0, end + 1);
      if (!isEchoOfDeath(line))
        std::fputs(line.c_str(), stderr);
    }
  }
  std::fputs(pending.c_str(), stderr);
}

static constexpr int forwardedSignals[] = {SIGTERM, SIGINT, SIGHUP};

/// From here on signals go to mpirun, which ends the ranks. Under nohup a
/// terminal that closes still ends nothing.
static void forwardSignals() {
  for (int number : forwardedSignals)
    if (::signal(number, forwardSignal) == SIG_IGN && number == SIGHUP)
      ::signal(number, SIG_IGN);
}

/// In the child: signals do what they did to us, and should we be killed, which
/// nobody can pass on, mpirun is told to end.
static void becomeLaunched(pid_t parent, const sigset_t &mask) {
  for (int number : forwardedSignals)
    if (::signal(number, SIG_DFL) == SIG_IGN)
      ::signal(number, SIG_IGN);
  ::sigprocmask(SIG_SETMASK, &mask, nullptr);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent)
    ::_exit(1);
}

[[noreturn]] static void execute(const std::vector<std::string> &command) {
  std::vector<char *> pointers;
  for (const std::string &word : command)
    pointers.push_back(const_cast<char *>(word.c_str()));
  pointers.push_back(nullptr);
  ::execvp(pointers[0], pointers.data());
  std::fprintf(stderr,
               "fsdp-run: error: cannot start mpirun: %s; install OpenMPI or "
               "use --comm thread\n",
               std::strerror(errno));
  ::_exit(127);
}

static int exitCodeOf(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int fsdprt::launchRanks(int ranks, int argc, char **argv) {
  std::string name = "/fsdprt-" + std::to_string(::getpid());
  FlightFile::unlink(name); // a leftover of an earlier process of this number
  Expected<FlightFile> flight = FlightFile::createShared(name, 0, ranks);
  if (!flight.ok()) {
    reportFailure(nullptr, -1, flight.status().message());
    return 1;
  }
  ::setenv(flightVariable, name.c_str(), 1);
  if (::isatty(STDOUT_FILENO))
    ::setenv(terminalVariable, "1", 1);
  int errors[2];
  if (::pipe(errors) != 0) {
    reportFailure(nullptr, -1, "cannot make a pipe");
    return 1;
  }
  // A signal between fork and exec would be lost.
  sigset_t blocked, before;
  ::sigemptyset(&blocked);
  for (int number : forwardedSignals)
    ::sigaddset(&blocked, number);
  ::sigprocmask(SIG_BLOCK, &blocked, &before);
  forwardSignals();
  pid_t self = ::getpid();
  launchedProcess = ::fork();
  if (launchedProcess == 0) {
    becomeLaunched(self, before);
    ::dup2(errors[1], STDERR_FILENO);
    ::close(errors[0]);
    ::close(errors[1]);
    execute(commandFor(ranks, argc, argv));
  }
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  ::close(errors[1]);
  forwardErrors(errors[0]);
  ::close(errors[0]);
  int status = 0;
  while (::waitpid(launchedProcess, &status, 0) < 0 && errno == EINTR)
    ;
  FlightFile::unlink(name);
  int exitCode = exitCodeOf(status);
  if (exitCode == 0 || exitCode == 127)
    return exitCode;
  if (receivedSignal) {
    reportFailure(&*flight, -1,
                  std::string("stopped by a signal (") +
                      ::strsignal(receivedSignal) + "); nothing was saved");
    return 128 + receivedSignal;
  }
  SignalSafeText culprit;
  if (describeCulprit(*flight, -1, /*includeStuck=*/false, culprit) ||
      describeTold(*flight, culprit))
    reportFailure(&*flight, -1, culprit.data());
  else if (exitCode < 128)
    reportFailure(&*flight, -1,
                  "the ranks ended with exit status " +
                      std::to_string(exitCode));
  return exitCode;
}
