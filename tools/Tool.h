//===- Tool.h - How a tool presents itself ----------------------*- C++ -*-===//
#ifndef FSDP_TOOLS_TOOL_H
#define FSDP_TOOLS_TOOL_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"

#include <string>

namespace fsdp {
/// First thing in main: what errors begin with, and --version, which prints
/// one line: "fsdp-opt 0.1.0 (LLVM 19.1.7)".
void setTool(llvm::StringRef name);
llvm::StringRef getTool();

/// `text` without control characters, which names of files may hold: "\\n" for
/// a line break, but for one that a message indents what follows of it by.
std::string printable(llvm::StringRef text);

/// "fsdp-opt: error: ..." on stderr.
void printError(const llvm::Twine &message);

/// "; did you mean sgd?", the nearest of `known` in whatever case, two where
/// both are as near, or a data type by its other name (bf16, fp32). "" where
/// nothing is near.
std::string didYouMean(llvm::StringRef given,
                       llvm::ArrayRef<std::string> known);

/// LLVM's complaints about the command line, the first one, as one of ours.
void printUsageError(llvm::StringRef complaints);
} // namespace fsdp

#endif // FSDP_TOOLS_TOOL_H
