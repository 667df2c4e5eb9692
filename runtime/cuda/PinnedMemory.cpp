//===- PinnedMemory.cpp - Memory that host and GPU both see ---------------===//

#include "cuda/PinnedMemory.h"

#include <cstring>

using namespace fsdprt;
using namespace fsdprt::cuda;

Expected<PinnedMemory> PinnedMemory::create(const Gpu &gpu, int64_t bytes) {
  PinnedMemory pinned;
  void *memory = nullptr;
  CUresult result = gpu.api().cuMemHostAlloc(&memory, size_t(bytes),
                                             CU_MEMHOSTALLOC_PORTABLE |
                                                 CU_MEMHOSTALLOC_DEVICEMAP);
  if (result != CUDA_SUCCESS)
    return failure("cannot pin ", bytes, " bytes of the host's memory (",
                   gpu.api().describe(result),
                   "); allow more locked memory (ulimit -l)");
  pinned.gpu = gpu.shared_from_this();
  pinned.memory = static_cast<char *>(memory);
  pinned.bytes = bytes;
  std::memset(memory, 0, size_t(bytes));
  FSDPRT_CUDA(gpu, cuMemHostGetDevicePointer, &pinned.address, memory, 0);
  return pinned;
}

PinnedMemory &PinnedMemory::operator=(PinnedMemory &&other) noexcept {
  std::swap(gpu, other.gpu);
  std::swap(memory, other.memory);
  std::swap(address, other.address);
  std::swap(bytes, other.bytes);
  return *this;
}

PinnedMemory::~PinnedMemory() {
  if (memory)
    gpu->api().cuMemFreeHost(memory);
}

Expected<PinnedWords::Word> PinnedWords::next() {
  if (used == wordsOfBlock) {
    auto block = PinnedMemory::create(gpu, wordsOfBlock * sizeof(int32_t));
    if (!block.ok())
      return block.status();
    blocks.push_back(std::move(*block));
    used = 0;
  }
  const PinnedMemory &block = blocks.back();
  int64_t offset = used++ * int64_t(sizeof(int32_t));
  return Word{reinterpret_cast<volatile int32_t *>(block.data() + offset),
              block.device() + CUdeviceptr(offset)};
}
