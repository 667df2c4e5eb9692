//===- GpuArenas.h - The arenas of a GPU ------------------------*- C++ -*-===//

#ifndef FSDPRT_CUDA_GPUARENAS_H
#define FSDPRT_CUDA_GPUARENAS_H

#include "cuda/NcclGroup.h"
#include "device/Device.h"

namespace fsdprt::cuda {

/// One allocation each. With an NCCL that has them, symmetric windows: the plan
/// has the same bytes at the same offsets on every rank.
class GpuArenas {
public:
  explicit GpuArenas(const Gpu &gpu) : gpu(gpu) {}
  /// What NCCL gave is NCCL's.
  ~GpuArenas();

  /// `nccl` may be null. All ranks allocate the same arenas.
  Expected<CUdeviceptr> allocate(const ArenaSpec &arena, NcclGroup *nccl,
                                 Control &control);
  bool empty() const { return numArenas == 0; }

private:
  const Gpu &gpu;
  std::vector<CUdeviceptr> own;
  int numArenas = 0;
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_GPUARENAS_H
