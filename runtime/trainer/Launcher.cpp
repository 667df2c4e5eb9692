//===- Launcher.cpp - fsdp-run as the parent of its ranks -----------------===//

#include "trainer/Launcher.h"

#include "comm/MpiCommunicator.h"
#include "core/UniqueName.h"
#include "trainer/CheckpointSignals.h"
#include "trainer/Failure.h"
#include "trainer/LocalRanks.h"
#include "trainer/Mpirun.h"
#include "trainer/Processes.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace fsdprt;

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

namespace {
/// mpirun at work: waits for its end, and sees to it that there is one.
class Watch {
public:
  Watch(const FlightFile &flight, int errors, double timeoutSeconds)
      : flight(flight), lines(errors),
        startLimit(std::max(timeoutSeconds, leastStartSeconds)),
        endLimit(timeoutSeconds) {}

  /// mpirun's status, as waitpid has it.
  int wait();
  /// Whether the ranks did not start in time, which has been said.
  bool startFailed() const { return failedToStart; }

private:
  using Clock = std::chrono::steady_clock;

  void checkStart();
  void checkEnd();
  void tellToEnd();
  void escalate();

  /// What mpirun gets to end the ranks and itself.
  static constexpr std::chrono::seconds grace{5};

  const FlightFile &flight;
  ErrorLines lines;
  const std::chrono::duration<double> startLimit, endLimit;
  const Clock::time_point begin = Clock::now();
  std::optional<Clock::time_point> toldAt; // to end
  std::optional<Clock::time_point> finishedAt;
  bool failedToStart = false, allStarted = false;
};
} // namespace

void Watch::checkStart() {
  if (allStarted || toldAt || Clock::now() - begin < startLimit)
    return;
  std::string absent = describeAbsent(flight);
  allStarted = absent.empty();
  if (allStarted)
    return;
  failedToStart = true;
  std::ostringstream message;
  message << absent << " of " << flight.numSlots() << " did not start within "
          << startLimit.count() << " s: "
          << (hasMpi() ? "a rank may have ended in MPI_Init, or memory"
                       : "memory")
          << " or processes are limited; see --timeout if it only takes this "
             "long";
  reportFailure(&flight, -1, message.str());
  tellToEnd();
}

/// Ranks that have done their work may hang in MPI_Finalize, or mpirun after
/// them; that changes nothing any more.
void Watch::checkEnd() {
  if (!finishedAt && flight.allFinished())
    finishedAt = Clock::now();
  if (finishedAt && !toldAt && Clock::now() - *finishedAt > endLimit)
    tellToEnd();
}

void Watch::tellToEnd() {
  signalMpirun(SIGTERM);
  toldAt = Clock::now();
}

/// mpirun 4.1 waits for ever for a rank that died in MPI_Init, whatever it is
/// told.
void Watch::escalate() {
  if (endingSignal() && !toldAt)
    toldAt = Clock::now();
  if (toldAt && Clock::now() - *toldAt > grace)
    signalMpirun(SIGKILL);
}

int Watch::wait() {
  constexpr int patience = 100; // milliseconds
  bool isOpen = true;
  std::optional<int> status;
  while (!(status = reapMpirun())) {
    if (!isOpen)
      ::usleep(patience * 1000);
    else
      isOpen = lines.forward(patience) != ErrorLines::Came::End;
    checkStart();
    checkEnd();
    escalate();
  }
  while (lines.forward(0) == ErrorLines::Came::Text)
    ;
  return *status;
}

/// What is said of the end, where no rank has said it.
static std::string describeEnd(int status, const FlightFile &flight) {
  SignalSafeText saved; // which is said of every failure
  std::string nothing =
      describeSaved(flight, saved) ? "" : "; nothing was saved";
  if (int number = endingSignal())
    return std::string("stopped by a signal (") + ::strsignal(number) + ")" +
           nothing;
  if (WIFSIGNALED(status))
    return std::string(hasMpi() ? "mpirun" : "what starts the ranks") +
           " was killed by a signal (" + ::strsignal(WTERMSIG(status)) +
           "), and the ranks ended with it" + nothing;
  SignalSafeText culprit;
  if (describeCulprit(flight, -1, /*includeStuck=*/false, culprit) ||
      describeTold(flight, culprit))
    return culprit.data();
  int exitCode = WEXITSTATUS(status);
  // mpirun passes a rank's signal on, as 128 + its number.
  return exitCode > 128
             ? std::string("a rank was ended by a signal (") +
                   ::strsignal(exitCode - 128) + ")"
             : "the ranks ended with exit status " + std::to_string(exitCode) +
                   ", before they had finished";
}

/// Says it, and returns the exit code: 128 + a signal's number only if this
/// process was sent it.
static int concludeRun(int status, const FlightFile &flight) {
  if (flight.allFinished()) // whatever became of the processes after that
    return flight.header()->preempted ? preemptedStatus : 0;
  int exitCode = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
  if (!endingSignal() && exitCode == cannotStart)
    return exitCode;
  reportFailure(&flight, -1, describeEnd(status, flight));
  if (int number = endingSignal())
    return 128 + number;
  return exitCode == 0 || exitCode > 128 ? 1 : exitCode;
}

namespace {
/// The record that ranks open by its name; they remove the name too.
struct SharedFlight {
  explicit SharedFlight(int ranks)
      : name("/fsdprt-" + uniqueSuffix()),
        file(FlightFile::createShared(name, 0, ranks)) {}
  ~SharedFlight() {
    if (file.ok())
      FlightFile::unlink(name);
  }

  const std::string name;
  Expected<FlightFile> file;
};
} // namespace

int fsdprt::launchRanks(int ranks, double timeoutSeconds, bool checkpoints,
                        int argc, char **argv) {
  std::optional<HeldSignals> held(std::in_place); // till they can be passed on
  SharedFlight flight(ranks);
  int errors[2];
  Status status = flight.file.status();
  if (status.ok() && ::pipe2(errors, O_CLOEXEC) != 0)
    status = failure("cannot make a pipe: ", std::strerror(errno));
  if (!status.ok()) {
    reportFailure(nullptr, -1, status.message());
    return 1;
  }
  if (checkpoints)
    listenForCheckpoints(*flight.file);
  ::setenv(flightVariable, flight.name.c_str(), 1);
  if (::isatty(STDOUT_FILENO))
    ::setenv(terminalVariable, "1", 1);
  const std::vector<pid_t> inherited = listChildren();
  adoptOrphans();
  auto become = [&] {
    hasMpi() ? becomeMpirun(commandFor(ranks, argc, argv))
             : runLocalRanks(ranks, argv);
  };
  status = startMpirun(become, errors[1], *held);
  held.reset();
  ::close(errors[1]);
  if (!status.ok()) {
    reportFailure(nullptr, -1, status.message());
    return 1;
  }
  Watch watch(*flight.file, errors[0], timeoutSeconds);
  int ended = watch.wait();
  killChildren(inherited); // ranks outlive an mpirun that was killed
  return watch.startFailed() ? 1 : concludeRun(ended, *flight.file);
}
