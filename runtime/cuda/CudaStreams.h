//===- CudaStreams.h - Order between a GPU's operations ---------*- C++ -*-===//

#ifndef FSDPRT_CUDA_CUDASTREAMS_H
#define FSDPRT_CUDA_CUDASTREAMS_H

#include "cuda/Gpu.h"
#include "device/Device.h"

#include <chrono>
#include <functional>
#include <utility>
#include <vector>

namespace fsdprt::cuda {

/// A CUevent of one operation, which records it each time it runs.
class Event {
public:
  static Expected<Event> create(const Gpu &gpu,
                                unsigned flags = CU_EVENT_DISABLE_TIMING);
  Event() = default;
  Event(Event &&other) noexcept { *this = std::move(other); }
  Event &operator=(Event &&other) noexcept;
  ~Event();

  CUevent get() const { return event; }
  explicit operator bool() const { return event; }

private:
  std::shared_ptr<const Gpu> gpu;
  CUevent event = nullptr;
};

/// The streams of a rank's GPU and the events of the phase that runs on them.
/// The host never blocks in the driver: it asks, and looks meanwhile whether
/// the other ranks are there.
class CudaStreams {
public:
  /// What fails a wait before its time, such as a communicator's error.
  using Check = std::function<Status()>;

  CudaStreams(const Gpu &gpu, const Device::Options &options)
      : gpu(gpu), slot(options.slot), flight(options.flight),
        timeoutSeconds(options.timeoutSeconds) {}

  void setCheck(Check given) { check = std::move(given); }
  void beginPhase() { ++phase; }

  /// Makes the operation's stream wait for the events that it waits for.
  Status waitForEvents(const fsdprt_op &op);
  /// Records the operation's event, if it has one.
  Status record(const fsdprt_op &op, const Event &event);

  /// Every stream waits for what `from` has been given so far.
  Status waitForStream(int32_t from);

  /// `into` waits for what every other stream has been given so far.
  Status joinStreams(int32_t into);

  /// Returns once the stream has nothing left to do.
  Status drain(int32_t number);
  Status drainAll();

  /// Seconds that the host has spent in this, since the last call.
  double takeWaitedSeconds() { return std::exchange(waitedSeconds, 0); }

private:
  struct Recorded {
    CUevent event = nullptr;
    int32_t stream = 0;
    uint64_t phase = 0;
  };
  Status recordFence(int32_t stream);
  Status wait(int32_t number,
              std::chrono::steady_clock::time_point start) const;
  Status idle(int attempt, std::chrono::steady_clock::time_point start) const;

  const Gpu &gpu;
  FlightSlot *const slot;
  FlightFile *const flight;
  const double timeoutSeconds;
  Check check;
  std::vector<Recorded> events; // by the plan's number
  uint64_t phase = 0;
  double waitedSeconds = 0;
  Event fences[FSDPRT_NUM_STREAMS]; // one a stream
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_CUDASTREAMS_H
