//===- Tool.h - How a tool presents itself ----------------------*- C++ -*-===//
#ifndef FSDP_TOOLS_TOOL_H
#define FSDP_TOOLS_TOOL_H

#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"

namespace fsdp {
/// First thing in main: what errors begin with, and --version, which prints
/// one line: "fsdp-opt 0.1.0 (LLVM 19.1.7)".
void setTool(llvm::StringRef name);
llvm::StringRef getTool();

/// "fsdp-opt: error: ..." on stderr.
void printError(const llvm::Twine &message);

/// LLVM's complaints about the command line, the first one, as one of ours.
void printUsageError(llvm::StringRef complaints);
} // namespace fsdp

#endif // FSDP_TOOLS_TOOL_H
