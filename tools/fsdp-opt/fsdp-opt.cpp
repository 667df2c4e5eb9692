//===- fsdp-opt.cpp - Reads .mlir and .onnx, runs passes ------------------===//
#include "tools/Diagnostics.h"
#include "tools/ImportFlags.h"
#include "tools/Register.h"
#include "tools/Tool.h"

#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/IR/AsmState.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Support/Timing.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace mlir;
using namespace fsdp;

/// An option of MLIR's that a model cannot honour, or "".
static StringRef optionForText(const MlirOptMainConfig &config) {
  if (!config.inputSplitMarker().empty())
    return "--split-input-file";
  if (config.shouldVerifyDiagnostics())
    return "--verify-diagnostics";
  if (config.shouldRunReproducer())
    return "--run-reproducer";
  return "";
}

/// The passes of the command line, with MLIR's options about them.
static LogicalResult runPasses(ModuleOp module,
                               const MlirOptMainConfig &config) {
  DefaultTimingManager timing;
  applyDefaultTimingManagerCLOptions(timing);
  TimingScope whole = timing.getRootScope();
  PassManager passes(module.getContext(), ModuleOp::getOperationName());
  passes.enableVerifier(config.shouldVerifyPasses());
  passes.enableTiming(whole);
  return failure(failed(applyPassManagerCLOptions(passes)) ||
                 failed(config.setupPassPipeline(passes)) ||
                 failed(passes.run(module)));
}

/// As text or, with --emit-bytecode, as bytecode.
static LogicalResult write(ModuleOp module, const MlirOptMainConfig &config,
                           raw_ostream &os) {
  if (!config.shouldEmitBytecode()) {
    module.print(os, OpPrintingFlags());
    os << "\n";
    return success();
  }
  BytecodeWriterConfig writer;
  if (auto version = config.bytecodeVersionToEmit())
    writer.setDesiredBytecodeVersion(*version);
  return writeBytecodeToFile(module, os, writer);
}

static LogicalResult runOnModel(StringRef path, StringRef outputPath,
                                const onnx::ImportOptions &options,
                                const MlirOptMainConfig &config,
                                DialectRegistry &registry) {
  MLIRContext context(registry);
  fsdp::ModelDiagnostics diagnostics(&context);
  auto module = fsdp::onnx::importOnnx(path, options, &context);
  if (!module || failed(runPasses(*module, config)))
    return failure();
  std::string message;
  auto output = openOutputFile(outputPath, &message);
  if (!output) {
    fsdp::printError(message);
    return failure();
  }
  if (failed(write(*module, config, output->os())))
    return failure();
  output->keep();
  return success();
}

/// As MLIR's registerAndParseCLIOptions, but that complaints are ours.
static bool parseCommandLine(int argc, char **argv, DialectRegistry &registry) {
  MlirOptMainConfig::registerCLOptions(registry);
  registerAsmPrinterCLOptions();
  registerMLIRContextCLOptions();
  registerPassManagerCLOptions();
  registerDefaultTimingManagerCLOptions();
  std::string overview = "fsdp-opt: runs passes on .mlir files and .onnx "
                         "models\n\nAvailable Dialects: ";
  overview += llvm::join(registry.getDialectNames(), ", ");
  std::string complaints;
  llvm::raw_string_ostream stream(complaints);
  if (llvm::cl::ParseCommandLineOptions(argc, argv, overview, &stream))
    return true;
  if (!complaints.empty()) // else LLVM has printed them itself
    fsdp::printUsageError(complaints);
  return false;
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  fsdp::setTool("fsdp-opt");
  DialectRegistry registry;
  fsdp::registerAll(registry);
  fsdp::ImportFlags flags;
  llvm::cl::opt<std::string> input(llvm::cl::Positional,
                                   llvm::cl::desc("<input file>"),
                                   llvm::cl::init("-"));
  llvm::cl::opt<std::string> output("o", llvm::cl::desc("Output filename"),
                                    llvm::cl::value_desc("filename"),
                                    llvm::cl::init("-"));
  if (!parseCommandLine(argc, argv, registry))
    return 2;
  if (!StringRef(input).ends_with(".onnx")) {
    if (const auto *option = flags.firstGiven()) {
      fsdp::printError("--" + option->ArgStr + " has no effect on '" + input +
                       "', which is imported already; give it with the .onnx "
                       "model");
      return 2;
    }
    return asMainReturnCode(MlirOptMain(argc, argv, input, output, registry));
  }
  MlirOptMainConfig config = MlirOptMainConfig::createFromCLOptions();
  auto options = flags.get();
  StringRef refused = optionForText(config);
  if (!refused.empty())
    fsdp::printError(refused + " is for .mlir files, '" + input +
                     "' is a model");
  if (failed(options) || !refused.empty())
    return 2;
  return asMainReturnCode(
      runOnModel(input, output, *options, config, registry));
}
