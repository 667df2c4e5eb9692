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
/// What a thread waits for.
enum class State { Barrier, Shuffle, Done };

constexpr size_t kStackBytes = 192 * 1024;
constexpr uint32_t kWarp = 32;

/// Lives as long as the process: new stacks are slow, so a thread that has
/// ended waits for the next block's call.
struct Fiber {
  void *place = nullptr; ///< where it goes on; null before it has begun
  char *stack = nullptr;
  uint32_t value = 0, distance = 0; ///< of a shuffle
};

/// A block runs warp by warp: the threads of one take turns until all of them
/// wait for the block or have ended, each handing its turn to the next.
struct Machine {
  void (*call)(void *const *) = nullptr;
  void *const *args = nullptr;
  std::vector<Fiber> fibers;
  uint32_t threads = 0, current = 0, block = 0, blocks = 0;
  void *scheduler = nullptr;
  std::string problem;

  // Of the warp that runs: its threads in the order of their turns, and how
  // many of them are in each state.
  uint32_t turns[kWarp], size = 0, position = 0, counts[3] = {};

  void wait(State state);
  void enter(void *&leave, uint32_t number);
  void exchange();
  void runWarp();
  void runBlock(const std::vector<std::vector<uint32_t>> &orders,
                Random &random);
};

Machine machine;

void runFiber() {
  while (true) {
    machine.call(machine.args);
    machine.wait(State::Done);
  }
}
} // namespace

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

void Machine::enter(void *&leave, uint32_t number) {
  current = number;
  if (!fibers[number].place)
    start(fibers[number], number);
  simcuda_switch(&leave, fibers[number].place);
}

/// A thread beyond the block's end gives what it is given, as shfl does.
void Machine::exchange() {
  uint32_t values[kWarp];
  uint32_t begin = current / kWarp * kWarp;
  for (uint32_t i = 0; i < size; ++i)
    values[i] = fibers[begin + i].value;
  for (uint32_t i = 0; i < size; ++i) {
    uint32_t other = i ^ fibers[begin + i].distance;
    if (other < size)
      fibers[begin + i].value = values[other];
  }
}

/// Hands the turn on; the last of the warp shuffles for all.
void Machine::wait(State state) {
  Fiber &fiber = fibers[current];
  ++counts[unsigned(state)];
  if (++position == size) {
    if (counts[unsigned(State::Shuffle)] != size) {
      simcuda_switch(&fiber.place, scheduler);
      return;
    }
    exchange();
    counts[unsigned(State::Shuffle)] = position = 0;
  }
  if (turns[position] != current)
    enter(fiber.place, turns[position]);
}

/// Until its threads wait for the block's barrier or have ended.
void Machine::runWarp() {
  position = 0;
  std::fill(std::begin(counts), std::end(counts), 0);
  enter(scheduler, turns[0]);
  if (problem.empty() && counts[unsigned(State::Shuffle)])
    problem = "threads of one warp wait for different things";
}

static std::vector<uint32_t> makeOrder(uint32_t count, Order order,
                                       Random &random) {
  std::vector<uint32_t> numbers(count);
  for (uint32_t i = 0; i < count; ++i)
    numbers[i] = order == Order::Descending ? count - 1 - i : i;
  if (order == Order::Random)
    random.shuffle(numbers);
  return numbers;
}

/// Orders of a block's threads, warp after warp: a few for the whole grid, as
/// drawing one takes longer than a thread's turn.
static std::vector<std::vector<uint32_t>> makeOrders(const Grid &grid,
                                                     Random &random) {
  std::vector<std::vector<uint32_t>> orders(grid.order == Order::Random ? 8
                                                                        : 1);
  uint32_t warps = (grid.threads + kWarp - 1) / kWarp;
  for (auto &order : orders)
    for (uint32_t warp : makeOrder(warps, grid.order, random)) {
      uint32_t begin = warp * kWarp;
      uint32_t size = std::min(kWarp, grid.threads - begin);
      for (uint32_t thread : makeOrder(size, grid.order, random))
        order.push_back(begin + thread);
    }
  return orders;
}

/// Between two barriers, warp after warp.
void Machine::runBlock(const std::vector<std::vector<uint32_t>> &orders,
                       Random &random) {
  while (true) {
    const std::vector<uint32_t> &order = orders[random.below(orders.size())];
    uint32_t ended = 0, waiting = 0;
    for (uint32_t done = 0; done < threads; done += size) {
      // The block's last warp may be smaller, and stands anywhere.
      uint32_t begin = order[done] / kWarp * kWarp;
      size = std::min(kWarp, threads - begin);
      std::copy_n(&order[done], size, turns);
      runWarp();
      if (!problem.empty())
        return;
      ended += counts[unsigned(State::Done)];
      waiting += counts[unsigned(State::Barrier)];
    }
    if (ended == threads)
      return;
    if (waiting != threads) {
      problem = "a barrier is not reached by all threads of the block";
      return;
    }
  }
}

std::string simcuda::runGrid(const Grid &grid, void (*call)(void *const *),
                             void *const *args) {
  Random random(grid.seed);
  machine.call = call;
  machine.args = args;
  machine.blocks = grid.blocks;
  machine.threads = grid.threads;
  if (machine.fibers.size() < grid.threads)
    machine.fibers.resize(grid.threads);
  machine.problem.clear();
  const auto orders = makeOrders(grid, random);
  for (uint32_t block : makeOrder(grid.blocks, grid.order, random)) {
    machine.block = block;
    machine.runBlock(orders, random);
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
  void *never;
  simcuda_switch(&never, machine.scheduler);
  __builtin_unreachable(); // runGrid does not go on with a grid that failed
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
