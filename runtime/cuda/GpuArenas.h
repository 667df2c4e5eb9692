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
  GpuArenas(const Gpu &gpu, const Device::Options &options)
      : gpu(gpu), onWarning(options.onWarning) {}
  /// What NCCL gave is NCCL's.
  ~GpuArenas();

  /// `nccl` may be null. All ranks allocate the same arenas.
  Expected<CUdeviceptr> allocate(const ArenaSpec &arena, NcclGroup *nccl,
                                 Control &control);
  bool empty() const { return numArenas == 0; }

private:
  Status makeWindow(CUdeviceptr address, const ArenaSpec &arena,
                    NcclGroup &nccl, Control &control);

  const Gpu &gpu;
  const std::function<void(const std::string &)> onWarning;
  std::vector<CUdeviceptr> own;
  int numArenas = 0;
  bool hasFailed = false; // no more windows
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_GPUARENAS_H
