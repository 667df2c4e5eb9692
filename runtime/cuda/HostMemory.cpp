//===- HostMemory.cpp - What goes in and out of a GPU ---------------------===//

#include "cuda/HostMemory.h"

#include <algorithm>
#include <cstring>

using namespace fsdprt;
using namespace fsdprt::cuda;

Expected<PinnedMemory *> HostMemory::mirrorOf(const DeviceRange &range) {
  auto key = std::make_pair(uint64_t(range.begin), range.bytes);
  auto found = mirrors.find(key);
  if (found == mirrors.end()) {
    auto created = PinnedMemory::create(gpu, range.bytes);
    if (!created.ok())
      return created.status();
    found = mirrors.emplace(key, std::move(*created)).first;
  }
  return &found->second;
}

void *HostMemory::write(const DeviceRange &range) {
  Expected<PinnedMemory *> mirror = mirrorOf(range);
  if (!mirror.ok()) {
    problem = mirror.status();
    lost.resize(size_t(range.bytes));
    return lost.data();
  }
  written.push_back(range);
  return (*mirror)->data();
}

void HostMemory::announce(const char *name, const DeviceRange &range,
                          int32_t access) const {
  if (gpu.isSimulated())
    gpu.announce(name, "", {{uint64_t(range.begin), range.bytes, access, 0}});
}

Status HostMemory::upload(const std::vector<DeviceRange> &ranges) {
  FSDPRT_RETURN_IF_ERROR(problem);
  if (ranges.empty())
    return Status();
  for (const DeviceRange &range : ranges) {
    announce("upload", range, FSDPRT_ACCESS_WRITE);
    FSDPRT_CUDA(gpu, cuMemcpyHtoDAsync, CUdeviceptr(range.begin),
                (*mirrorOf(range))->data(), size_t(range.bytes),
                gpu.stream(FSDPRT_STREAM_COMPUTE));
  }
  return streams.waitForStream(FSDPRT_STREAM_COMPUTE);
}

Status HostMemory::download(const DeviceRange &range) {
  Expected<PinnedMemory *> mirror = mirrorOf(range);
  if (!mirror.ok())
    return mirror.status();
  announce("download", range, FSDPRT_ACCESS_READ);
  FSDPRT_CUDA(gpu, cuMemcpyDtoHAsync, (*mirror)->data(),
              CUdeviceptr(range.begin), size_t(range.bytes),
              gpu.stream(FSDPRT_STREAM_COMPUTE));
  return Status();
}

Expected<size_t> HostMemory::download() {
  for (const DeviceRange &range : results)
    FSDPRT_RETURN_IF_ERROR(download(range));
  downloaded = results.size();
  return downloaded;
}

Expected<const void *> HostMemory::read(const DeviceRange &range) {
  auto known = std::find_if(
      results.begin(), results.end(), [&](const DeviceRange &result) {
        return result.begin == range.begin && result.bytes == range.bytes;
      });
  bool isHere = size_t(known - results.begin()) < downloaded;
  if (known == results.end())
    results.push_back(range);
  if (!isHere) {
    FSDPRT_RETURN_IF_ERROR(download(range));
    FSDPRT_RETURN_IF_ERROR(streams.drain(FSDPRT_STREAM_COMPUTE));
  }
  return static_cast<const void *>((*mirrorOf(range))->data());
}

/// Grows, and is used again: lines come one after the other.
Expected<char *> HostMemory::stage(int64_t bytes) {
  if (staging.size() < bytes) {
    staging = PinnedMemory();
    auto created = PinnedMemory::create(gpu, bytes);
    if (!created.ok())
      return created.status();
    staging = std::move(*created);
  }
  return staging.data();
}

Status HostMemory::copyOut(const DeviceRange &range, void *to) {
  Expected<char *> memory = stage(range.bytes);
  if (!memory.ok())
    return memory.status();
  announce("download", range, FSDPRT_ACCESS_READ);
  FSDPRT_CUDA(gpu, cuMemcpyDtoHAsync, *memory, CUdeviceptr(range.begin),
              size_t(range.bytes), gpu.stream(FSDPRT_STREAM_COMPUTE));
  FSDPRT_RETURN_IF_ERROR(streams.drain(FSDPRT_STREAM_COMPUTE));
  std::memcpy(to, *memory, size_t(range.bytes));
  return Status();
}

Status HostMemory::copyIn(const DeviceRange &range, const void *from) {
  Expected<char *> memory = stage(range.bytes);
  if (!memory.ok())
    return memory.status();
  std::memcpy(*memory, from, size_t(range.bytes));
  announce("upload", range, FSDPRT_ACCESS_WRITE);
  FSDPRT_CUDA(gpu, cuMemcpyHtoDAsync, CUdeviceptr(range.begin), *memory,
              size_t(range.bytes), gpu.stream(FSDPRT_STREAM_COMPUTE));
  return streams.drain(FSDPRT_STREAM_COMPUTE);
}

Status HostMemory::run(const Device::HostWork &work,
                       const Dispatch &operation) {
  const fsdprt_op &op = *operation.op;
  CUstream stream = gpu.stream(op.stream);
  int64_t bytes = 0;
  for (int32_t i = 0; i < op.num_args; ++i)
    bytes += op.args[i].bytes;
  Expected<char *> memory = stage(std::max<int64_t>(bytes, 1));
  if (!memory.ok())
    return memory.status();
  std::vector<void *> host;
  for (int32_t i = 0; i < op.num_args; ++i) {
    host.push_back(*memory);
    if (op.args[i].access & FSDPRT_ACCESS_READ)
      FSDPRT_CUDA(gpu, cuMemcpyDtoHAsync, *memory,
                  CUdeviceptr(operation.args[i]), size_t(op.args[i].bytes),
                  stream);
    *memory += op.args[i].bytes;
  }
  FSDPRT_RETURN_IF_ERROR(streams.drain(op.stream));
  FSDPRT_RETURN_IF_ERROR(work(host.data()));
  for (int32_t i = 0; i < op.num_args; ++i)
    if (op.args[i].access & FSDPRT_ACCESS_WRITE)
      FSDPRT_CUDA(gpu, cuMemcpyHtoDAsync, CUdeviceptr(operation.args[i]),
                  host[i], size_t(op.args[i].bytes), stream);
  return streams.drain(op.stream);
}
