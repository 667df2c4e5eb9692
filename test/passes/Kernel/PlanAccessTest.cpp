//===- PlanAccessTest.cpp - What the kernels of plans touch ---------------===//
//
//   plan-access-test PLAN.mlir...
//
// Runs every kernel of the plans once in its form for this CPU, with each
// access watched: plans declare operands to be read and results to be written,
// whole, and all order between dispatches rests on that. Numbers are random;
// indices are 0 or 1. Prints what is wrong with a kernel, and how many there
// are.
//
//===----------------------------------------------------------------------===//
#include "passes/Lower/Kernels.h"
#include "test/passes/Kernel/KernelExecutor.h"
#include "test/passes/Kernel/Watch.h"
#include "tools/Plan.h"
#include "tools/Tool.h"

#include "mlir/Support/FileUtilities.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/raw_ostream.h"

#include <random>

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;

/// Tensors of these types, indices below `most`.
static std::vector<Tensor> tensors(TypeRange types, int most) {
  static std::mt19937 engine{5};
  std::uniform_real_distribution<double> number(-1, 1);
  std::uniform_int_distribution<int> index(0, most - 1);
  std::vector<Tensor> result;
  for (Type type : types) {
    Tensor &tensor = result.emplace_back(cast<RankedTensorType>(type));
    bool isFloat = isa<FloatType>(tensor.getType().getElementType());
    for (int64_t i = 0; i < tensor.size(); ++i)
      tensor.set(i, isFloat ? number(engine) : index(engine));
  }
  return result;
}

/// What is wrong with a kernel, "" for nothing. A table of one row has no
/// index but 0.
static std::string check(train::KernelOp op) {
  std::string problem;
  auto kernel = WatchedKernel::compile(op, problem);
  for (int most : {2, 1}) {
    if (!kernel)
      break;
    problem = kernel->run(tensors(op.getInputs().getTypes(), most),
                          tensors(op.getOutputs().getTypes(), most));
    if (!StringRef(problem).starts_with("returned status"))
      break;
  }
  return problem;
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  setTool("plan-access-test");
  std::unique_ptr<MLIRContext> context = createContext();
  DialectRegistry registry;
  registerPlan(registry);
  context->appendDialectRegistry(registry);
  llvm::StringSet<> known;
  int failures = 0;
  for (const char *path : llvm::ArrayRef(argv, argc).drop_front()) {
    std::string problem;
    auto text = openInputFile(path, &problem);
    if (!text)
      return printError(problem), 1;
    auto module = parsePlan(std::move(text), context.get());
    auto kernels = findKernels(*module);
    if (failed(kernels))
      return 1;
    for (ProgramKernel &kernel : *kernels) {
      if (!known.insert(kernelKey(kernel.op)).second)
        continue;
      problem = check(kernel.op);
      if (problem.empty())
        continue;
      llvm::outs() << path << ": @" << kernel.symbol << " ('"
                   << kernel.op.getName() << "'): " << problem << "\n";
      ++failures;
    }
  }
  llvm::outs() << known.size() << " kernels, " << failures << " failed\n";
  return failures || known.empty();
}
