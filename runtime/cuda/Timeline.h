//===- Timeline.h - When a GPU's operations ran -----------------*- C++ -*-===//

#ifndef FSDPRT_CUDA_TIMELINE_H
#define FSDPRT_CUDA_TIMELINE_H

#include "core/Trace.h"
#include "cuda/CudaWork.h"

namespace fsdprt::cuda {

/// Measures by events on the streams how long compute waits for others and,
/// while a trace is active, when every operation begins and ends. Times are
/// those of the GPU; the host's clock is met where a phase begins.
class Timeline {
public:
  /// `trace` may be null: only compute's waits are measured then.
  Timeline(const Gpu &gpu, CudaStreams &streams, Trace *trace)
      : gpu(gpu), streams(streams), trace(trace) {}

  /// `measures`: not where streams are captured, or a graph runs.
  Status beginPhase(bool measures);

  /// Around an operation's waits and its work, in this order.
  Status beforeWaits(const Dispatch &operation);
  Status beforeWork(const Dispatch &operation);
  Status afterWork(const Dispatch &operation);

  /// Streams are idle: reads the events of the phase.
  Status finishPhase();

  /// Since the last call; NaN where it was not measured.
  double takeBlockedSeconds() { return std::exchange(blockedSeconds, 0); }

private:
  bool isTraced() const { return trace && trace->active(); }
  bool waits(const Dispatch &operation) const {
    return isMeasured && operation.op->stream == FSDPRT_STREAM_COMPUTE &&
           operation.op->num_waits > 0;
  }
  Status mark(Event &event, const Dispatch &operation);
  Expected<double> seconds(const Event &from, const Event &to) const;
  Expected<int64_t> hostTime(const Event &event) const;
  Status addSpans(const Dispatch &operation);

  const Gpu &gpu;
  CudaStreams &streams;
  Trace *const trace;
  std::vector<const Dispatch *> measured; // of the phase that runs
  Event origin;
  int64_t originTime = 0; // of the host, in ns
  bool isMeasured = true, phaseIsTraced = false;
  double blockedSeconds = 0;
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_TIMELINE_H
