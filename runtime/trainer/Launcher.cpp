//===- Launcher.cpp - fsdp-run as the parent of its ranks -----------------===//

#include "trainer/Launcher.h"

#include "trainer/Failure.h"
#include "trainer/Processes.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <sstream>
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

/// Passes what the ranks write to standard error on, line by line.
class ErrorLines {
public:
  explicit ErrorLines(int fd) : fd(fd) {}
  ~ErrorLines() {
    std::fputs(pending.c_str(), stderr);
    ::close(fd);
  }

  enum class Came { Nothing, Text, End };

  /// Passes on what comes within `milliseconds`.
  Came forward(int milliseconds) {
    pollfd waiting = {fd, POLLIN, 0};
    if (::poll(&waiting, 1, milliseconds) <= 0)
      return Came::Nothing;
    char piece[4096];
    ssize_t got = ::read(fd, piece, sizeof(piece));
    if (got <= 0)
      return got < 0 && errno == EINTR ? Came::Nothing : Came::End;
    pending.append(piece, got);
    for (size_t end; (end = pending.find('\n')) != std::string::npos;) {
      std::string line = pending.substr(0, end + 1);
      pending.erase(0, end + 1);
      if (!isEchoOfDeath(line))
        std::fputs(line.c_str(), stderr);
    }
    return Came::Text;
  }

private:
  int fd;
  std::string pending;
};

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

/// Exit status of a child that could not become mpirun, and has said so.
static constexpr int cannotStart = 127;

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
  ::_exit(cannotStart);
}

/// Runs `command` as `launchedProcess`, its standard error into `errors`.
static void startProcess(const std::vector<std::string> &command, int errors) {
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
    ::dup2(errors, STDERR_FILENO);
    execute(command);
  }
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
}

namespace {
/// mpirun at work: waits for its end, and sees to it that there is one.
class Watch {
public:
  Watch(const FlightFile &flight, int errors, double timeoutSeconds)
      : flight(flight), lines(errors),
        startLimit(std::max(timeoutSeconds, leastStartSeconds)) {}

  /// mpirun's status, as waitpid has it.
  int wait();
  /// Whether the ranks did not start in time, which has been said.
  bool startFailed() const { return failedToStart; }

private:
  using Clock = std::chrono::steady_clock;

  void checkStart();
  void escalate();

  /// Processes, MPI_Init and the check of the input, on a busy host.
  static constexpr double leastStartSeconds = 20;
  /// What mpirun gets to end the ranks and itself.
  static constexpr std::chrono::seconds grace{5};

  const FlightFile &flight;
  ErrorLines lines;
  const std::chrono::duration<double> startLimit;
  const Clock::time_point begin = Clock::now();
  std::optional<Clock::time_point> toldAt; // to end
  bool failedToStart = false, allStarted = false;
};
} // namespace

void Watch::checkStart() {
  if (allStarted || toldAt || Clock::now() - begin < startLimit)
    return;
  std::string absent;
  for (int i = 0; i < flight.numSlots(); ++i)
    if (flight.slot(i)->state == FlightState::Absent)
      absent += (absent.empty() ? "" : ", ") + std::to_string(i);
  allStarted = absent.empty();
  if (allStarted)
    return;
  failedToStart = true;
  std::ostringstream message;
  message << (absent.find(',') == std::string::npos ? "rank " : "ranks ")
          << absent << " of " << flight.numSlots() << " did not start within "
          << startLimit.count()
          << " s: a rank may have ended in MPI_Init, or memory or processes "
             "are limited; see --timeout if it only takes this long";
  reportFailure(&flight, -1, message.str());
  ::kill(launchedProcess, SIGTERM);
  toldAt = Clock::now();
}

/// mpirun 4.1 waits for ever for a rank that died in MPI_Init, whatever it is
/// told.
void Watch::escalate() {
  if (receivedSignal && !toldAt)
    toldAt = Clock::now();
  if (toldAt && Clock::now() - *toldAt > grace)
    ::kill(launchedProcess, SIGKILL);
}

int Watch::wait() {
  constexpr int patience = 100; // milliseconds
  int status = 0;
  bool isOpen = true;
  while (::waitpid(launchedProcess, &status, WNOHANG) != launchedProcess) {
    if (!isOpen)
      ::usleep(patience * 100);
    else
      isOpen = lines.forward(patience) != ErrorLines::Came::End;
    checkStart();
    escalate();
  }
  while (lines.forward(0) == ErrorLines::Came::Text)
    ;
  return status;
}

/// What is said of the end, where no rank has said it. Returns the exit code.
static int concludeRun(int status, const FlightFile &flight) {
  if (receivedSignal) {
    reportFailure(&flight, -1,
                  std::string("stopped by a signal (") +
                      ::strsignal(receivedSignal) + "); nothing was saved");
    return 128 + receivedSignal;
  }
  if (WIFSIGNALED(status)) {
    reportFailure(&flight, -1,
                  std::string("mpirun was killed by a signal (") +
                      ::strsignal(WTERMSIG(status)) +
                      "), and the ranks ended with it; nothing was saved");
    return 1;
  }
  int exitCode = WEXITSTATUS(status);
  if (exitCode == 0 || exitCode == cannotStart)
    return exitCode;
  SignalSafeText culprit;
  if (describeCulprit(flight, -1, /*includeStuck=*/false, culprit) ||
      describeTold(flight, culprit)) {
    reportFailure(&flight, -1, culprit.data());
    return exitCode;
  }
  // mpirun passes a rank's signal on, as 128 + its number.
  reportFailure(&flight, -1,
                exitCode > 128
                    ? std::string("a rank was ended by a signal (") +
                          ::strsignal(exitCode - 128) + ") before it trained"
                    : "the ranks ended with exit status " +
                          std::to_string(exitCode));
  return exitCode > 128 ? 1 : exitCode;
}

int fsdprt::launchRanks(int ranks, double timeoutSeconds, int argc,
                        char **argv) {
  std::string name = "/fsdprt-" + std::to_string(::getpid());
  FlightFile::unlink(name); // a leftover of an earlier process of this number
  Expected<FlightFile> flight = FlightFile::createShared(name, 0, ranks);
  int errors[2];
  if (!flight.ok() || ::pipe2(errors, O_CLOEXEC) != 0) {
    reportFailure(nullptr, -1,
                  flight.ok() ? "cannot make a pipe"
                              : flight.status().message());
    return 1;
  }
  ::setenv(flightVariable, name.c_str(), 1);
  if (::isatty(STDOUT_FILENO))
    ::setenv(terminalVariable, "1", 1);
  const std::vector<pid_t> inherited = listChildren();
  adoptOrphans();
  startProcess(commandFor(ranks, argc, argv), errors[1]);
  ::close(errors[1]);
  Watch watch(*flight, errors[0], timeoutSeconds);
  int status = watch.wait();
  killChildren(inherited); // ranks outlive an mpirun that was killed
  FlightFile::unlink(name);
  return watch.startFailed() ? 1 : concludeRun(status, *flight);
}
