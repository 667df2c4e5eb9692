//===- CudaStreams.cpp - Order between a GPU's operations -----------------===//

#include "cuda/CudaStreams.h"

#include <chrono>

using namespace fsdprt;
using namespace fsdprt::cuda;
using Clock = std::chrono::steady_clock;

//===----------------------------------------------------------------------===//
// Events
//===----------------------------------------------------------------------===//

Expected<Event> Event::create(const Gpu &gpu, unsigned flags) {
  Event created;
  FSDPRT_CUDA(gpu, cuEventCreate, &created.event, flags);
  created.gpu = gpu.shared_from_this();
  return created;
}

Event &Event::operator=(Event &&other) noexcept {
  std::swap(gpu, other.gpu);
  std::swap(event, other.event);
  return *this;
}

Event::~Event() {
  if (event)
    gpu->api().cuEventDestroy(event);
}

//===----------------------------------------------------------------------===//
// Order
//===----------------------------------------------------------------------===//

Status CudaStreams::waitForEvents(const fsdprt_op &op) {
  for (int32_t i = 0; i < op.num_waits; ++i) {
    size_t number = size_t(op.waits[i]);
    if (number >= events.size() || events[number].phase != phase)
      return failure("it waits for an event that no earlier operation records");
    if (events[number].stream != op.stream) // else it comes later anyway
      FSDPRT_CUDA(gpu, cuStreamWaitEvent, gpu.stream(op.stream),
                  events[number].event, 0);
  }
  return Status();
}

Status CudaStreams::record(const fsdprt_op &op, const Event &event) {
  if (op.record < 0)
    return Status();
  FSDPRT_CUDA(gpu, cuEventRecord, event.get(), gpu.stream(op.stream));
  if (size_t(op.record) >= events.size())
    events.resize(size_t(op.record) + 1);
  events[op.record] = {event.get(), op.stream, phase};
  return Status();
}

Status CudaStreams::recordFence(int32_t stream) {
  Event &fence = fences[stream];
  if (!fence) {
    Expected<Event> created = Event::create(gpu);
    if (!created.ok())
      return created.status();
    fence = std::move(*created);
  }
  FSDPRT_CUDA(gpu, cuEventRecord, fence.get(), gpu.stream(stream));
  return Status();
}

Status CudaStreams::waitForStream(int32_t from) {
  FSDPRT_RETURN_IF_ERROR(recordFence(from));
  for (int32_t i = 0; i < FSDPRT_NUM_STREAMS; ++i)
    if (i != from)
      FSDPRT_CUDA(gpu, cuStreamWaitEvent, gpu.stream(i), fences[from].get(), 0);
  return Status();
}

Status CudaStreams::joinStreams(int32_t into) {
  for (int32_t i = 0; i < FSDPRT_NUM_STREAMS; ++i) {
    if (i == into)
      continue;
    FSDPRT_RETURN_IF_ERROR(recordFence(i));
    FSDPRT_CUDA(gpu, cuStreamWaitEvent, gpu.stream(into), fences[i].get(), 0);
  }
  return Status();
}

//===----------------------------------------------------------------------===//
// Waiting
//===----------------------------------------------------------------------===//

Expected<bool> CudaStreams::isIdle(int32_t number) {
  CUresult result = gpu.api().cuStreamQuery(gpu.stream(number));
  if (result == CUDA_SUCCESS || result == CUDA_ERROR_NOT_READY)
    return result == CUDA_SUCCESS;
  return progress.blame(gpu.check("an operation on the GPU", result));
}

Status CudaStreams::drain(int32_t number) {
  Clock::time_point start = Clock::now();
  Status status = patience.until([&] { return isIdle(number); });
  waitedSeconds += std::chrono::duration<double>(Clock::now() - start).count();
  return status;
}

Status CudaStreams::drainAll() {
  for (int32_t i = 0; i < FSDPRT_NUM_STREAMS; ++i)
    FSDPRT_RETURN_IF_ERROR(drain(i));
  return Status();
}
