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

  /// As Device::hostWrite; where there is no memory for it, the next upload()
  /// says so.
  void *write(const DeviceRange &range);
  /// What was written since the last call.
  std::vector<DeviceRange> takeWritten() { return std::exchange(written, {}); }
  /// Puts copies of it on the compute stream, and lets all streams wait for
  /// them.
  Status upload(const std::vector<DeviceRange> &ranges);

  /// As Device::hostRead.
  Expected<const void *> read(const DeviceRange &range);
  /// Puts the copies of all that was ever read on the compute stream: until the
  /// next phase, read() has them. How many these are.
  Expected<size_t> download();
  /// A graph has made the first `count` of those copies.
  void expectDownloads(size_t count) { downloaded = count; }
  void beginPhase() { downloaded = 0; }

  /// As Device::download and upload: through staging memory of the range's
  /// size.
  Status copyOut(const DeviceRange &range, void *to);
  Status copyIn(const DeviceRange &range, const void *from);

  /// Runs `work` on staging memory for the arguments of `op`: downloads those
  /// that it reads, uploads those that it writes. Returns when that is done.
  Status run(const Device::HostWork &work, const Dispatch &operation);

private:
  Expected<PinnedMemory *> mirrorOf(const DeviceRange &range);
  Expected<char *> stage(int64_t bytes);
  Status download(const DeviceRange &range);
  void announce(const char *name, const DeviceRange &range,
                int32_t access) const;

  const Gpu &gpu;
  CudaStreams &streams;
  std::map<std::pair<uint64_t, int64_t>, PinnedMemory> mirrors; // by range
  std::vector<DeviceRange> written;
  std::vector<DeviceRange> results; // all that was read
  size_t downloaded = 0;            // of these, in the phase that ended
  PinnedMemory staging;
  Status problem;         // of write()
  std::vector<char> lost; // what is written after it
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_HOSTMEMORY_H
