//===- Block.h - A grid of threads, run on the CPU --------------*- C++ -*-===//
//
// A thread is a fiber: it runs alone until it comes to a barrier or a shuffle,
// then another one does. Where a barrier is missing, one order of the threads
// or another reads what is not there yet or is gone already.
//
//===----------------------------------------------------------------------===//

#ifndef SIMCUDA_BLOCK_H
#define SIMCUDA_BLOCK_H

#include "runtime/abi/simulated.h"

#include <functional>
#include <string>

namespace simcuda {

/// In which order blocks, and the threads of a block between two barriers,
/// take their turns.
enum class Order { Ascending, Descending, Random };

struct Grid {
  uint32_t blocks = 1, threads = 1;
  Order order = Order::Ascending;
  uint64_t seed = 0; ///< of Order::Random
};

/// Runs call(args) for each thread, on the calling thread; only one grid runs
/// at a time in a process. Returns what went wrong, "" for nothing: threads
/// that wait for different things would hang a GPU.
std::string runGrid(const Grid &grid, void (*call)(void *const *),
                    void *const *args);

/// What runs of the hooks' questions: all but load and store.
void fillThreadHooks(fsdprt_simulated_hooks &hooks);

/// Called within a thread of a grid: ends the grid, which returns `problem`.
[[noreturn]] void failGrid(const std::string &problem);

/// The block and thread that run.
uint32_t currentBlock();
uint32_t currentThread();

} // namespace simcuda

#endif // SIMCUDA_BLOCK_H
