//===- HostMemory.h - What goes in and out of a GPU -------------*- C++ -*-===//

#ifndef FSDPRT_CUDA_HOSTMEMORY_H
#define FSDPRT_CUDA_HOSTMEMORY_H

#include "cuda/CudaStreams.h"
#include "cuda/PinnedMemory.h"

#include <map>

namespace fsdprt::cuda {

/// The host's side of inputs, scalars and results, and of what is loaded and
/// stored: pinned memory, copied on the streams.
class HostMemory {
public:
  HostMemory(const Gpu &gpu, CudaStreams &streams)
      : gpu(gpu), streams(streams) {}

  /// As Device::hostWrite; null where there is no memory for it, which
  /// upload() then says.
  void *write(const DeviceRange &range);
  /// Puts the copies of what was written on the compute stream, and lets all
  /// streams wait for them.
  Status upload();

  /// As Device::hostRead.
  Expected<const void *> read(const DeviceRange &range);

  /// Runs `work` on staging memory for the arguments of `op`: downloads those
  /// that it reads, uploads those that it writes. Returns when that is done.
  Status run(const Device::HostWork &work, const Dispatch &operation);

private:
  Expected<PinnedMemory *> mirrorOf(const DeviceRange &range);
  Expected<char *> stage(int64_t bytes);

  const Gpu &gpu;
  CudaStreams &streams;
  std::map<std::pair<uint64_t, int64_t>, PinnedMemory> mirrors; // by range
  std::vector<DeviceRange> written;
  PinnedMemory staging;
  Status problem;
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_HOSTMEMORY_H
