//===- MemoryUse.h - What a GPU's memory is used for ------------*- C++ -*-===//

#ifndef FSDPRT_CUDA_MEMORYUSE_H
#define FSDPRT_CUDA_MEMORYUSE_H

#include "cuda/Gpu.h"
#include "device/Device.h"

namespace fsdprt::cuda {

/// The plan knows what arenas take. What modules, cuBLASLt and NCCL take
/// besides only the driver knows: it is asked before and after.
class MemoryUse {
public:
  /// `plannedBytes`: of a rank's arenas.
  MemoryUse(const Gpu &gpu, int64_t plannedBytes)
      : gpu(gpu), plannedBytes(plannedBytes) {}

  /// Before libraries are opened, on all ranks, but for `taken` bytes that NCCL
  /// has for the ranks' own talk.
  Status begin(Control &control, int64_t taken);

  /// After that, on all ranks, and before anything is allocated: fails where
  /// the arenas of the GPU's ranks are more than it has free.
  Status checkFits(Control &control);

  /// Nothing before checkFits().
  const std::optional<DeviceMemory> &measured() const { return memory; }

private:
  const Gpu &gpu;
  const int64_t plannedBytes;
  int64_t freeAtBegin = 0;
  std::optional<DeviceMemory> memory;
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_MEMORYUSE_H
