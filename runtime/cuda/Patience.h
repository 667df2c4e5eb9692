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
  explicit Patience(const Device::Options &options)
      : flight(options.flight), timeoutSeconds(options.timeoutSeconds) {}

  /// What fails any wait before its time, such as a communicator's error.
  void setCheck(std::function<Status()> given) { check = std::move(given); }

  /// Calls `ask`, which returns an Expected<bool>, until that is true or a
  /// failure. `call` is NCCL's that has not come back, if it is one.
  template <typename Ask>
  Status until(Ask ask, const char *call = nullptr) const {
    Wait wait;
    while (true) {
      Expected<bool> done = ask();
      if (!done.ok() || *done)
        return done.status();
      FSDPRT_RETURN_IF_ERROR(pause(wait, call));
    }
  }

private:
  using Clock = std::chrono::steady_clock;
  struct Wait {
    Clock::time_point start = Clock::now();
    int looks = 0;
  };
  Status pause(Wait &wait, const char *call) const;
  Status giveUp(const char *call) const;

  FlightFile *const flight;
  const double timeoutSeconds;
  std::function<Status()> check;
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_PATIENCE_H
