//===- Patience.h - How a rank waits for its GPU and for NCCL ---*- C++ -*-===//

#ifndef FSDPRT_CUDA_PATIENCE_H
#define FSDPRT_CUDA_PATIENCE_H

#include "device/Device.h"

#include <chrono>
#include <functional>

namespace fsdprt::cuda {

/// The host never blocks in a call of the driver or of NCCL: it asks, more
/// seldom as time goes on, and looks meanwhile whether the other ranks are
/// there. Where nothing goes on for the time-out it gives up.
class Patience {
public:
  /// Of the options: flight, timeoutSeconds.
  Patience(const Device::Options &options, int rank)
      : flight(options.flight), rank(rank),
        timeoutSeconds(options.timeoutSeconds) {}

  /// What fails any wait before its time, such as a communicator's error.
  void setCheck(std::function<Status()> given) { check = std::move(given); }
  /// Whether the GPU has got on since it was last asked. So have ranks of this
  /// host whose record says so.
  void setLook(std::function<bool()> given) { look = std::move(given); }

  /// Calls `ask`, which returns an Expected<bool>, until that is true or a
  /// failure. `call` is NCCL's that has not come back, if it is one.
  template <typename Ask> Status until(Ask ask, const char *call = nullptr) {
    Wait wait;
    while (true) {
      Expected<bool> done = ask();
      Status status = done.ok() && !*done ? pause(wait, call) : done.status();
      if (problem.ok())
        problem = status;
      if (!status.ok() || *done)
        return status;
    }
  }

  /// The first failure of a wait: of something that was begun before it.
  const Status &status() const { return problem; }

private:
  using Clock = std::chrono::steady_clock;
  struct Wait {
    Clock::time_point lastChange = Clock::now();
    uint64_t progressOfOthers = 0;
    int looks = 0;
  };
  Status pause(Wait &wait, const char *call);
  bool hasChanged(Wait &wait) const;
  Status giveUp(const char *call) const;

  FlightFile *const flight;
  const int rank;
  const double timeoutSeconds;
  std::function<Status()> check;
  std::function<bool()> look;
  Status problem;
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_PATIENCE_H
