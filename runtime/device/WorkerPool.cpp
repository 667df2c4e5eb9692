//===- WorkerPool.cpp - Threads that share one loop -----------------------===//

#include "device/WorkerPool.h"

#include <algorithm>
#include <atomic>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

using namespace fsdprt;

void fsdprt::setFloatEnvironment() {
#if defined(__x86_64__)
  _MM_SET_FLUSH_ZERO_MODE(_MM_FLUSH_ZERO_ON);
  _MM_SET_DENORMALS_ZERO_MODE(_MM_DENORMALS_ZERO_ON);
#endif
}

struct WorkerPool::Loop {
  const Body &body;
  int64_t extent, pieces;
  int maxWorkers;
  int joined = 1; // workers so far, the caller among them; with the mutex
  std::atomic<int64_t> next{0};
  std::atomic<int32_t> status{0};

  void run(int worker) {
    for (int64_t piece; (piece = next.fetch_add(1)) < pieces;) {
      if (status.load(std::memory_order_relaxed))
        return;
      int32_t result =
          body(worker, extent * piece / pieces, extent * (piece + 1) / pieces);
      int32_t none = 0;
      if (result)
        status.compare_exchange_strong(none, result);
    }
  }
};

WorkerPool::WorkerPool(int numWorkers, std::function<void()> onThreadStart)
    : numWorkers(std::max(1, numWorkers)) {
  auto body = [this, onThreadStart] {
    setFloatEnvironment();
    if (onThreadStart)
      onThreadStart();
    work();
  };
  try {
    for (int worker = 1; worker < this->numWorkers; ++worker)
      threads.emplace_back(body);
  } catch (...) { // the system has no more of them
    stop();
    throw;
  }
}

WorkerPool::~WorkerPool() { stop(); }

void WorkerPool::stop() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    stopping = true;
    started.notify_all();
  }
  for (std::thread &thread : threads)
    thread.join();
}

void WorkerPool::work() {
  std::unique_lock<std::mutex> lock(mutex);
  while (true) {
    started.wait(lock, [&] { return stopping || loop; });
    if (stopping)
      return;
    Loop *current = loop;
    int worker = current->joined++;
    if (current->joined == current->maxWorkers)
      loop = nullptr;
    ++busy;
    lock.unlock();
    current->run(worker);
    lock.lock();
    if (--busy == 0)
      finished.notify_one();
  }
}

int32_t WorkerPool::run(int64_t extent, int maxWorkers, const Body &body) {
  if (extent <= 0)
    return 0;
  int workers = int(
      std::min<int64_t>(extent, std::max(1, std::min(maxWorkers, numWorkers))));
  if (workers == 1)
    return body(0, 0, extent);
  // A few pieces a worker even out rows of unequal cost (causal attention).
  Loop current{body, extent, std::min<int64_t>(extent, 4 * workers), workers};
  {
    std::lock_guard<std::mutex> lock(mutex);
    loop = &current;
  }
  for (int worker = 1; worker < workers; ++worker)
    started.notify_one();
  current.run(0);
  std::unique_lock<std::mutex> lock(mutex);
  loop = nullptr; // who has not come by now finds nothing left to do
  finished.wait(lock, [&] { return busy == 0; });
  return current.status;
}
