//===- StagingMemory.h - Where collectives meet the host --------*- C++ -*-===//

#ifndef FSDPRT_CUDA_STAGINGMEMORY_H
#define FSDPRT_CUDA_STAGINGMEMORY_H

#include "cuda/CudaStreams.h"
#include "cuda/PinnedMemory.h"

#include <map>

namespace fsdprt::cuda {

/// Pinned memory for collectives that go through the host: one buffer a
/// communicator, as large as its largest collective, since its stream runs them
/// one after the other.
class StagingMemory {
public:
  StagingMemory(const Gpu &gpu, CudaStreams &streams)
      : gpu(gpu), streams(streams) {}

  /// The communicator's buffer, of at least so many bytes. It stays where it
  /// is; what it holds moves when a later one needs more, for which all that
  /// was enqueued is waited for.
  Expected<const PinnedMemory *> reserve(int32_t communicator, int64_t bytes);

  /// Of all buffers.
  int64_t bytes() const;

private:
  const Gpu &gpu;
  CudaStreams &streams;
  std::map<int32_t, PinnedMemory> buffers; // by communicator
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_STAGINGMEMORY_H
