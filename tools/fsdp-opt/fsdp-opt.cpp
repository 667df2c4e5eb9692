//===- fsdp-opt.cpp - Reads .mlir and .onnx, runs passes ------------------===//
#include "tools/Diagnostics.h"
#include "tools/ImportFlags.h"
#include "tools/Register.h"
#include "tools/Tool.h"

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

static LogicalResult runOnModel(StringRef path, StringRef outputPath,
                                const fsdp::ImportFlags &flags,
                                const MlirOptMainConfig &config,
                                DialectRegistry &registry) {
  auto options = flags.get();
  if (failed(options))
    return failure();
  MLIRContext context(registry);
  fsdp::ModelDiagnostics diagnostics(&context);
  auto module = fsdp::onnx::importOnnx(path, *options, &context);
  if (!module)
    return failure();
  PassManager passes(&context, ModuleOp::getOperationName());
  if (failed(applyPassManagerCLOptions(passes)) ||
      failed(config.setupPassPipeline(passes)) || failed(passes.run(*module)))
    return failure();
  std::string message;
  auto output = openOutputFile(outputPath, &message);
  if (!output) {
    fsdp::printError(message);
    return failure();
  }
  OpPrintingFlags printing;
  module->print(output->os(), printing);
  output->os() << "\n";
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
    return 1;
  if (!StringRef(input).ends_with(".onnx"))
    return asMainReturnCode(MlirOptMain(argc, argv, input, output, registry));
  MlirOptMainConfig config = MlirOptMainConfig::createFromCLOptions();
  return asMainReturnCode(runOnModel(input, output, flags, config, registry));
}
