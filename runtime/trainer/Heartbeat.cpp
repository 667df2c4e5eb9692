//===- Heartbeat.cpp - A rank that waits for the disk ---------------------===//

#include "trainer/Heartbeat.h"

#include <chrono>

using namespace fsdprt;

/// Well below any --timeout that makes sense.
static constexpr std::chrono::milliseconds interval(100);

Heartbeat::Heartbeat(FlightSlot *slot)
    : slot(slot), thread([this] { beat(); }) {}

Heartbeat::~Heartbeat() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    stopping = true;
    changed.notify_all();
  }
  thread.join();
}

void Heartbeat::beat() {
  std::unique_lock<std::mutex> lock(mutex);
  while (!changed.wait_for(lock, interval, [&] { return stopping; }))
    markProgress(slot);
}
