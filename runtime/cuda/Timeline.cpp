//===- Timeline.cpp - When a GPU's operations ran -------------------------===//

#include "cuda/Timeline.h"

#include <limits>

using namespace fsdprt;
using namespace fsdprt::cuda;

/// Records a timed event behind what the stream was given.
static Status recordOn(const Gpu &gpu, Event &event, int32_t stream) {
  if (!event) {
    Expected<Event> created = Event::create(gpu, CU_EVENT_DEFAULT);
    if (!created.ok())
      return created.status();
    event = std::move(*created);
  }
  FSDPRT_CUDA(gpu, cuEventRecord, event.get(), gpu.stream(stream));
  return Status();
}

Status Timeline::mark(Event &event, const Dispatch &operation) {
  return recordOn(gpu, event, operation.op->stream);
}

Status Timeline::beginPhase(bool measures) {
  measured.clear();
  isMeasured = measures;
  phaseIsTraced = measures && isTraced();
  if (!measures)
    blockedSeconds = std::numeric_limits<double>::quiet_NaN();
  if (!phaseIsTraced)
    return Status();
  FSDPRT_RETURN_IF_ERROR(streams.drain(FSDPRT_STREAM_COMPUTE));
  FSDPRT_RETURN_IF_ERROR(recordOn(gpu, origin, FSDPRT_STREAM_COMPUTE));
  FSDPRT_RETURN_IF_ERROR(streams.drain(FSDPRT_STREAM_COMPUTE));
  originTime = Trace::now();
  return Status();
}

Status Timeline::beforeWaits(const Dispatch &operation) {
  if (!waits(operation))
    return Status();
  return mark(cudaWorkOf(operation).waitBegin, operation);
}

Status Timeline::beforeWork(const Dispatch &operation) {
  // A join ends the measurement itself.
  if (cudaWorkOf(operation).endsPhase || (!waits(operation) && !phaseIsTraced))
    return Status();
  measured.push_back(&operation);
  return mark(cudaWorkOf(operation).workBegin, operation);
}

Status Timeline::afterWork(const Dispatch &operation) {
  if (!phaseIsTraced || cudaWorkOf(operation).endsPhase)
    return Status();
  return mark(cudaWorkOf(operation).workEnd, operation);
}

Expected<double> Timeline::seconds(const Event &from, const Event &to) const {
  float milliseconds = 0;
  FSDPRT_CUDA(gpu, cuEventElapsedTime, &milliseconds, from.get(), to.get());
  return double(milliseconds) / 1000;
}

Expected<int64_t> Timeline::hostTime(const Event &event) const {
  Expected<double> since = seconds(origin, event);
  if (!since.ok())
    return since.status();
  return originTime + int64_t(*since * 1e9);
}

Status Timeline::addSpans(const Dispatch &operation) {
  const CudaWork &work = cudaWorkOf(operation);
  auto add = [&](TraceSpan::Kind kind, const Event &from, const Event &to,
                 int64_t least) -> Status {
    // A float of milliseconds: from the origin it may be microseconds wide.
    Expected<int64_t> begin = hostTime(from);
    Expected<double> length = seconds(from, to);
    FSDPRT_RETURN_IF_ERROR(begin.status());
    FSDPRT_RETURN_IF_ERROR(length.status());
    if (auto nanoseconds = int64_t(*length * 1e9); nanoseconds >= least)
      trace->add(Trace::Program, kind, operation.op, operation.index(), *begin,
                 *begin + nanoseconds);
    return Status();
  };
  if (waits(operation))
    FSDPRT_RETURN_IF_ERROR(add(TraceSpan::Kind::Wait, work.waitBegin,
                               work.workBegin, Trace::leastWait));
  return add(TraceSpan::Kind::Dispatch, work.workBegin, work.workEnd, 0);
}

Status Timeline::finishPhase() {
  for (const Dispatch *operation : measured) {
    const CudaWork &work = cudaWorkOf(*operation);
    if (waits(*operation)) {
      Expected<double> blocked = seconds(work.waitBegin, work.workBegin);
      FSDPRT_RETURN_IF_ERROR(blocked.status());
      blockedSeconds += *blocked;
    }
    if (phaseIsTraced)
      FSDPRT_RETURN_IF_ERROR(addSpans(*operation));
  }
  measured.clear();
  return Status();
}
