//===- Mpirun.h - The process that starts the ranks -------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_MPIRUN_H
#define FSDPRT_TRAINER_MPIRUN_H

#include "core/Status.h"

#include <csignal>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace fsdprt {

/// Keeps ending signals back as long as it lives: they wait.
class HeldSignals {
public:
  HeldSignals();
  ~HeldSignals() { ::sigprocmask(SIG_SETMASK, &before, nullptr); }
  HeldSignals(const HeldSignals &) = delete;
  HeldSignals &operator=(const HeldSignals &) = delete;

  const sigset_t &usual() const { return before; }

private:
  sigset_t before;
};

/// Calls `become`, which does not return, in a child with its standard error
/// into `errors`: the one that ending signals are passed on to, those that are
/// `held` now too. Should this process be killed, which nobody can pass on, the
/// child is told to end.
Status startMpirun(const std::function<void()> &become, int errors,
                   const HeldSignals &held);

/// Becomes `command`, mpirun and its arguments, or says why it cannot.
[[noreturn]] void becomeMpirun(const std::vector<std::string> &command);

/// Sends it a signal; nothing once it has been reaped.
void signalMpirun(int number);

/// Its status, as waitpid has it, once it has ended.
std::optional<int> reapMpirun();

/// The last signal that told this process to end; 0: none did.
int endingSignal();

/// Exit status of a child that could not become mpirun, and has said so.
constexpr int cannotStart = 127;

} // namespace fsdprt

#endif // FSDPRT_TRAINER_MPIRUN_H
