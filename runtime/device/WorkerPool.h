//===- WorkerPool.h - Threads that share one loop ---------------*- C++ -*-===//

#ifndef FSDPRT_DEVICE_WORKERPOOL_H
#define FSDPRT_DEVICE_WORKERPOOL_H

#include "core/Status.h"

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace fsdprt {

/// Denormals are zero, as on GPUs: they would make kernels tens of times
/// slower. Per thread; every thread that computes calls it.
void setFloatEnvironment();

/// A fixed set of threads; the caller is one of them. Waits on condition
/// variables, never spins: the other ranks need the cores.
class WorkerPool {
public:
  using Body = std::function<int32_t(int worker, int64_t begin, int64_t end)>;

  /// `onThreadStart` runs first on every thread but the caller's. Throws
  /// std::system_error where the system starts no more threads.
  WorkerPool(int numWorkers, std::function<void()> onThreadStart = nullptr);
  ~WorkerPool();

  int size() const { return numWorkers; }

  /// Runs body(worker, begin, end) over pieces of [0, extent) on at most
  /// `maxWorkers` workers; returns the first status that is not 0. Which worker
  /// gets which piece varies; the pieces do not. What one worker does alone
  /// takes no lock and wakes nobody.
  int32_t run(int64_t extent, int maxWorkers, const Body &body);

private:
  struct Loop;

  void work();
  void stop();

  const int numWorkers;
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::condition_variable started, finished;
  Loop *loop = nullptr; // that can take more workers
  int busy = 0;         // workers at a loop but the caller
  bool stopping = false;
};

} // namespace fsdprt

#endif // FSDPRT_DEVICE_WORKERPOOL_H
