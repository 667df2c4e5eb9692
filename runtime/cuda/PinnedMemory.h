//===- PinnedMemory.h - Memory that host and GPU both see -------*- C++ -*-===//

#ifndef FSDPRT_CUDA_PINNEDMEMORY_H
#define FSDPRT_CUDA_PINNEDMEMORY_H

#include "cuda/Gpu.h"

#include <vector>

namespace fsdprt::cuda {

/// Pages of the host that stay where they are: copies to and from them run on
/// a stream, and kernels may write to them.
class PinnedMemory {
public:
  PinnedMemory() = default;
  /// Of `bytes` bytes, which are 0.
  static Expected<PinnedMemory> create(const Gpu &gpu, int64_t bytes);
  PinnedMemory(PinnedMemory &&other) noexcept { *this = std::move(other); }
  PinnedMemory &operator=(PinnedMemory &&other) noexcept;
  ~PinnedMemory();

  char *data() const { return memory; }
  int64_t size() const { return bytes; }
  /// The same memory, as a kernel knows it.
  CUdeviceptr device() const { return address; }

private:
  std::shared_ptr<const Gpu> gpu;
  char *memory = nullptr;
  CUdeviceptr address = 0;
  int64_t bytes = 0;
};

/// Numbers of pinned memory that stay where they are, handed out one by one.
class PinnedWords {
public:
  explicit PinnedWords(const Gpu &gpu) : gpu(gpu) {}

  struct Word {
    volatile int32_t *host = nullptr;
    CUdeviceptr device = 0;
  };
  /// The next one; it is 0.
  Expected<Word> next();

private:
  static constexpr int64_t wordsOfBlock = 4096;

  const Gpu &gpu;
  std::vector<PinnedMemory> blocks;
  int64_t used = wordsOfBlock; // of the last block
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_PINNEDMEMORY_H
