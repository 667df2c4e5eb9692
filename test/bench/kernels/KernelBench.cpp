//===- KernelBench.cpp - Memory-bound kernels against a plain copy --------===//
//
// Every case is compiled through --kernel-form-groups and the code generator,
// then timed on one thread in turn with a memcpy that moves as many bytes.
// Bytes are those of the function's arguments (once) and results, not of what
// its kernels exchange: a fusion that is missing shows as a lower figure.
// Buffers change from run to run, so that operands come from memory; cached/
// cases keep them.
// GB/s and the ratio to the copy are medians over the iterations.
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/InPlace.h"
#include "passes/Kernel/Passes.h"
#include "test/bench/kernels/Cases.h"
#include "test/passes/Kernel/KernelExecutor.h"

#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include <benchmark/benchmark.h>
#include <chrono>
#include <cstring>
#include <random>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;

namespace {
double secondsOf(llvm::function_ref<void()> work) {
  auto start = std::chrono::steady_clock::now();
  work();
  std::chrono::duration<double> elapsed =
      std::chrono::steady_clock::now() - start;
  return elapsed.count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2,
                   values.end());
  return values[values.size() / 2];
}

void fillRandomly(Tensor &tensor, const bench::Case &c, std::mt19937 &engine) {
  bool isFloat = isa<FloatType>(tensor.getType().getElementType());
  std::uniform_real_distribution<double> real(c.low, c.high);
  std::uniform_int_distribution<int64_t> integer(0, c.classes - 1);
  for (int64_t i = 0; i < tensor.size(); ++i)
    tensor.set(i, isFloat ? real(engine) : double(integer(engine)));
}

/// A case with its kernels compiled, and several sets of buffers: taken in
/// turn, they are larger than the caches together.
class Program {
public:
  Program(const bench::Case &c, MLIRContext *context, size_t memory) {
    std::string text = "func.func @f(";
    for (size_t i = 0; i < c.arguments.size(); ++i)
      text += (i ? ", %" : "%") + std::to_string(i) + ": tensor<" +
              c.arguments[i] + ">";
    text += ") -> (" + c.results.substr(c.results.find(':') + 1) + ") {\n" +
            c.body + "\nreturn " + c.results + "\n}";
    module = parseSourceString<ModuleOp>(text, context);
    PassManager manager(context);
    manager.addPass(createKernelFormGroups());
    if (!module || failed(manager.run(*module)))
      llvm::report_fatal_error(("cannot read the case " + c.name).c_str());
    auto func = *module->getOps<func::FuncOp>().begin();
    std::mt19937 engine(7);
    DenseMap<Value, Tensor> arguments;
    for (Value argument : func.getArguments()) {
      fillRandomly(newTensor(arguments, argument), c, engine);
      bytes += arguments[argument].bytes();
    }
    for (Type result : func.getResultTypes())
      bytes += Tensor(cast<RankedTensorType>(result)).bytes();
    if (c.bytes)
      bytes = c.bytes;
    for (size_t held = 0; held == 0 || (!c.isLarge && held < memory);
         held += bytes)
      addSet(func, c, arguments);
  }

  void run() {
    for (const Call &call : sets[next])
      call.kernel->function(call.arguments.data(), call.scratch.get(), 0,
                            call.kernel->info.extent);
    next = (next + 1) % sets.size();
  }

  size_t numKernels() const { return sets.front().size(); }
  size_t numSets() const { return sets.size(); }
  size_t bytes = 0;

private:
  struct Call {
    const KernelExecutor::Kernel *kernel;
    std::vector<void *> arguments;
    std::shared_ptr<void> scratch;
  };

  static Tensor &newTensor(DenseMap<Value, Tensor> &tensors, Value value) {
    return tensors[value] = Tensor(cast<RankedTensorType>(value.getType()));
  }

  void addSet(func::FuncOp func, const bench::Case &c,
              DenseMap<Value, Tensor> &arguments) {
    DenseMap<Value, Tensor> tensors;
    for (auto &[value, tensor] : arguments)
      tensors[value] = tensor.copy();
    sets.emplace_back();
    for (auto kernel : func.getOps<train::KernelOp>())
      sets.back().push_back(addKernel(kernel, c.inPlace, tensors));
    for (auto &[value, tensor] : tensors)
      buffers.push_back(tensor);
  }

  Call addKernel(train::KernelOp op, bool inPlace,
                 DenseMap<Value, Tensor> &tensors) {
    Call call{executor.compile(op), {}, nullptr};
    if (!call.kernel)
      llvm::report_fatal_error(executor.message().c_str());
    if (call.kernel->info.scratchBytes)
      call.scratch.reset(std::aligned_alloc(64, call.kernel->info.scratchBytes),
                         std::free);
    for (Value input : op.getInputs())
      call.arguments.push_back(tensors[input].data());
    auto takesOver = inPlaceOperands(op);
    if (isa<train::FlatUpdateOp>(op.getBody().front().front()))
      takesOver = {{0}, {2}, {3}}; // the state is updated where it lies
    for (auto [i, output] : llvm::enumerate(op.getOutputs())) {
      auto type = cast<RankedTensorType>(output.getType());
      if (inPlace && !needsOwn(op, takesOver[i]))
        tensors[output] =
            Tensor(tensors[op.getInputs()[takesOver[i].back()]].view(type));
      else
        newTensor(tensors, output);
      call.arguments.push_back(tensors[output].data());
    }
    return call;
  }

  /// Whether a result needs a buffer of its own: it can take over none of
  /// `operands`, or only one that is read later.
  static bool needsOwn(train::KernelOp op, ArrayRef<unsigned> operands) {
    if (operands.empty())
      return true;
    Value operand = op.getInputs()[operands.back()];
    return llvm::any_of(operand.getUsers(), [&](Operation *user) {
      return op->isBeforeInBlock(user);
    });
  }

  OwningOpRef<ModuleOp> module;
  KernelExecutor executor;
  std::vector<Tensor> buffers;
  std::vector<std::vector<Call>> sets;
  size_t next = 0;
};

/// A plain copy that reads and writes `bytes` together, over as many buffers.
class Copy {
public:
  Copy(size_t bytes, size_t sets) : size(bytes / 2), sets(sets) {
    buffer.resize(2 * sets * size, 1);
  }
  void run() {
    char *at = buffer.data() + next * 2 * size;
    std::memcpy(at + size, at, size);
    benchmark::DoNotOptimize(at);
    benchmark::ClobberMemory();
    next = (next + 1) % sets;
  }

private:
  std::vector<char> buffer;
  size_t size, sets, next = 0;
};

/// `memory`: bytes that the buffers of all turns should have at least.
void time(benchmark::State &state, const bench::Case &c, MLIRContext *context,
          size_t memory) {
  Program program(c, context, memory);
  Copy copy(program.bytes, program.numSets());
  for (size_t i = 0; i < program.numSets(); ++i)
    program.run();
  std::vector<double> ours, ratios;
  for (auto _ : state) {
    double copySeconds = secondsOf([&] { copy.run(); });
    double seconds = secondsOf([&] { program.run(); });
    ours.push_back(seconds);
    ratios.push_back(copySeconds / seconds);
    state.SetIterationTime(seconds);
  }
  double gigabytes = double(program.bytes) * 1e-9;
  state.counters["median_ms"] = median(ours) * 1e3;
  state.counters["GB/s"] = gigabytes / median(ours);
  state.counters["copy_GB/s"] = gigabytes / median(ours) / median(ratios);
  state.counters["of_copy"] = median(ratios);
  state.counters["MB"] = gigabytes * 1e3;
  state.counters["kernels"] = double(program.numKernels());
}

constexpr size_t kBeyondCaches = 160 << 20;

/// NAME has its operands in memory, cached/NAME where the last run left them.
void add(const bench::Case &c, MLIRContext *context, bool cached) {
  size_t memory = cached ? 0 : kBeyondCaches;
  benchmark::RegisterBenchmark(
      ((cached ? "cached/" : "") + c.name).c_str(),
      [=](benchmark::State &state) { time(state, c, context, memory); })
      ->UseManualTime()
      ->Iterations(c.isLarge ? 15 : 301)
      ->Unit(benchmark::kMillisecond);
}
} // namespace

int main(int argc, char **argv) {
#if defined(__x86_64__)
  _mm_setcsr(_mm_getcsr() | 0x8040); // subnormals are zero, as in the runtime
#endif
  std::unique_ptr<MLIRContext> context = createContext();
  for (bool cached : {false, true})
    for (const bench::Case &c : bench::cases())
      if (!cached || !c.isLarge)
        add(c, context.get(), cached);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
