//===- OptimizerFlags.h - fsdp-compile's options of updates -----*- C++ -*-===//
#ifndef FSDP_TOOLS_FSDP_COMPILE_OPTIMIZERFLAGS_H
#define FSDP_TOOLS_FSDP_COMPILE_OPTIMIZERFLAGS_H

#include "passes/Pipeline/Pipeline.h"

#include "llvm/Support/CommandLine.h"

namespace fsdp {
/// The options of what a step does, as --help groups them.
extern llvm::cl::OptionCategory trainOptions;

/// Reads the options of updates: what is wrong with them, or "".
std::string readOptimizerOptions(PipelineOptions &options);
} // namespace fsdp

#endif // FSDP_TOOLS_FSDP_COMPILE_OPTIMIZERFLAGS_H
