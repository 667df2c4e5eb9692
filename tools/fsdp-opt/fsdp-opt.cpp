//===- fsdp-opt.cpp - Reads .mlir and .onnx, runs passes ------------------===//
#include "tools/Diagnostics.h"
#include "tools/ImportFlags.h"
#include "tools/Register.h"

#include "mlir/IR/AsmState.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
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
    llvm::errs() << "error: " << message << "\n";
    return failure();
  }
  OpPrintingFlags printing;
  module->print(output->os(), printing);
  output->os() << "\n";
  output->keep();
  return success();
}

int main(int argc, char **argv) {
  DialectRegistry registry;
  fsdp::registerAll(registry);
  fsdp::ImportFlags flags;
  registerAsmPrinterCLOptions();
  registerPassManagerCLOptions();
  auto [input, output] = registerAndParseCLIOptions(
      argc, argv, "fsdp-opt: runs passes on .mlir files and .onnx models\n",
      registry);
  llvm::InitLLVM init(argc, argv);
  if (!StringRef(input).ends_with(".onnx"))
    return asMainReturnCode(MlirOptMain(argc, argv, input, output, registry));
  MlirOptMainConfig config = MlirOptMainConfig::createFromCLOptions();
  return asMainReturnCode(runOnModel(input, output, flags, config, registry));
}
