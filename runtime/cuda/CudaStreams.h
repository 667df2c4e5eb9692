//===- CudaStreams.h - Order between a GPU's operations ---------*- C++ -*-===//

#ifndef FSDPRT_CUDA_CUDASTREAMS_H
#define FSDPRT_CUDA_CUDASTREAMS_H

#include "cuda/Gpu.h"
#include "cuda/Patience.h"
#include "cuda/StreamProgress.h"

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
class CudaStreams {
public:
  CudaStreams(const Gpu &gpu, Patience &patience, StreamProgress &progress)
      : gpu(gpu), patience(patience), progress(progress) {}

  void beginPhase() { ++phase; }

  /// Makes the operation's stream wait for the events that it waits for.
  Status waitForEvents(const fsdprt_op &op);
  /// Records the operation's event, if it has one.
  Status record(const fsdprt_op &op, const Event &event);

  /// Every stream waits for what `from` has been given so far.
  Status waitForStream(int32_t from);

  /// `into` waits for what every other stream has been given so far.
  Status joinStreams(int32_t into);

  /// Whether the stream has nothing left to do. Fails where the GPU has
  /// faulted, and names what it was in.
  Expected<bool> isIdle(int32_t number);
  /// Returns once it has.
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

  const Gpu &gpu;
  Patience &patience;
  StreamProgress &progress;
  std::vector<Recorded> events; // by the plan's number
  uint64_t phase = 0;
  double waitedSeconds = 0;
  Event fences[FSDPRT_NUM_STREAMS]; // one a stream
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_CUDASTREAMS_H
