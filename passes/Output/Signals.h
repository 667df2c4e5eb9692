//===- Signals.h - Signals that end the compiler ----------------*- C++ -*-===//
#ifndef FSDP_PASSES_OUTPUT_SIGNALS_H
#define FSDP_PASSES_OUTPUT_SIGNALS_H

#include <csignal>

namespace fsdp {
/// What ends a program from outside unless it is handled.
constexpr int endingSignals[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM,
                                 SIGUSR2, SIGALRM, SIGXCPU};

/// Holds these signals back from the thread, which is the one that handles
/// them, while an end would fall between two steps that belong together.
class SignalsHeld {
public:
  SignalsHeld() {
    sigset_t held;
    ::sigemptyset(&held);
    for (int number : endingSignals)
      ::sigaddset(&held, number);
    ::pthread_sigmask(SIG_BLOCK, &held, &before);
  }
  ~SignalsHeld() { ::pthread_sigmask(SIG_SETMASK, &before, nullptr); }
  SignalsHeld(const SignalsHeld &) = delete;
  SignalsHeld &operator=(const SignalsHeld &) = delete;

  /// What was held back before.
  const sigset_t &outside() const { return before; }

private:
  sigset_t before;
};
} // namespace fsdp

#endif // FSDP_PASSES_OUTPUT_SIGNALS_H
