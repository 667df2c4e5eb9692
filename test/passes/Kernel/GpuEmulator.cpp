//===- GpuEmulator.cpp - Kernels for GPUs, run on the CPU -----------------===//
//
// A thread runs alone until it comes to a barrier or a shuffle, then the next
// one does. Where a barrier is missing, one order of the threads or the other
// reads what is not there yet or is gone already.
//
//===----------------------------------------------------------------------===//
#include "test/passes/Kernel/GpuEmulator.h"
#include "passes/Kernel/Simulated.h"

#include <array>
#include <csetjmp>
#include <dlfcn.h>
#include <ucontext.h>
#include <vector>

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;

//===----------------------------------------------------------------------===//
// Threads
//===----------------------------------------------------------------------===//

namespace {
enum class State { Ready, Barrier, Shuffle, Done };

struct Fiber {
  ucontext_t start;
  jmp_buf place;
  bool started = false;
  State state = State::Ready;
  uint32_t value = 0, distance = 0; ///< of a shuffle
};

/// The block that runs.
struct Machine {
  static constexpr size_t kStackBytes = 64 * 1024;

  void (*call)(void *const *);
  void *const *args;
  std::vector<Fiber> fibers;
  size_t current = 0;
  uint32_t block = 0, blocks = 0;
  ucontext_t home;
  jmp_buf scheduler;

  void resume(size_t number) {
    current = number;
    if (_setjmp(scheduler))
      return;
    Fiber &fiber = fibers[number];
    if (fiber.started)
      _longjmp(fiber.place, 1);
    fiber.started = true;
    setcontext(&fiber.start);
  }

  /// Gives the turn away until every thread waits.
  void wait(State state) {
    Fiber &fiber = fibers[current];
    fiber.state = state;
    if (_setjmp(fiber.place) == 0)
      _longjmp(scheduler, 1);
  }

  bool allAre(State state) const {
    return llvm::all_of(fibers,
                        [&](const Fiber &f) { return f.state == state; });
  }

  void exchange() {
    std::vector<uint32_t> values;
    for (const Fiber &fiber : fibers)
      values.push_back(fiber.value);
    for (auto [i, fiber] : llvm::enumerate(fibers))
      fiber.value = values[i ^ fiber.distance];
  }
};

Machine *machine;

void runFiber() {
  machine->call(machine->args);
  machine->wait(State::Done);
}
} // namespace

static uint32_t shuffle(uint32_t value, uint32_t distance) {
  Fiber &fiber = machine->fibers[machine->current];
  fiber.value = value;
  fiber.distance = distance;
  machine->wait(State::Shuffle);
  return machine->fibers[machine->current].value;
}

/// What a thread asks of its GPU. Who touches what is not looked at here.
static const fsdprt_simulated_hooks kHooks = {
    [] { return uint32_t(machine->current); },
    [] { return machine->block; },
    [] { return machine->blocks; },
    [] { machine->wait(State::Barrier); },
    shuffle,
    [](const void *, uint64_t) {},
    [](void *, uint64_t) {}};

/// Stacks stay for the next kernel: new memory is slow.
static void startFibers(Machine &m, int threads) {
  static auto *stacks = new std::array<char[Machine::kStackBytes], kMaxThreads>;
  m.fibers.resize(threads);
  for (auto [fiber, stack] : llvm::zip(m.fibers, *stacks)) {
    fiber.started = false;
    fiber.state = State::Ready;
    getcontext(&fiber.start);
    fiber.start.uc_stack.ss_sp = stack;
    fiber.start.uc_stack.ss_size = Machine::kStackBytes;
    fiber.start.uc_link = nullptr;
    makecontext(&fiber.start, runFiber, 0);
  }
}

static std::string runBlock(Machine &m, ThreadOrder order) {
  while (true) {
    for (size_t i = 0; i < m.fibers.size(); ++i)
      m.resume(order == ThreadOrder::Ascending ? i : m.fibers.size() - 1 - i);
    if (m.allAre(State::Done))
      return "";
    if (m.allAre(State::Shuffle))
      m.exchange();
    else if (!m.allAre(State::Barrier))
      return "threads of one block wait for different things";
  }
}

std::string test::emulate(const fsdprt_simulated_kernel &kernel, int64_t blocks,
                          ThreadOrder order, void *const *args) {
  Machine m;
  m.call = kernel.call;
  m.args = args;
  m.blocks = blocks;
  machine = &m;
  for (m.block = 0; m.block < blocks; ++m.block) {
    startFibers(m, kernel.threads);
    std::string problem = runBlock(m, order);
    if (!problem.empty())
      return problem;
  }
  return "";
}

//===----------------------------------------------------------------------===//
// Compilation
//===----------------------------------------------------------------------===//

LogicalResult test::compileForEmulator(ModuleOp kernel, StringRef symbol,
                                       const GpuKernelInfo &info,
                                       SmallVectorImpl<char> &object) {
  llvm::LLVMContext context;
  auto module = translateForSimulator(kernel, symbol, context);
  FailureOr<KernelTarget> target = getSimulatorTarget();
  if (failed(module) || failed(target))
    return failure();
  unsigned numArgs = (*module)->getFunction(symbol)->arg_size();
  addSimulatorTable(**module, {{symbol.str(), numArgs, info.threads}});
  return compileToObject(**module, *target, object);
}

const fsdprt_simulated_kernel *test::findEmulatedKernel(void *library) {
  auto *hooks = static_cast<fsdprt_simulated_hooks *>(
      dlsym(library, "fsdp_simulated_hooks"));
  auto *kernels = static_cast<const fsdprt_simulated_kernel *>(
      dlsym(library, "fsdp_simulated_kernels"));
  if (!hooks || !kernels || !kernels->name)
    return nullptr;
  *hooks = kHooks;
  return kernels;
}
