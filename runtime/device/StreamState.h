//===- StreamState.h - What the streams of a rank share ---------*- C++ -*-===//
//
// The events of the phase that runs, and the first failure. The thread that
// issues looks at both without a lock; whoever waits does so under the mutex.
//
//===----------------------------------------------------------------------===//

#ifndef FSDPRT_DEVICE_STREAMSTATE_H
#define FSDPRT_DEVICE_STREAMSTATE_H

#include "abi/fsdprt.h"
#include "core/Status.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>

namespace fsdprt {

class StreamState {
public:
  /// Called by the issuing thread, as is beginPhase(): makes room for the event
  /// that an operation records.
  void reserve(const fsdprt_op &op);
  /// Forgets all events.
  void beginPhase() { ++phase; }

  /// Whether all events are recorded that the operation waits for. By the
  /// issuing thread, or with the mutex held.
  bool recorded(const fsdprt_op &op) const;
  /// The same two. Wakes nobody.
  void record(const fsdprt_op &op) {
    if (op.record >= 0)
      events[op.record].store(phase, std::memory_order_seq_cst);
  }

  bool failed() const { return hasFailed.load(std::memory_order_acquire); }
  Status status() const;
  /// Keeps the first one, and wakes everybody.
  void fail(Status status);

  /// The issuing thread waits until `condition` holds.
  template <typename Condition>
  void block(std::unique_lock<std::mutex> &lock, Condition condition) {
    auto start = std::chrono::steady_clock::now();
    changed.wait(lock, condition);
    std::chrono::duration<double> time =
        std::chrono::steady_clock::now() - start;
    blockedSeconds += time.count();
  }
  /// Seconds that it has been blocked, since the last call.
  double takeBlockedSeconds() { return std::exchange(blockedSeconds, 0); }

  mutable std::mutex mutex;
  std::condition_variable changed;

private:
  /// Of each event the phase that recorded it last. Grows with the mutex held.
  std::unique_ptr<std::atomic<uint64_t>[]> events;
  int32_t numEvents = 0;
  uint64_t phase = 1;
  std::atomic<bool> hasFailed{false};
  Status error;
  double blockedSeconds = 0;
};

} // namespace fsdprt

#endif // FSDPRT_DEVICE_STREAMSTATE_H
