//===- Interrupt.h - A compiler that is told to end -------------*- C++ -*-===//
#ifndef FSDP_TOOLS_FSDP_COMPILE_INTERRUPT_H
#define FSDP_TOOLS_FSDP_COMPILE_INTERRUPT_H

#include <csignal>

namespace fsdp {
/// The signals that whoever started the compiler has it ignore (nohup). Asked
/// first thing in main: LLVM installs handlers for them.
class IgnoredSignals {
public:
  IgnoredSignals();
  bool contains(int number) const { return ::sigismember(&ignored, number); }

private:
  sigset_t ignored;
};

/// From here on the signals that end a program remove what is not finished, say
/// so and exit with 128 + the signal; those in `ignored` stay so. Where all
/// outputs are whole they do nothing: the compiler is about to end. A fault
/// removes what is not finished, too. A file that may not grow (ulimit -f) is
/// an error like a full disk, not a signal.
void installInterruptHandlers(const IgnoredSignals &ignored);
} // namespace fsdp

#endif // FSDP_TOOLS_FSDP_COMPILE_INTERRUPT_H
