//===- Command.h - Another program at work in a folder ----------*- C++ -*-===//
#ifndef FSDP_PASSES_OUTPUT_COMMAND_H
#define FSDP_PASSES_OUTPUT_COMMAND_H

#include "llvm/ADT/ArrayRef.h"

#include <string>

namespace fsdp {
/// Runs `words`, of which the first is the path of the program, with `folder`
/// as its current folder, and waits. Returns "" or why it failed: the first
/// line that it wrote to standard error, its exit status, or its signal.
std::string runCommand(llvm::ArrayRef<std::string> words,
                       const std::string &folder);

/// Ends the command that runs, if one does. Safe in a signal handler.
void killCommand();
} // namespace fsdp

#endif // FSDP_PASSES_OUTPUT_COMMAND_H
