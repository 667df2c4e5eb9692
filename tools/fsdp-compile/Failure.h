//===- Failure.h - A compiler that cannot go on -----------------*- C++ -*-===//
#ifndef FSDP_TOOLS_FSDP_COMPILE_FAILURE_H
#define FSDP_TOOLS_FSDP_COMPILE_FAILURE_H

#include <initializer_list>

namespace fsdp {
/// Says "fsdp-compile: error: " and `words`, removes files that are not
/// finished, and exits. Safe in a signal handler.
[[noreturn]] void endWith(int status,
                          std::initializer_list<const char *> words);

/// From here on it is one line and status 1 where memory or threads run out,
/// or LLVM knows no way on.
void installFailureHandlers();

/// Whether MLIR can have its threads: it ends the process where one is refused.
bool canStartThreads();
} // namespace fsdp

#endif // FSDP_TOOLS_FSDP_COMPILE_FAILURE_H
