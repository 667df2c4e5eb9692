//===- Heartbeat.h - A rank that waits for the disk -------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_HEARTBEAT_H
#define FSDPRT_TRAINER_HEARTBEAT_H

#include "core/FlightRecord.h"

#include <condition_variable>
#include <mutex>
#include <thread>

namespace fsdprt {

/// As long as it lives, the rank counts as making progress, so that peers do
/// not take one that waits for a slow disk for one that is stuck.
class Heartbeat {
public:
  explicit Heartbeat(FlightSlot *slot);
  ~Heartbeat();

private:
  void beat();

  FlightSlot *slot;
  std::mutex mutex;
  std::condition_variable changed;
  bool stopping = false;
  std::thread thread;
};

} // namespace fsdprt

#endif // FSDPRT_TRAINER_HEARTBEAT_H
