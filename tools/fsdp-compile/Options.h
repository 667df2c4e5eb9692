//===- Options.h - fsdp-compile's command line ------------------*- C++ -*-===//
#ifndef FSDP_TOOLS_FSDP_COMPILE_OPTIONS_H
#define FSDP_TOOLS_FSDP_COMPILE_OPTIONS_H

#include "dialects/Onnx/Import/Import.h"
#include "passes/Lower/Program.h"
#include "passes/Pipeline/Pipeline.h"
#include "passes/Report/ReportPage.h"

#include <optional>

namespace fsdp {
/// What the command line asks for.
struct CompileOptions {
  std::string input;       ///< an ONNX model, or a planned program as MLIR
  std::string output;      ///< folder of the program; "": only reports
  std::string emitIr;      ///< where to write the planned program; "": nowhere
  std::string gpuArch;     ///< of --target cuda; "": for the CPU
  bool allowsTf32 = false; ///< in products of f32, with `gpuArch`
  onnx::ImportOptions import;
  PipelineOptions pipeline;
  ProgramOptions program;
  ReportOptions report; ///< without a path: none

  /// Whether `input` is a planned program, which is only lowered.
  bool isPlanned() const { return llvm::StringRef(input).ends_with(".mlir"); }
};

/// Reads and checks the command line; none after a message on stderr.
std::optional<CompileOptions> parseCommandLine(int argc, char **argv);
} // namespace fsdp

#endif // FSDP_TOOLS_FSDP_COMPILE_OPTIONS_H
