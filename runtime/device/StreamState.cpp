//===- StreamState.cpp - What the streams of a rank share -----------------===//

#include "device/StreamState.h"

#include <algorithm>

using namespace fsdprt;

void StreamState::reserve(const fsdprt_op &op) {
  if (op.record < numEvents)
    return;
  int64_t wanted = std::max(int64_t(op.record) + 1, 2 * int64_t(numEvents));
  auto larger = std::make_unique<std::atomic<uint64_t>[]>(wanted);
  std::lock_guard<std::mutex> lock(mutex);
  for (int64_t i = 0; i < wanted; ++i)
    larger[i] = i < numEvents ? events[i].load() : 0;
  events = std::move(larger);
  numEvents = int32_t(std::min<int64_t>(wanted, INT32_MAX));
}

bool StreamState::recorded(const fsdprt_op &op) const {
  for (int32_t i = 0; i < op.num_waits; ++i) {
    int32_t event = op.waits[i];
    if (event < 0 || event >= numEvents ||
        events[event].load(std::memory_order_acquire) != phase)
      return false;
  }
  return true;
}

Status StreamState::status() const {
  std::lock_guard<std::mutex> lock(mutex);
  return error;
}

void StreamState::fail(Status status) {
  std::lock_guard<std::mutex> lock(mutex);
  if (error.ok())
    error = std::move(status);
  hasFailed = true;
  changed.notify_all();
}
