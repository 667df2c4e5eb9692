//===- Check.cpp - What must hold of every import -------------------------===//
#include "test/fuzz/onnx/Check.h"
#include "test/fuzz/Counters.h"
#include "tools/Register.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdio>

using namespace mlir;
using namespace fsdp;
using namespace fsdp::fuzz;

Checker::Checker(std::string folder) : path(folder + "/model.onnx") {
  std::string data(4096, '\0');
  for (auto [i, byte] : llvm::enumerate(data))
    byte = char(i % 60);
  std::FILE *file = std::fopen((folder + "/data.bin").c_str(), "wb");
  if (!file || std::fwrite(data.data(), 1, data.size(), file) != data.size())
    fail("fuzz-onnx", "cannot write into " + folder);
  std::fclose(file);
}

/// What is made once in a context stays there: a new one now and then.
void Checker::renewContext() {
  for (auto &pipeline : pipelines)
    pipeline.reset();
  DialectRegistry registry;
  registerAll(registry);
  context =
      std::make_unique<MLIRContext>(registry, MLIRContext::Threading::DISABLED);
  context->printOpOnDiagnostic(false);
}

void Checker::expectErrors(bool succeeded, llvm::StringRef stage) {
  if (succeeded && !errors.empty())
    fail("fuzz-onnx", stage + " succeeds, but with an error", errors);
  if (!succeeded && errors.size() != 1)
    fail("fuzz-onnx",
         stage + " fails with " + llvm::Twine(errors.size()) +
             " errors, expected one",
         errors);
}

void Checker::checkText(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream(text) << module;
  auto again = parseSourceString<ModuleOp>(text, context.get());
  if (!again || !errors.empty())
    fail("fuzz-onnx", "the imported module does not parse:\n" + text, errors);
}

static PipelineOptions pipelineOptions(unsigned variant) {
  PipelineOptions options;
  if (variant & 1)
    options.loss = "cross_entropy";
  if (variant & 2) {
    options.mesh = "shard=2";
    options.paramDtype = "bfloat16";
    options.recompute = {"**"};
    options.clipGradNorm = 1;
  } else {
    options.optimizer = "sgd";
  }
  return options;
}

void Checker::runPipeline(ModuleOp module, unsigned variant) {
  auto &pipeline = pipelines[variant];
  if (!pipeline) {
    pipeline = std::make_unique<PassManager>(context.get());
    buildPipeline(*pipeline, pipelineOptions(variant));
  }
  bool succeeded = mlir::succeeded(pipeline->run(module));
  expectErrors(succeeded, "the pipeline");
  if (succeeded)
    mark("planned");
}

/// The library that products are planned with takes minutes over huge ones.
static bool isSmall(ModuleOp module) {
  constexpr int64_t most = 1 << 20;
  WalkResult result = module.walk([](Operation *op) {
    bool small = llvm::all_of(op->getResultTypes(), [](Type type) {
      auto tensor = dyn_cast<RankedTensorType>(type);
      return !tensor || tensor.getNumElements() <= most;
    });
    return small ? WalkResult::advance() : WalkResult::interrupt();
  });
  return !result.wasInterrupted();
}

static void markOps(ModuleOp module) {
  module.walk([](Operation *op) {
    mark(op->getName().getStringRef());
    for (Value operand : op->getOperands())
      if (Operation *producer = operand.getDefiningOp())
        mark(op->getName().getStringRef(), producer->getName().getStringRef());
  });
}

void Checker::importModel(const onnx::ImportOptions &options, int64_t variant) {
  auto module = onnx::importOnnx(path, options, context.get());
  expectErrors(bool(module), "the import");
  if (!module)
    return;
  if (failed(verify(*module)))
    fail("fuzz-onnx", "the imported module is not valid", errors);
  markOps(*module);
  bool supported = succeeded(onnx::checkSupported(*module));
  expectErrors(supported, "the check for operators");
  unsigned depth = variant >> 3 & 3;
  if (!supported || depth == 0)
    return;
  if (depth == 1)
    checkText(*module);
  else if (isSmall(*module))
    runPipeline(*module, (depth & 1) << 1 | (variant >> 5 & 1));
}

/// Extents for all symbolic dimensions of the model's inputs.
static void addDims(const pb::ModelProto &model, onnx::ImportOptions &options) {
  llvm::StringSet<> initializers, named;
  for (const auto &tensor : model.graph().initializer())
    initializers.insert(tensor.name());
  for (const auto &input : model.graph().input()) {
    if (initializers.contains(input.name()))
      continue;
    for (auto [i, dim] :
         llvm::enumerate(input.type().tensor_type().shape().dim())) {
      if (dim.has_dim_value())
        continue;
      std::string name = dim.dim_param();
      if (name.empty())
        name = input.name() + ":" + std::to_string(i);
      if (named.insert(name).second)
        options.dims.emplace_back(name, 2 + int64_t(named.size()));
    }
  }
}

static onnx::ImportOptions importOptions(const pb::ModelProto &model,
                                         int64_t variant) {
  onnx::ImportOptions options;
  addDims(model, options);
  const auto &graph = model.graph();
  switch (variant & 7) {
  case 1:
    options.init = true;
    break;
  case 2:
    options.untie = true;
    options.freezePatterns = {"**.bias"};
    break;
  case 3:
    options.paramPatterns = {"**"};
    break;
  case 4:
    for (const auto &input : graph.input())
      options.binds.emplace_back(input.name(), 1);
    break;
  case 5:
    for (const auto &tensor : graph.initializer())
      options.paddingRows.emplace_back(tensor.name(), 1);
    break;
  case 6:
    for (const auto &tensor : graph.initializer())
      if (tensor.dims_size() == 2)
        options.paddingRows.emplace_back(tensor.name(), std::nullopt);
    break;
  }
  return options;
}

void Checker::check(llvm::StringRef bytes) {
  if (runs++ % 256 == 0)
    renewContext();
  std::FILE *file = std::fopen(path.c_str(), "wb");
  if (!file || std::fwrite(bytes.data(), 1, bytes.size(), file) != bytes.size())
    fail("fuzz-onnx", "cannot write " + path);
  std::fclose(file);
  pb::ModelProto model;
  // What does not parse is imported too: it is refused.
  if (!model.ParseFromArray(bytes.data(), int(bytes.size())))
    model.Clear();
  errors.clear();
  ScopedDiagnosticHandler handler(context.get(), [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() != DiagnosticSeverity::Error)
      return;
    errors.push_back(diagnostic.str());
    mark(kindOf(errors.back()));
  });
  int64_t variant = model.model_version();
  importModel(importOptions(model, variant), variant);
}
