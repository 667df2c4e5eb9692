//===- MemoryApi.cpp - Memory and copies ----------------------------------===//

#include "runtime/abi/fsdprt.h"
#include "test/simcuda/Api.h"

#include <cstring>
#include <utility>

using namespace simcuda;
using namespace fsdprt::cuda;

SIMCUDA_API cuMemGetInfo_v2(size_t *free, size_t *total) {
  auto lock = enter(__func__);
  Device *device;
  if (CUresult wrong = needDevice(device))
    return wrong;
  *total = simulator().settings.memory;
  *free = *total - device->used;
  return CUDA_SUCCESS;
}

SIMCUDA_API cuMemAlloc_v2(CUdeviceptr *address, size_t bytes) {
  auto lock = enter(__func__);
  Device *device;
  if (CUresult wrong = needDevice(device))
    return wrong;
  if (CUresult wrong = checkNotCaptured())
    return wrong;
  uint64_t begin = 0;
  CUresult result = allocate(*device, bytes, begin);
  *address = begin;
  return result;
}

SIMCUDA_API cuMemFree_v2(CUdeviceptr address) {
  auto lock = enter(__func__);
  Device *device;
  if (CUresult wrong = needDevice(device))
    return wrong;
  if (CUresult wrong = checkNotCaptured())
    return wrong;
  // The driver waits for the device before it takes memory away.
  while (!device->idle())
    if (!device->advance(nullptr))
      pause(lock);
  return release(*device, address);
}

SIMCUDA_API cuMemHostAlloc(void **memory, size_t bytes, unsigned) {
  auto lock = enter(__func__);
  Device *device;
  if (CUresult wrong = needDevice(device))
    return wrong;
  if (CUresult wrong = checkNotCaptured())
    return wrong;
  Simulator &s = simulator();
  const Allocation *a = nullptr;
  if (bytes && ++s.allocations != s.settings.failAllocation &&
      s.memory.pinnedBytes() + bytes <= uint64_t(s.settings.pinned))
    a = s.memory.allocatePinned(bytes);
  *memory = a ? a->data : nullptr;
  return a ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

SIMCUDA_API cuMemFreeHost(void *memory) {
  auto lock = enter(__func__);
  Device *device;
  if (CUresult wrong = needDevice(device))
    return wrong;
  uint64_t address = reinterpret_cast<uint64_t>(memory);
  while (!device->idle())
    if (!device->advance(nullptr))
      pause(lock);
  if (const Allocation *a = simulator().memory.at(address))
    device->races.forget(address, a->bytes);
  return simulator().memory.free(address, /*pinned=*/true)
             ? CUDA_SUCCESS
             : CUDA_ERROR_INVALID_VALUE;
}

SIMCUDA_API cuMemHostGetDevicePointer_v2(CUdeviceptr *address, void *memory,
                                         unsigned) {
  auto lock = enter(__func__);
  *address = reinterpret_cast<uint64_t>(memory);
  const Allocation *a = simulator().memory.find(*address, 1);
  return a && a->device == Allocation::kPinned ? CUDA_SUCCESS
                                               : CUDA_ERROR_INVALID_VALUE;
}

/// Whether the source was announced as bytes that may be undefined.
static bool maySourceBeUndefined(const Task &task, uint64_t from) {
  for (const Range &range : task.ranges)
    if (range.access == (FSDPRT_ACCESS_READ | FSDPRT_ACCESS_SCRATCH) &&
        range.address <= from && from < range.end())
      return true;
  return false;
}

/// Copies bytes, some of which may be padding: those that were never written
/// arrive as no number. False, and said, where all are such that may not.
static bool move(char *target, const char *source, uint64_t to, uint64_t from,
                 size_t bytes, bool mayBeUndefined, const Identity &who) {
  const Allocation *a = simulator().memory.find(from, bytes);
  const uint8_t *flags =
      a->written ? a->written + (from - a->address) : nullptr;
  if (flags && !mayBeUndefined && !std::memchr(flags, 1, bytes) &&
      !checkWritten(from, bytes, who))
    return false;
  std::memmove(target, source, bytes);
  markWritten(to, bytes);
  if (!flags || !simulator().settings.uninitialized)
    return true;
  const uint8_t *at = flags, *end = flags + bytes;
  auto find = [&](int value) {
    auto *found =
        static_cast<const uint8_t *>(std::memchr(at, value, end - at));
    return found ? found : end;
  };
  while ((at = find(0)) != end) {
    const uint8_t *gap = std::exchange(at, find(1));
    makeGarbage(to + (gap - flags), at - gap);
  }
  return true;
}

/// A copy between any two places that the stream's device may touch.
static CUresult copy(const char *name, uint64_t to, uint64_t from, size_t bytes,
                     CUstream stream) {
  if (bytes == 0)
    return CUDA_SUCCESS;
  Task task;
  task.name = name;
  task.ranges = {{from, bytes, FSDPRT_ACCESS_READ},
                 {to, bytes, FSDPRT_ACCESS_WRITE}};
  task.begin = [=](const Task &given, const IdentityRef &who) -> Work {
    bool mayBeUndefined = maySourceBeUndefined(given, from);
    return [=] {
      const char *source = translate(*stream->device, from, bytes, *who);
      char *target = translate(*stream->device, to, bytes, *who);
      if (!source || !target ||
          !move(target, source, to, from, bytes, mayBeUndefined, *who))
        return CUDA_ERROR_ILLEGAL_ADDRESS;
      return CUDA_SUCCESS;
    };
  };
  return enqueue(stream, std::move(task));
}

/// A copy of other memory would not return at once, nor be captured.
static bool isPinned(const char *name, const void *memory, size_t bytes) {
  const Allocation *a =
      simulator().memory.find(reinterpret_cast<uint64_t>(memory), bytes);
  if (bytes == 0 || (a && a->device == Allocation::kPinned))
    return true;
  takeAnnouncement();
  report("%s: %zu bytes at %p are not in pinned host memory", name, bytes,
         memory);
  return false;
}

SIMCUDA_API cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes,
                                 CUstream stream) {
  auto lock = enter(__func__);
  if (!isPinned("cuMemcpyHtoDAsync", from, bytes))
    return CUDA_ERROR_INVALID_VALUE;
  return copy("cuMemcpyHtoDAsync", to, reinterpret_cast<uint64_t>(from), bytes,
              stream);
}

SIMCUDA_API cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes,
                                 CUstream stream) {
  auto lock = enter(__func__);
  if (!isPinned("cuMemcpyDtoHAsync", to, bytes))
    return CUDA_ERROR_INVALID_VALUE;
  return copy("cuMemcpyDtoHAsync", reinterpret_cast<uint64_t>(to), from, bytes,
              stream);
}

SIMCUDA_API cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes,
                                 CUstream stream) {
  auto lock = enter(__func__);
  return copy("cuMemcpyDtoDAsync", to, from, bytes, stream);
}

SIMCUDA_API cuMemsetD8Async(CUdeviceptr to, unsigned char byte, size_t bytes,
                            CUstream stream) {
  auto lock = enter(__func__);
  if (bytes == 0)
    return CUDA_SUCCESS;
  Task task;
  task.name = "cuMemsetD8Async";
  task.ranges = {{to, bytes, FSDPRT_ACCESS_WRITE}};
  task.begin = [=](const Task &, const IdentityRef &who) -> Work {
    return [=] {
      char *target = translate(*stream->device, to, bytes, *who);
      if (!target)
        return CUDA_ERROR_ILLEGAL_ADDRESS;
      std::memset(target, byte, bytes);
      markWritten(to, bytes);
      return CUDA_SUCCESS;
    };
  };
  return enqueue(stream, std::move(task));
}
