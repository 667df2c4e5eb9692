//===- StagingMemory.cpp - Where collectives meet the host ----------------===//

#include "cuda/StagingMemory.h"

using namespace fsdprt;
using namespace fsdprt::cuda;

Expected<const PinnedMemory *> StagingMemory::reserve(int32_t communicator,
                                                      int64_t bytes) {
  PinnedMemory &buffer = buffers[communicator];
  if (buffer.size() >= bytes)
    return &buffer;
  FSDPRT_RETURN_IF_ERROR(streams.drainAll());
  buffer = PinnedMemory(); // gone before there is more
  auto larger = PinnedMemory::create(gpu, bytes);
  if (!larger.ok())
    return larger.status();
  buffer = std::move(*larger);
  return &buffer;
}

int64_t StagingMemory::bytes() const {
  int64_t sum = 0;
  for (const auto &[communicator, buffer] : buffers)
    sum += buffer.size();
  return sum;
}
