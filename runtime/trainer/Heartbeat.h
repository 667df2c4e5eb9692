//===- Heartbeat.h - A rank that waits for the disk -------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_HEARTBEAT_H
#define FSDPRT_TRAINER_HEARTBEAT_H

#include "core/FlightRecord.h"

#include <condition_variable>
#include <mutex>
#include <thread>

namespace fsdprt {

/// A thread that, when told to, counts the rank as making progress, so that
/// peers do not take one that waits for a slow disk for one that is stuck. Made
/// before the training, since no thread may be left when there is work to lose.
class Heartbeat {
public:
  explicit Heartbeat(FlightSlot *slot);
  ~Heartbeat();

  /// As long as it lives, the heart beats. `heartbeat` may be null.
  class Beating {
  public:
    explicit Beating(Heartbeat *heartbeat) : heartbeat(heartbeat) {
      if (heartbeat)
        heartbeat->set(heartbeat->beating, true);
    }
    ~Beating() {
      if (heartbeat)
        heartbeat->set(heartbeat->beating, false);
    }

  private:
    Heartbeat *heartbeat;
  };

private:
  void beat();
  void set(bool &flag, bool value);

  FlightSlot *slot;
  std::mutex mutex;
  std::condition_variable changed;
  bool beating = false, stopping = false;
  std::thread thread;
};

} // namespace fsdprt

#endif // FSDPRT_TRAINER_HEARTBEAT_H
