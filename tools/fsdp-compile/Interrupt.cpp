//===- Interrupt.cpp - A compiler that is told to end ---------------------===//
#include "Interrupt.h"
#include "passes/Output/Folder.h"

#include "llvm/Support/Signals.h"

#include <csignal>
#include <cstring>
#include <unistd.h>

static void print(const char *text) {
  ssize_t ignored = ::write(STDERR_FILENO, text, std::strlen(text));
  (void)ignored;
}

static void onInterrupt(int number) {
  llvm::sys::RunInterruptHandlers(); // files that are registered for removal
  fsdp::abandonOutputs();
  print("fsdp-compile: error: stopped by a signal (");
  print(number == SIGINT    ? "Interrupt"
        : number == SIGTERM ? "Terminated"
                            : "Hangup");
  print("); the program was not written\n");
  ::_exit(128 + number);
}

void fsdp::installInterruptHandlers() {
  for (int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction old = {}, action = {};
    action.sa_handler = onInterrupt;
    ::sigfillset(&action.sa_mask);
    if (::sigaction(number, nullptr, &old) == 0 && old.sa_handler != SIG_IGN)
      ::sigaction(number, &action, nullptr);
  }
  // A file beyond the user's limit is then an error of the write.
  ::signal(SIGXFSZ, SIG_IGN);
}
