//===- Heartbeat.cpp - A rank that waits for the disk ---------------------===//

#include "trainer/Heartbeat.h"

#include <chrono>

using namespace fsdprt;

/// Well below any --timeout that makes sense.
static constexpr std::chrono::milliseconds interval(100);

Heartbeat::Heartbeat(FlightSlot *slot)
    : slot(slot), thread([this] { beat(); }) {}

Heartbeat::~Heartbeat() {
  set(stopping, true);
  thread.join();
}

void Heartbeat::set(bool &flag, bool value) {
  std::lock_guard<std::mutex> lock(mutex);
  flag = value;
  changed.notify_all();
}

void Heartbeat::beat() {
  std::unique_lock<std::mutex> lock(mutex);
  while (!stopping) {
    if (!beating)
      changed.wait(lock);
    else if (changed.wait_for(lock, interval) == std::cv_status::timeout)
      markProgress(slot);
  }
}
