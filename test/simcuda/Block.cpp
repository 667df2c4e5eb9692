//===- Block.cpp - A grid of threads, run on the CPU ----------------------===//

#include "test/simcuda/Block.h"
#include "test/simcuda/Random.h"

#include <algorithm>
#include <cstring>
#include <sys/mman.h>

using namespace simcuda;

// setjmp would do, but threads take turns millions of times: only what a callee
// must keep is kept, and a jump, not a return, leads to the other stack, since
// no processor predicts such a return.
static_assert(sizeof(void *) == 8, "simcuda_switch is for x86-64");
extern "C" void simcuda_switch(void **leave, void *enter);
__asm__(R"(
  .text
  .globl simcuda_switch
  .hidden simcuda_switch
  .type simcuda_switch, @function
simcuda_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  popq %rcx
  jmpq *%rcx
  .size simcuda_switch, .-simcuda_switch
)");

namespace {
enum class State : uint8_t { Ready, Barrier, Shuffle, Done };

constexpr size_t kStackBytes = 192 * 1024;
constexpr uint32_t kWarp = 32;

/// Lives as long as the process: new stacks are slow, so a thread that has
/// ended waits for the next block's call.
struct Fiber {
  void *place = nullptr; ///< where it goes on; null before it has begun
  char *stack = nullptr;
  uint32_t value = 0, distance = 0; ///< of a shuffle
  State state = State::Ready;
};

/// The block that runs.
struct Machine {
  void (*call)(void *const *) = nullptr;
  void *const *args = nullptr;
  std::vector<Fiber> fibers;
  uint32_t threads = 0, current = 0, block = 0, blocks = 0;
  void *scheduler = nullptr;
  std::string problem;

  void prepare(uint32_t count);
  void resume(uint32_t number);
  void wait(State state);
  bool allAre(State state, uint32_t begin, uint32_t end) const;
  bool anyIs(State state, uint32_t begin, uint32_t end) const;
  void release(uint32_t begin, uint32_t end);
  void exchange(uint32_t begin, uint32_t end);
  bool exchangeWarps();
  void runBlock(const Grid &grid, Random &random);
};

Machine machine;

void runFiber() {
  while (true) {
    machine.call(machine.args);
    machine.wait(State::Done);
  }
}
} // namespace

void Machine::prepare(uint32_t count) {
  if (fibers.size() < count)
    fibers.resize(count);
  threads = count;
  for (uint32_t i = 0; i < count; ++i)
    fibers[i].state = State::Ready;
}

/// A stack on which runFiber has just been called. Stacks begin at different
/// places of their pages, not to meet in the same few lines of the cache.
static void start(Fiber &fiber, uint32_t number) {
  if (!fiber.stack)
    fiber.stack = static_cast<char *>(
        ::mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  void *frame[8] = {}; // six registers, where to go, where that returns to
  frame[6] = reinterpret_cast<void *>(runFiber);
  size_t apart = number * size_t(576) % (64 * 1024);
  fiber.place = fiber.stack + kStackBytes - apart - sizeof frame;
  std::memcpy(fiber.place, frame, sizeof frame);
}

void Machine::resume(uint32_t number) {
  current = number;
  if (!fibers[number].place)
    start(fibers[number], number);
  simcuda_switch(&scheduler, fibers[number].place);
}

/// Gives the turn away.
void Machine::wait(State state) {
  Fiber &fiber = fibers[current];
  fiber.state = state;
  simcuda_switch(&fiber.place, scheduler);
}

bool Machine::allAre(State state, uint32_t begin, uint32_t end) const {
  for (uint32_t i = begin; i < end; ++i)
    if (fibers[i].state != state)
      return false;
  return true;
}

bool Machine::anyIs(State state, uint32_t begin, uint32_t end) const {
  for (uint32_t i = begin; i < end; ++i)
    if (fibers[i].state == state)
      return true;
  return false;
}

void Machine::release(uint32_t begin, uint32_t end) {
  for (uint32_t i = begin; i < end; ++i)
    fibers[i].state = State::Ready;
}

/// A thread beyond the block's end gives what it is given, as shfl does.
void Machine::exchange(uint32_t begin, uint32_t end) {
  uint32_t values[kWarp];
  for (uint32_t i = begin; i < end; ++i)
    values[i - begin] = fibers[i].value;
  for (uint32_t i = begin; i < end; ++i) {
    uint32_t other = (i - begin) ^ fibers[i].distance;
    if (other < end - begin)
      fibers[i].value = values[other];
  }
}

/// Whether a warp could go on.
bool Machine::exchangeWarps() {
  bool any = false;
  for (uint32_t begin = 0; begin < threads; begin += kWarp) {
    uint32_t end = std::min(begin + kWarp, threads);
    if (!anyIs(State::Shuffle, begin, end))
      continue;
    if (!allAre(State::Shuffle, begin, end)) {
      problem = "threads of one warp wait for different things";
      return false;
    }
    exchange(begin, end);
    release(begin, end);
    any = true;
  }
  return any;
}

static std::vector<uint32_t> turns(uint32_t count, Order order,
                                   Random &random) {
  std::vector<uint32_t> numbers(count);
  for (uint32_t i = 0; i < count; ++i)
    numbers[i] = order == Order::Descending ? count - 1 - i : i;
  if (order == Order::Random)
    random.shuffle(numbers);
  return numbers;
}

void Machine::runBlock(const Grid &grid, Random &random) {
  prepare(grid.threads);
  while (problem.empty()) {
    for (uint32_t number : turns(threads, grid.order, random)) {
      if (fibers[number].state == State::Ready)
        resume(number);
      if (!problem.empty())
        return;
    }
    if (exchangeWarps() || !problem.empty())
      continue;
    if (allAre(State::Done, 0, threads))
      return;
    if (allAre(State::Barrier, 0, threads))
      release(0, threads);
    else
      problem = "a barrier is not reached by all threads of the block";
  }
}

std::string simcuda::runGrid(const Grid &grid, void (*call)(void *const *),
                             void *const *args) {
  Random random(grid.seed);
  machine.call = call;
  machine.args = args;
  machine.blocks = grid.blocks;
  machine.problem.clear();
  for (uint32_t block : turns(grid.blocks, grid.order, random)) {
    machine.block = block;
    machine.runBlock(grid, random);
    if (machine.problem.empty())
      continue;
    // The threads stand in the middle of the kernel: they begin anew.
    for (Fiber &fiber : machine.fibers)
      fiber.place = nullptr;
    return machine.problem;
  }
  return "";
}

void simcuda::failGrid(const std::string &problem) {
  machine.problem = problem;
  machine.wait(State::Done);
  __builtin_unreachable(); // runGrid does not resume a thread that failed
}

uint32_t simcuda::currentBlock() { return machine.block; }
uint32_t simcuda::currentThread() { return machine.current; }

static uint32_t countBlocks() { return machine.blocks; }
static void barrier() { machine.wait(State::Barrier); }

static uint32_t shuffleValue(uint32_t value, uint32_t distance) {
  Fiber &fiber = machine.fibers[machine.current];
  fiber.value = value;
  fiber.distance = distance;
  machine.wait(State::Shuffle);
  return machine.fibers[machine.current].value;
}

void simcuda::fillThreadHooks(fsdprt_simulated_hooks &hooks) {
  hooks.thread = currentThread;
  hooks.block = currentBlock;
  hooks.blocks = countBlocks;
  hooks.barrier = barrier;
  hooks.shuffle = shuffleValue;
}
