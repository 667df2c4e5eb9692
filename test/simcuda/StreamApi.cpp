//===- StreamApi.cpp - Streams and events ---------------------------------===//

#include "runtime/abi/fsdprt.h"
#include "test/simcuda/Api.h"

#include <cstring>

using namespace simcuda;
using namespace fsdprt::cuda;

SIMCUDA_API cuStreamCreateWithPriority(CUstream *stream, unsigned flags, int) {
  auto lock = enter(__func__);
  Device *device;
  if (CUresult wrong = needDevice(device))
    return wrong;
  if (!(flags & CU_STREAM_NON_BLOCKING)) {
    report("cuStreamCreateWithPriority: the stream would wait for the default "
           "one: CU_STREAM_NON_BLOCKING was expected");
    return CUDA_ERROR_INVALID_VALUE;
  }
  CUstream_st &one = device->streams.emplace_back();
  one.device = device;
  one.component = device->newComponent();
  one.label = "stream " + std::to_string(device->streams.size() - 1);
  *stream = &one;
  return CUDA_SUCCESS;
}

/// The stream's operations still run, as the driver promises.
SIMCUDA_API cuStreamDestroy_v2(CUstream stream) {
  auto lock = enter(__func__);
  if (!stream || stream->destroyed || stream->capture)
    return CUDA_ERROR_INVALID_HANDLE;
  stream->destroyed = true; // operations that are left still know it
  return stream->device->error();
}

SIMCUDA_API cuStreamWaitEvent(CUstream stream, CUevent event, unsigned) {
  auto lock = enter(__func__);
  if (!stream || !event || stream->device != event->device)
    return CUDA_ERROR_INVALID_HANDLE;
  if (CUresult wrong = stream->device->error())
    return wrong;
  if (stream->capture || event->capture)
    return waitCaptured(stream, event);
  if (!event->marker)
    return CUDA_SUCCESS;
  stream->waits.push_back(event->marker);
  stream->clock.join(event->marker->identity->clock);
  return CUDA_SUCCESS;
}

SIMCUDA_API cuStreamQuery(CUstream stream) {
  auto lock = enter(__func__);
  if (!stream)
    return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture)
    return failCapture(*stream->capture);
  if (CUresult wrong = checkNotCaptured())
    return wrong;
  Device &device = *stream->device;
  bool done = device.query(stream->tail);
  if (device.error() != CUDA_SUCCESS)
    return device.error();
  if (!done)
    return CUDA_ERROR_NOT_READY;
  device.seen(stream->tail);
  return CUDA_SUCCESS;
}

static CUresult synchronize(Device &device, const OperationRef &operation,
                            std::unique_lock<std::recursive_mutex> &lock) {
  while (operation && !operation->done && device.error() == CUDA_SUCCESS)
    if (!device.advance(operation))
      pause(lock);
  device.seen(operation);
  return device.error();
}

SIMCUDA_API cuStreamSynchronize(CUstream stream) {
  auto lock = enter(__func__);
  if (!stream)
    return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture)
    return failCapture(*stream->capture);
  if (CUresult wrong = checkNotCaptured())
    return wrong;
  return synchronize(*stream->device, stream->tail, lock);
}

/// A word of memory as the device sees it. What orders its readers and writers
/// is its value, so it takes no part in the search for races.
static CUresult
enqueueWord(const char *name, CUstream stream, CUdeviceptr address, bool waits,
            std::function<CUresult(volatile uint32_t *word)> touch) {
  Task task;
  task.name = name;
  task.waitsForHost = waits;
  task.begin = [=](const Task &, const IdentityRef &who) -> Work {
    return [=]() -> CUresult {
      char *word = translate(*stream->device, address, 4, *who);
      return word ? touch(reinterpret_cast<volatile uint32_t *>(word))
                  : CUDA_ERROR_ILLEGAL_ADDRESS;
    };
  };
  return enqueue(stream, std::move(task));
}

SIMCUDA_API cuStreamWaitValue32_v2(CUstream stream, CUdeviceptr address,
                                   uint32_t value, unsigned flags) {
  auto lock = enter(__func__);
  if (address % 4 || flags > CU_STREAM_WAIT_VALUE_EQ)
    return CUDA_ERROR_INVALID_VALUE;
  return enqueueWord("cuStreamWaitValue32", stream, address, /*waits=*/true,
                     [=](volatile uint32_t *word) {
                       int32_t ahead = int32_t(*word - value);
                       bool is = flags == CU_STREAM_WAIT_VALUE_EQ ? ahead == 0
                                                                  : ahead >= 0;
                       return is ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
                     });
}

SIMCUDA_API cuStreamWriteValue32_v2(CUstream stream, CUdeviceptr address,
                                    uint32_t value, unsigned flags) {
  auto lock = enter(__func__);
  if (address % 4 || flags != CU_STREAM_WRITE_VALUE_DEFAULT)
    return CUDA_ERROR_INVALID_VALUE;
  if (!simulator().settings.streamWrites)
    return CUDA_ERROR_NOT_SUPPORTED;
  if (stream && stream->capture && !simulator().settings.capturedWrites)
    return failCapture(*stream->capture);
  return enqueueWord("cuStreamWriteValue32", stream, address, /*waits=*/false,
                     [=](volatile uint32_t *word) {
                       *word = value;
                       markWritten(address, 4);
                       return CUDA_SUCCESS;
                     });
}

SIMCUDA_API cuEventCreate(CUevent *event, unsigned flags) {
  auto lock = enter(__func__);
  Device *device;
  if (CUresult wrong = needDevice(device))
    return wrong;
  CUevent_st &one = device->events.emplace_back();
  one.device = device;
  one.timing = !(flags & CU_EVENT_DISABLE_TIMING);
  *event = &one;
  return CUDA_SUCCESS;
}

SIMCUDA_API cuEventDestroy_v2(CUevent event) {
  auto lock = enter(__func__);
  if (!event)
    return CUDA_ERROR_INVALID_HANDLE;
  event->device->events.remove_if(
      [&](const CUevent_st &one) { return &one == event; });
  return CUDA_SUCCESS;
}

SIMCUDA_API cuEventRecord(CUevent event, CUstream stream) {
  auto lock = enter(__func__);
  if (!stream || !event || stream->device != event->device)
    return CUDA_ERROR_INVALID_HANDLE;
  if (CUresult wrong = stream->device->error())
    return wrong;
  if (stream->capture)
    return recordCaptured(event, stream);
  static const auto marker = [] {
    auto task = std::make_shared<Task>();
    task->name = "cuEventRecord";
    task->begin = [](const Task &, const IdentityRef &) -> Work {
      return [] { return CUDA_SUCCESS; };
    };
    return task;
  }();
  event->capture = nullptr;
  event->marker = stream->device->append(stream, marker);
  stream->device->enqueued();
  return CUDA_SUCCESS;
}

SIMCUDA_API cuEventQuery(CUevent event) {
  auto lock = enter(__func__);
  if (!event)
    return CUDA_ERROR_INVALID_HANDLE;
  if (event->capture)
    return CUDA_ERROR_CAPTURED_EVENT;
  if (CUresult wrong = checkNotCaptured())
    return wrong;
  Device &device = *event->device;
  bool done = device.query(event->marker);
  if (device.error() != CUDA_SUCCESS)
    return device.error();
  if (!done)
    return CUDA_ERROR_NOT_READY;
  device.seen(event->marker);
  return CUDA_SUCCESS;
}

SIMCUDA_API cuEventSynchronize(CUevent event) {
  auto lock = enter(__func__);
  if (!event)
    return CUDA_ERROR_INVALID_HANDLE;
  if (event->capture)
    return CUDA_ERROR_CAPTURED_EVENT;
  if (CUresult wrong = checkNotCaptured())
    return wrong;
  OperationRef marker = event->marker; // it may be recorded anew meanwhile
  return synchronize(*event->device, marker, lock);
}

SIMCUDA_API cuEventElapsedTime(float *milliseconds, CUevent start,
                               CUevent end) {
  auto lock = enter(__func__);
  if (!start || !end || !start->timing || !end->timing || !start->marker ||
      !end->marker || start->capture || end->capture)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!start->marker->done || !end->marker->done)
    return CUDA_ERROR_NOT_READY;
  std::chrono::duration<float, std::milli> between =
      end->marker->finished - start->marker->finished;
  *milliseconds = between.count();
  return CUDA_SUCCESS;
}
