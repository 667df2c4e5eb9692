//===- Outputs.h - Files that are written -----------------------*- C++ -*-===//
#ifndef FSDP_TOOLS_FSDP_COMPILE_OUTPUTS_H
#define FSDP_TOOLS_FSDP_COMPILE_OUTPUTS_H

#include "Options.h"

namespace fsdp {
/// Checks, before any work, that every output can be written and that none
/// would replace another, an input, or a part of the program. Returns what is
/// wrong; "" if all is well.
std::string checkOutputs(const CompileOptions &options);

/// The same of the files that the parameters of `module` are read from.
std::string checkKeepsData(const CompileOptions &options,
                           mlir::ModuleOp module);
} // namespace fsdp

#endif // FSDP_TOOLS_FSDP_COMPILE_OUTPUTS_H
