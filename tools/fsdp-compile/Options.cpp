//===- Options.cpp - fsdp-compile's command line --------------------------===//
#include "Options.h"
#include "Numbers.h"
#include "OptimizerFlags.h"
#include "ReportFlags.h"
#include "passes/Kernel/Compile.h"
#include "passes/Plan/Bytes.h"
#include "passes/Support/FlagText.h"
#include "passes/Target/Ptxas.h"
#include "passes/Target/Target.h"
#include "tools/ImportFlags.h"
#include "tools/Tool.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/TargetParser/Host.h"

namespace cl = llvm::cl;
using namespace mlir;
using namespace fsdp;

namespace {
cl::OptionCategory shardOptions("Sharding");
cl::OptionCategory targetOptions("Target");

cl::opt<std::string> modelPath(cl::Positional, cl::Required,
                               cl::desc("<model.onnx or plan.mlir>"));

cl::opt<std::string>
    loss("loss", cl::desc("cross_entropy (default: the loss inside the model)"),
         cl::cat(trainOptions));
cl::opt<std::string> logits("logits",
                            cl::desc("The output that holds the logits "
                                     "(default: \"logits\", or the only one)"),
                            cl::value_desc("name"), cl::cat(trainOptions));
cl::opt<std::string> labelsShift(
    "labels-shift",
    cl::desc("Who shifts labels: data or model (default: seen in the graph)"),
    cl::cat(trainOptions));
cl::opt<std::string> lossMean(
    "loss-mean",
    cl::desc("global (default): mean over all ranks' valid tokens; rank: "
             "FSDP2's mean of the ranks' means"),
    cl::init("global"), cl::cat(trainOptions));
cl::list<std::string> recompute(
    "recompute",
    cl::desc("Modules whose activations are computed again in backward: "
             "'model.layers.*', or 'model.layers.*=elementwise' for the cheap "
             "ones only (default: none)"),
    cl::value_desc("pattern"), cl::cat(trainOptions));

cl::opt<std::string>
    mesh("mesh", cl::desc("Mesh axes and sizes: shard=8 (default shard=1)"),
         cl::init("shard=1"), cl::cat(shardOptions));
cl::list<std::string>
    units("unit",
          cl::desc("Modules that are FSDP units: 'model.layers.*' (default: "
                   "elements of the outermost module lists)"),
          cl::value_desc("pattern"), cl::cat(shardOptions));

cl::opt<std::string> placement(
    "placement",
    cl::desc("How parameters are cut over the ranks: flat, a unit's one after "
             "the other and anywhere, or dim0, each between rows as FSDP2 does "
             "(default flat)"),
    cl::value_desc("name"), cl::init("flat"), cl::cat(shardOptions));

cl::opt<std::string> paramDtype(
    "param-dtype",
    cl::desc("What a step gathers and computes in: float32, bfloat16, or on "
             "GPUs float16, whose gradients are not scaled against underflow; "
             "shards and optimizer states stay float32 (default: the model's)"),
    cl::value_desc("dtype"), cl::cat(shardOptions));
cl::opt<std::string>
    reduceDtype("reduce-dtype",
                cl::desc("What gradients are summed over the ranks in: float32 "
                         "or bfloat16 (default float32)"),
                cl::value_desc("dtype"), cl::cat(shardOptions));
cl::opt<std::string> outputDtype(
    "output-dtype",
    cl::desc("What the loss reads the logits in: float32 or "
             "bfloat16 or float16, with --param-dtype (default: the "
             "same)"),
    cl::value_desc("dtype"), cl::cat(shardOptions));

cl::list<std::string> reshardAfterForward(
    "reshard-after-forward",
    cl::desc("Whether a unit's gathered parameters are released after forward "
             "and gathered again in backward, or stay: true, false, "
             "PATTERN=true or PATTERN=false (default true, and false for the "
             "root unit, '(root)')"),
    cl::value_desc("BOOL"), cl::cat(shardOptions));
cl::list<std::string> prefetchForward(
    "prefetch-forward",
    cl::desc("Units gathered ahead in forward: N for all, PATTERN=N for some "
             "(default 1, 0: none)"),
    cl::value_desc("N"), cl::cat(shardOptions));
cl::list<std::string>
    prefetchBackward("prefetch-backward",
                     cl::desc("The same in backward (default 1)"),
                     cl::value_desc("N"), cl::cat(shardOptions));
CountOption
    reduceInFlight("reduce-in-flight",
                   cl::desc("Units whose gradients are reduced while backward "
                            "goes on (default 1)"),
                   cl::value_desc("N"), cl::init(1), cl::cat(shardOptions));

cl::opt<std::string> accumulateSync(
    "accumulate-sync",
    cl::desc("What a step of several microbatches sums up: every (default): "
             "gradients that each reduces to shards; last: whole gradients, "
             "reduced once a step, whose memory each rank has"),
    cl::value_desc("WORD"), cl::init("every"), cl::cat(shardOptions));

cl::opt<bool> accumulateGathered(
    "accumulate-gathered",
    cl::desc("Gather parameters once a step, before its first microbatch, "
             "instead of in each: every rank has the memory for all of them"),
    cl::cat(shardOptions));

cl::opt<std::string> memoryLimit(
    "memory-limit",
    cl::desc("Refuse a plan that needs more memory a rank (default: none)"),
    cl::value_desc("2GiB"), cl::cat(shardOptions));

cl::opt<std::string>
    target("target",
           cl::desc("What the program trains on: cpu (default), or cuda, "
                    "NVIDIA's GPUs, of which this machine needs none"),
           cl::value_desc("name"), cl::init("cpu"), cl::cat(targetOptions));
cl::opt<std::string>
    gpuArch("gpu-arch",
            cl::desc("GPUs to compile for, with --target cuda: sm_80, sm_90 "
                     "(default), sm_100, or simulated, which tests run on the "
                     "host"),
            cl::value_desc("name"), cl::init("sm_90"), cl::cat(targetOptions));
cl::opt<std::string> matmulPrecision(
    "matmul-precision",
    cl::desc("Products of float32 on GPUs: highest (default), or high, which "
             "lets them round operands to TF32"),
    cl::value_desc("name"), cl::init("highest"), cl::cat(targetOptions));
cl::opt<std::string>
    ptxas("ptxas",
          cl::desc("NVIDIA's assembler, or none: the driver compiles the "
                   "kernels (default: where it is found)"),
          cl::value_desc("path"), cl::cat(targetOptions));
cl::opt<std::string> targetCpu("target-cpu",
                               cl::desc("CPU to compile for (default native)"),
                               cl::init("native"), cl::cat(targetOptions));

cl::opt<std::string> output("o", cl::desc("Program to write"),
                            cl::value_desc("model.fsdp"),
                            cl::cat(outputOptions));
cl::opt<std::string> emitIr("emit-ir",
                            cl::desc("Also write the planned program as MLIR, "
                                     "which fsdp-compile reads again"),
                            cl::value_desc("file.mlir"),
                            cl::cat(outputOptions));

std::nullopt_t fail(const llvm::Twine &message) {
  printError(message);
  return std::nullopt;
}

/// A value that is none of those an option takes; "" if all is well.
std::string checkChoices() {
  const std::pair<const cl::opt<std::string> *, std::vector<std::string>>
      choices[] = {{&loss, {"cross_entropy"}},
                   {&labelsShift, {"data", "model"}},
                   {&lossMean, {"global", "rank"}},
                   {&accumulateSync, {"every", "last"}},
                   {&placement, {"flat", "dim0"}},
                   {&target, {"cpu", "cuda"}},
                   {&gpuArch, getGpuArchs()},
                   {&matmulPrecision, {"highest", "high"}},
                   {&paramDtype, {"float32", "bfloat16", "float16"}},
                   {&reduceDtype, {"float32", "bfloat16"}},
                   {&outputDtype, {"float32", "bfloat16", "float16"}}};
  for (const auto &[option, known] : choices) {
    const std::string &given = option->getValue();
    if (!given.empty() && !llvm::is_contained(known, given))
      return llvm::formatv("unknown --{0} '{1}', expected {2}{3}",
                           option->ArgStr, given, llvm::join(known, " or "),
                           didYouMean(given, known));
  }
  return "";
}

/// What is wrong with the mesh and with what is gathered ahead; "" if all is
/// well.
std::string checkSharding() {
  SmallVector<MeshAxis> axes;
  if (std::string problem = readMesh(mesh, axes); !problem.empty())
    return "--mesh: " + problem;
  StringRef axis = axes.front().name;
  if (axis != kShardAxis)
    return llvm::formatv("unknown --mesh axis '{0}', expected {1}{2}", axis,
                         kShardAxis, didYouMean(axis, {kShardAxis.str()}));
  for (auto [option, read] :
       {std::pair(std::addressof(reshardAfterForward), &readSwitch),
        {std::addressof(prefetchForward), &readDepth},
        {std::addressof(prefetchBackward), &readDepth}})
    for (const std::string &text : *option) {
      UnitRule rule;
      std::string flag = ("--" + option->ArgStr).str();
      if (std::string problem = read(flag, text, rule); !problem.empty())
        return problem;
    }
  if (accumulateGathered && !reshardAfterForward.empty())
    return "--reshard-after-forward has no effect with --accumulate-gathered, "
           "which gathers each unit once a step: leave one of them away";
  return "";
}

/// Options of one target given for another; "" if there are none.
std::string checkTarget() {
  if (target == "cuda" && targetCpu.getNumOccurrences())
    return "--target-cpu is for --target cpu; the host's part of a program for "
           "GPUs runs on any CPU";
  for (auto *option : {&gpuArch, &matmulPrecision})
    if (target != "cuda" && option->getNumOccurrences())
      return ("--" + option->ArgStr + " is for --target cuda").str();
  for (auto *option : {&paramDtype, &outputDtype})
    if (target != "cuda" && *option == "float16")
      return ("--" + option->ArgStr +
              " float16 is for --target cuda; CPUs have "
              "float32 and bfloat16")
          .str();
  bool isPlan = llvm::StringRef(modelPath).ends_with(".mlir");
  if (ptxas.getNumOccurrences() && !isPlan && target != "cuda")
    return "--ptxas is for --target cuda";
  if (failed(getKernelTarget(targetCpu)))
    return llvm::formatv("unknown --target-cpu '{0}', expected native or a CPU "
                         "of this machine's architecture ({1})",
                         targetCpu, llvm::sys::getDefaultTargetTriple());
  return "";
}

/// What can be said before the model is read: "" if all is well.
std::string checkOptions() {
  if (output.empty() && !asksForReport() && emitIr.empty())
    return "nowhere to write to: give -o model.fsdp, or --report or --emit-ir "
           "for the plan alone; see fsdp-compile --help";
  if (std::string problem = checkChoices(); !problem.empty())
    return problem;
  if (std::string problem = checkSharding(); !problem.empty())
    return problem;
  if (!memoryLimit.empty() && !parseBytes(memoryLimit))
    return "cannot read --memory-limit '" + memoryLimit +
           "', expected bytes or a size such as 2GiB or 800MB";
  if (outputDtype.getNumOccurrences() && paramDtype.empty())
    return "--output-dtype is for --param-dtype: without it the loss reads "
           "what the model computes";
  return checkTarget();
}

/// What was wrong on the command line, of which LLVM has `complaints`.
std::nullopt_t failUsage(llvm::StringRef complaints) {
  if (!valueProblem.empty())
    return fail(valueProblem + "; see fsdp-compile --help");
  if (!complaints.empty()) // else LLVM has printed them itself
    printUsageError(complaints);
  return std::nullopt;
}

void setPipelineOptions(PipelineOptions &options) {
  options.mesh = mesh;
  options.placement = placement;
  options.units = units;
  options.paramDtype = paramDtype;
  options.reduceDtype = reduceDtype;
  options.outputDtype = outputDtype;
  options.recompute = recompute;
  options.reshardAfterForward = reshardAfterForward;
  options.prefetchForward = prefetchForward;
  options.prefetchBackward = prefetchBackward;
  options.reduceInFlight = reduceInFlight;
  options.accumulateSync = accumulateSync;
  options.accumulateGathered = accumulateGathered;
  options.memoryLimit = memoryLimit;
  options.loss = loss;
  options.logits = logits;
  options.labelsShift = labelsShift;
  options.lossMean = lossMean;
}

/// An option given that means nothing to a program already planned, or null.
const cl::Option *optionOfEarlierStage(cl::OptionCategory &importOptions) {
  for (auto &[name, option] : cl::getRegisteredOptions())
    for (cl::OptionCategory *category : option->Categories)
      if (option->getNumOccurrences() &&
          llvm::is_contained(
              {&importOptions, &trainOptions, &shardOptions, &targetOptions},
              category) &&
          // The plan says for which target, not CPU nor with what.
          option != &targetCpu && option != &ptxas)
        return option;
  return nullptr;
}
} // namespace

std::optional<CompileOptions> fsdp::parseCommandLine(int argc, char **argv) {
  ImportFlags importFlags;
  // LLVM's own options would be hundreds of lines of --help.
  cl::HideUnrelatedOptions({&importFlags.getCategory(), &trainOptions,
                            &shardOptions, &targetOptions, &outputOptions});
  std::string complaints;
  llvm::raw_string_ostream complaintStream(complaints);
  if (!cl::ParseCommandLineOptions(
          argc, argv,
          "fsdp-compile: turns an ONNX model into a sharded training "
          "program\n\n"
          "  fsdp-compile model.onnx --dim batch=4 --dim seq=256 --init \\\n"
          "    --loss cross_entropy --mesh shard=2 -o model.fsdp\n"
          "  fsdp-run -n 2 model.fsdp --data text.txt --tokenizer bytes "
          "--steps 200\n",
          &complaintStream))
    return failUsage(complaints);
  if (std::string problem = checkOptions(); !problem.empty())
    return fail(problem);
  CompileOptions options;
  if (std::string problem = readOptimizerOptions(options.pipeline);
      !problem.empty())
    return fail(problem);
  if (std::string problem = readReportOptions(options.report); !problem.empty())
    return fail(problem);
  options.input = modelPath;
  options.output = output;
  options.emitIr = emitIr;
  options.program.cpu = targetCpu;
  if (ptxas.getNumOccurrences()) {
    std::string problem;
    options.program.ptxas = resolvePtxas(ptxas, problem);
    if (!problem.empty())
      return fail("--ptxas: " + problem);
  }
  if (target == "cuda")
    options.gpuArch = gpuArch;
  options.allowsTf32 = matmulPrecision == "high";
  if (options.isPlanned()) {
    if (auto *option = optionOfEarlierStage(importFlags.getCategory()))
      return fail("--" + option->ArgStr + " has no effect on '" + modelPath +
                  "', which is already planned; give it with the .onnx model");
    return options;
  }
  FailureOr<onnx::ImportOptions> import = importFlags.get();
  if (failed(import))
    return std::nullopt;
  options.import = *import;
  setPipelineOptions(options.pipeline);
  return options;
}
