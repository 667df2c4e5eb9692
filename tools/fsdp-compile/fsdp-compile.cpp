//===- fsdp-compile.cpp - ONNX model to sharded training program ----------===//
#include "Report.h"
#include "passes/Kernel/Compile.h"
#include "passes/Lower/Program.h"
#include "passes/Pipeline/Pipeline.h"
#include "tools/Diagnostics.h"
#include "tools/ImportFlags.h"
#include "tools/Register.h"

#include "mlir/Pass/PassManager.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Process.h"
#include "llvm/TargetParser/Host.h"

#include <cctype>
#include <chrono>
#include <cmath>

namespace cl = llvm::cl;
using namespace mlir;
using namespace fsdp;

namespace {
cl::OptionCategory trainOptions("Training step");
cl::OptionCategory shardOptions("Sharding");
cl::OptionCategory outputOptions("Output");

cl::opt<std::string> modelPath(cl::Positional, cl::Required,
                               cl::desc("<model.onnx>"));

cl::opt<std::string>
    loss("loss", cl::desc("cross_entropy; empty: the loss inside the model"),
         cl::cat(trainOptions));
cl::opt<std::string> logits("logits",
                            cl::desc("The output that holds the logits"),
                            cl::value_desc("name"), cl::cat(trainOptions));
cl::opt<std::string> labelsShift(
    "labels-shift",
    cl::desc("Who shifts labels: data or model (default: seen in the graph)"),
    cl::cat(trainOptions));
cl::opt<std::string>
    lossMean("loss-mean",
             cl::desc("global: mean over all ranks' valid tokens; rank: "
                      "FSDP2's mean of the ranks' means"),
             cl::init("global"), cl::cat(trainOptions));
cl::opt<std::string> optimizer("optimizer", cl::desc("adamw or sgd"),
                               cl::init("adamw"), cl::cat(trainOptions));
cl::opt<std::string> betas("betas", cl::desc("AdamW's betas"),
                           cl::init("0.9,0.999"), cl::cat(trainOptions));
cl::opt<double> eps("eps", cl::desc("AdamW's epsilon"), cl::init(1e-8),
                    cl::cat(trainOptions));
cl::opt<double>
    weightDecay("weight-decay",
                cl::desc("Weight decay (default: 0.01 adamw, 0 sgd)"),
                cl::cat(trainOptions));
cl::list<std::string> noDecay("no-decay",
                              cl::desc("Parameters that do not decay"),
                              cl::value_desc("pattern"), cl::cat(trainOptions));
cl::opt<double> momentum("momentum", cl::desc("SGD's momentum"), cl::init(0),
                         cl::cat(trainOptions));
cl::opt<double>
    clipGradNorm("clip-grad-norm",
                 cl::desc("Largest global gradient norm (default: none)"),
                 cl::cat(trainOptions));

cl::opt<std::string> mesh("mesh", cl::desc("Mesh axes and sizes: shard=8"),
                          cl::init("shard=1"), cl::cat(shardOptions));
cl::list<std::string>
    units("unit",
          cl::desc("Modules that are FSDP units: 'model.layers.*' (default: "
                   "elements of the outermost module lists)"),
          cl::value_desc("pattern"), cl::cat(shardOptions));

cl::opt<std::string> output("o", cl::Required, cl::desc("Program to write"),
                            cl::value_desc("model.fsdp"),
                            cl::cat(outputOptions));
cl::opt<std::string> targetCpu("target-cpu", cl::desc("CPU to compile for"),
                               cl::init("native"), cl::cat(outputOptions));
cl::opt<std::string> emitIr("emit-ir",
                            cl::desc("Also write the planned program as MLIR"),
                            cl::value_desc("file.mlir"),
                            cl::cat(outputOptions));

int fail(const llvm::Twine &message) {
  llvm::errs() << "fsdp-compile: error: " << message << "\n";
  return 1;
}

/// "0.9,0.999" to two numbers in [0, 1).
bool parseBetas(double &beta1, double &beta2) {
  auto [first, second] = llvm::StringRef(betas).split(',');
  return !first.trim().getAsDouble(beta1) &&
         !second.trim().getAsDouble(beta2) && beta1 >= 0 && beta1 < 1 &&
         beta2 >= 0 && beta2 < 1;
}

/// What can be said before the model is read: "" if all is well.
std::string checkOptions() {
  const std::pair<const cl::opt<double> *, bool> numbers[] = {
      {&eps, eps >= 0},
      {&weightDecay, weightDecay >= 0},
      {&momentum, momentum >= 0},
      {&clipGradNorm, !clipGradNorm.getNumOccurrences() || clipGradNorm > 0}};
  for (auto [option, valid] : numbers)
    if (!valid || !std::isfinite(double(*option)))
      return llvm::formatv("--{0} is {1}, expected a {2} number",
                           option->ArgStr, double(*option),
                           option == &clipGradNorm ? "positive"
                                                   : "non-negative");
  if (optimizer == "adamw" && momentum.getNumOccurrences())
    return "--momentum is for --optimizer sgd; adamw has --betas";
  if (optimizer == "sgd" &&
      (betas.getNumOccurrences() || eps.getNumOccurrences()))
    return "--betas and --eps are for --optimizer adamw; sgd has --momentum";
  if (failed(getKernelTarget(targetCpu)))
    return llvm::formatv("unknown --target-cpu '{0}', expected native or a CPU "
                         "of this machine's architecture ({1})",
                         targetCpu, llvm::sys::getDefaultTargetTriple());
  return "";
}

/// LLVM's complaints about the command line, the first one, as one of ours.
int failUsage(llvm::StringRef complaints) {
  // LLVM itself prints what is wrong with a known option.
  if (complaints.empty())
    return fail("cannot use the command line, for the reason above; see "
                "fsdp-compile --help");
  llvm::StringRef first = complaints.split('\n').first;
  first.consume_front("fsdp-compile: ");
  first = first.split(".  Try:").first.rtrim('!');
  std::string message = first.str();
  if (!message.empty())
    message[0] = std::tolower(message[0]);
  return fail(message + "; see fsdp-compile --help");
}

/// Says what is being done, and how long it took.
class Stage {
public:
  explicit Stage(llvm::StringRef name)
      : name(name), begin(std::chrono::steady_clock::now()) {
    if (llvm::sys::Process::StandardErrIsDisplayed())
      llvm::errs() << "[" << name << "] ...\r";
  }
  void progress(size_t done, size_t all) {
    if (llvm::sys::Process::StandardErrIsDisplayed())
      llvm::errs() << "[" << name << "] " << done << "/" << all << "\r";
  }
  ~Stage() {
    std::chrono::duration<double> time =
        std::chrono::steady_clock::now() - begin;
    llvm::errs() << "[" << name << "] " << llvm::format("%.1f s", time.count())
                 << "       \n";
  }

private:
  llvm::StringRef name;
  std::chrono::steady_clock::time_point begin;
};

PipelineOptions pipelineOptions(double beta1, double beta2) {
  PipelineOptions options;
  options.mesh = mesh;
  options.units = units;
  options.loss = loss;
  options.logits = logits;
  options.labelsShift = labelsShift;
  options.lossMean = lossMean;
  options.optimizer = optimizer;
  options.beta1 = beta1;
  options.beta2 = beta2;
  options.eps = eps;
  options.weightDecay = weightDecay.getNumOccurrences() ? weightDecay
                        : optimizer == "adamw"          ? 0.01
                                                        : 0.0;
  options.momentum = momentum;
  options.clipGradNorm = clipGradNorm;
  options.noDecay = noDecay;
  return options;
}

LogicalResult compile(MLIRContext &context, const ImportFlags &importFlags,
                      const PipelineOptions &pipeline) {
  FailureOr<onnx::ImportOptions> import = importFlags.get();
  if (failed(import))
    return failure();
  OwningOpRef<ModuleOp> module;
  {
    Stage stage("import");
    module = onnx::importOnnx(modelPath, *import, &context);
    if (!module || failed(onnx::checkSupported(*module)))
      return failure();
  }
  reportParameters(*module, llvm::errs());
  {
    Stage stage("passes");
    PassManager manager(&context);
    manager.enableVerifier(true);
    buildPipeline(manager, pipeline);
    if (failed(manager.run(*module)))
      return failure();
  }
  if (auto shift = (*module)->getAttrOfType<StringAttr>("train.labels_shift"))
    llvm::errs() << "labels: shifted by the " << shift.getValue() << "\n";
  if (!emitIr.empty()) {
    std::error_code error;
    llvm::raw_fd_ostream stream(emitIr, error);
    if (error)
      return emitError(UnknownLoc::get(&context))
             << "cannot write '" << emitIr << "': " << error.message();
    stream << *module;
  }
  {
    Stage stage("code");
    ProgramOptions options;
    options.cpu = targetCpu;
    options.onKernel = [&](size_t done, size_t all) {
      stage.progress(done, all);
    };
    if (failed(writeProgram(*module, output, options)))
      return failure();
  }
  reportPlan(*module, llvm::errs());
  return success();
}
} // namespace

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  ImportFlags importFlags;
  // LLVM's own options would be hundreds of lines of --help.
  cl::HideUnrelatedOptions({&importFlags.getCategory(), &trainOptions,
                            &shardOptions, &outputOptions});
  std::string complaints;
  llvm::raw_string_ostream complaintStream(complaints);
  if (!cl::ParseCommandLineOptions(
          argc, argv,
          "fsdp-compile: turns an ONNX model into a sharded training "
          "program\n\n"
          "  fsdp-compile model.onnx --dim batch=4 --dim seq=256 --init \\\n"
          "    --loss cross_entropy --mesh shard=2 -o model.fsdp\n"
          "  fsdp-run -n 2 model.fsdp --data text.txt --tokenizer bytes\n",
          &complaintStream))
    return failUsage(complaints);
  double beta1, beta2;
  if (!parseBetas(beta1, beta2))
    return fail("cannot read --betas '" + betas +
                "', expected two numbers in [0, 1): 0.9,0.999");
  if (std::string problem = checkOptions(); !problem.empty())
    return fail(problem);
  DialectRegistry registry;
  registerAll(registry);
  MLIRContext context(registry);
  context.printOpOnDiagnostic(false);
  ModelDiagnostics diagnostics(&context);
  return succeeded(compile(context, importFlags, pipelineOptions(beta1, beta2)))
             ? 0
             : 1;
}
