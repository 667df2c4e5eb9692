//===- Interrupt.cpp - A compiler that is told to end ---------------------===//
#include "Interrupt.h"
#include "Failure.h"
#include "passes/Output/Folder.h"
#include "passes/Output/Signals.h"

#include "llvm/Support/Signals.h"

#include <cerrno>
#include <cstring>
#include <pthread.h>

using namespace fsdp;

static pthread_t mainThread;

static void onInterrupt(int number) {
  int error = errno;
  // The system picks any thread. Outputs are written by one, which must not go
  // on while they are removed, nor be met where it holds signals back.
  if (!::pthread_equal(::pthread_self(), mainThread))
    ::pthread_kill(mainThread, number);
  else if (abandonOutputs())
    endWith(128 + number, {"stopped by a signal (", ::sigdescr_np(number),
                           "); the program was not written"});
  errno = error;
}

IgnoredSignals::IgnoredSignals() {
  ::sigemptyset(&ignored);
  for (int number : endingSignals) {
    struct sigaction action;
    if (::sigaction(number, nullptr, &action) == 0 &&
        action.sa_handler == SIG_IGN)
      ::sigaddset(&ignored, number);
  }
}

void fsdp::installInterruptHandlers(const IgnoredSignals &ignored) {
  mainThread = ::pthread_self();
  for (int number : endingSignals) {
    struct sigaction action = {};
    action.sa_handler = ignored.contains(number) ? SIG_IGN : onInterrupt;
    action.sa_flags = SA_RESTART;
    ::sigfillset(&action.sa_mask);
    ::sigaction(number, &action, nullptr);
  }
  llvm::sys::AddSignalHandler([](void *) { abandonOutputs(); }, nullptr);
  ::signal(SIGXFSZ, SIG_IGN);
}
