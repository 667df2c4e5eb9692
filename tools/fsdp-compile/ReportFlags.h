//===- ReportFlags.h - fsdp-compile's options of the report -----*- C++ -*-===//
#ifndef FSDP_TOOLS_FSDP_COMPILE_REPORTFLAGS_H
#define FSDP_TOOLS_FSDP_COMPILE_REPORTFLAGS_H

#include "passes/Report/ReportPage.h"

#include "llvm/Support/CommandLine.h"

namespace fsdp {
/// The options of what is written, as --help groups them.
extern llvm::cl::OptionCategory outputOptions;

/// Whether --report was given.
bool asksForReport();

/// What is wrong with the report's options; "" if all is well.
std::string readReportOptions(ReportOptions &options);
} // namespace fsdp

#endif // FSDP_TOOLS_FSDP_COMPILE_REPORTFLAGS_H
