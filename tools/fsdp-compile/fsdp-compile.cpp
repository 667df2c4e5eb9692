//===- fsdp-compile.cpp - ONNX model to sharded training program ----------===//
#include "Failure.h"
#include "Interrupt.h"
#include "Options.h"
#include "Outputs.h"
#include "Report.h"
#include "dialects/FsdpRt/FsdpRt.h"
#include "passes/Output/File.h"
#include "passes/Output/Folder.h"
#include "passes/Target/Target.h"
#include "tools/Diagnostics.h"
#include "tools/Plan.h"
#include "tools/Register.h"
#include "tools/Tool.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Support/FileUtilities.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Process.h"

#include <chrono>

using namespace mlir;
using namespace fsdp;

namespace {
/// Says what is being done and, when it is done, how long it took. Of a stage
/// that fails the error is the last word.
class Stage {
public:
  explicit Stage(llvm::StringRef name)
      : name(name), begin(std::chrono::steady_clock::now()) {
    if (llvm::sys::Process::StandardErrIsDisplayed())
      llvm::errs() << "[" << name << "] ...\r";
  }
  void progress(size_t done, size_t all) {
    count = all;
    if (llvm::sys::Process::StandardErrIsDisplayed())
      llvm::errs() << "[" << name << "] " << done << "/" << all << "\r";
  }
  void done() {
    std::chrono::duration<double> time =
        std::chrono::steady_clock::now() - begin;
    llvm::errs() << "[" << name << "] " << llvm::format("%.1f s", time.count());
    if (count)
      llvm::errs() << ", " << count << " compiled";
    llvm::errs() << "       \n";
  }

private:
  llvm::StringRef name;
  size_t count = 0; ///< of what the stage makes; 0: not counted
  std::chrono::steady_clock::time_point begin;
};

/// Asks the target how large reductions are cut, and whether its library has
/// products in half precision; says what it costs where it has none in bf16.
LogicalResult askTarget(ModuleOp module, CompileOptions &options) {
  FailureOr<std::unique_ptr<Target>> target = getTarget(module);
  if (failed(target))
    return failure();
  options.pipeline.foldElements = (*target)->getFoldElements();
  options.pipeline.libraryF16 = (*target)->hasProductsOf(
      Float16Type::get(module.getContext()), options.program.cpu);
  options.pipeline.libraryBf16 = (*target)->hasProductsOf(
      BFloat16Type::get(module.getContext()), options.program.cpu);
  if (!options.pipeline.libraryBf16 &&
      options.pipeline.paramDtype == "bfloat16")
    llvm::errs() << "fsdp-compile: warning: oneDNN has no products in bf16 on "
                    "the CPU compiled for (they need AVX-512): they are "
                    "computed in f32\n";
  return success();
}

/// Imports the model and runs all passes; null after a message.
OwningOpRef<ModuleOp> plan(MLIRContext &context, CompileOptions &options) {
  OwningOpRef<ModuleOp> module;
  {
    Stage stage("import");
    module = onnx::importOnnx(options.input, options.import, &context);
    if (!module || failed(onnx::checkSupported(*module)))
      return nullptr;
    stage.done();
  }
  context.loadDialect<rt::FsdpRtDialect>();
  if (!options.gpuArch.empty())
    (*module)->setAttr(rt::kTarget, rt::CudaAttr::get(&context, options.gpuArch,
                                                      options.allowsTf32));
  if (failed(askTarget(*module, options)))
    return nullptr;
  if (std::string problem = checkKeepsData(options, *module);
      !problem.empty()) {
    printError(problem);
    return nullptr;
  }
  reportParameters(*module, llvm::errs());
  {
    Stage stage("passes");
    PassManager manager(&context);
    buildPipeline(manager, options.pipeline);
    if (failed(manager.run(*module)))
      return nullptr;
    stage.done();
  }
  if (auto shift = (*module)->getAttrOfType<StringAttr>("train.labels_shift"))
    llvm::errs() << "labels: shifted by the " << shift.getValue() << "\n";
  return module;
}

/// Reads what --emit-ir wrote; null after a message.
OwningOpRef<ModuleOp> readPlan(MLIRContext &context, llvm::StringRef path) {
  Stage stage("read");
  std::string problem;
  auto text = openInputFile(path, &problem);
  if (!text) {
    printError(problem);
    return nullptr;
  }
  auto module = parsePlan(std::move(text), &context);
  if (failed(verifyPlan(*module)))
    return nullptr;
  stage.done();
  return module;
}

/// A plan for GPUs is for no CPU, and none for the CPU or the simulator is
/// assembled.
LogicalResult checkTools(ModuleOp module, const CompileOptions &options) {
  auto cuda = module->getAttrOfType<rt::CudaAttr>(rt::kTarget);
  auto loc = UnknownLoc::get(module.getContext());
  if (cuda && options.program.cpu != "native")
    return emitError(loc) << "--target-cpu has no effect on '" << options.input
                          << "', which is planned for GPUs";
  if (options.program.ptxas.empty() || (cuda && cuda.getArch() != "simulated"))
    return success();
  return emitError(loc) << "--ptxas has no effect on '" << options.input
                        << "', which is planned for "
                        << (cuda ? "the simulator" : "CPUs");
}

LogicalResult writeIr(ModuleOp module, llvm::StringRef path) {
  std::error_code error =
      writeWholeFile(path, [&](llvm::raw_ostream &os) { os << module; });
  if (!error)
    return success();
  return emitError(UnknownLoc::get(module.getContext()))
         << "cannot write '" << path << "': " << error.message();
}

LogicalResult writeProgramInStages(ModuleOp module, CompileOptions &options) {
  std::optional<Stage> stage;
  options.program.onPart = [&](llvm::StringRef part) {
    if (stage)
      stage->done();
    stage.emplace(part);
  };
  options.program.onKernel = [&](size_t done, size_t all) {
    stage->progress(done, all);
  };
  if (failed(writeProgram(module, options.output, options.program)))
    return failure();
  stage->done();
  return success();
}

LogicalResult compile(MLIRContext &context, CompileOptions &options) {
  OwningOpRef<ModuleOp> module = options.isPlanned()
                                     ? readPlan(context, options.input)
                                     : plan(context, options);
  if (!module || failed(checkTools(*module, options)) ||
      (!options.emitIr.empty() && failed(writeIr(*module, options.emitIr))))
    return failure();
  if (!options.report.path.empty() &&
      failed(writeReport(*module, options.report)))
    return failure();
  if (!options.output.empty() && failed(writeProgramInStages(*module, options)))
    return failure();
  keepOutputs();
  reportPlan(*module, llvm::errs());
  return success();
}

/// The exit status.
int runTool(int argc, char **argv) {
  std::optional<CompileOptions> options = parseCommandLine(argc, argv);
  if (!options)
    return 2;
  if (std::string problem = checkOutputs(*options); !problem.empty()) {
    printError(problem);
    return 1;
  }
  // Whoever reads the messages may leave: `fsdp-compile ... 2>&1 | head`.
  ::signal(SIGPIPE, SIG_IGN);
  DialectRegistry registry;
  if (options->isPlanned())
    registerPlan(registry);
  else
    registerAll(registry);
  MLIRContext context(registry, canStartThreads()
                                    ? MLIRContext::Threading::ENABLED
                                    : MLIRContext::Threading::DISABLED);
  context.printOpOnDiagnostic(false);
  ModelDiagnostics diagnostics(&context);
  return succeeded(compile(context, *options)) ? 0 : 1;
}
} // namespace

int main(int argc, char **argv) {
  const IgnoredSignals ignored;
  llvm::InitLLVM init(argc, argv, /*InstallPipeSignalExitHandler=*/false);
  setTool("fsdp-compile");
  installInterruptHandlers(ignored);
  installFailureHandlers();
  int status = runTool(argc, argv);
  llvm::errs().clear_error(); // messages that nobody reads are no failure
  return status;
}
