//===- Interrupt.h - A compiler that is told to end -------------*- C++ -*-===//
#ifndef FSDP_TOOLS_FSDP_COMPILE_INTERRUPT_H
#define FSDP_TOOLS_FSDP_COMPILE_INTERRUPT_H

namespace fsdp {
/// From here on SIGINT, SIGTERM and SIGHUP remove what is not finished, say so
/// and exit with 128 + the signal; one that is ignored (nohup) stays so. A file
/// that may not grow (ulimit -f) is an error like a full disk, not a signal.
void installInterruptHandlers();
} // namespace fsdp

#endif // FSDP_TOOLS_FSDP_COMPILE_INTERRUPT_H
