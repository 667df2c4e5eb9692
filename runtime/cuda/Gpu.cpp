//===- Gpu.cpp - The GPU of one rank --------------------------------------===//

#include "cuda/Gpu.h"

using namespace fsdprt;
using namespace fsdprt::cuda;

Expected<std::shared_ptr<Gpu>> Gpu::open(HostPlace place, Exchanges exchanges) {
  Expected<Driver> driver = Driver::load();
  if (!driver.ok())
    return driver.status();
  std::shared_ptr<Gpu> gpu(new Gpu(std::move(*driver)));
  CUresult begun = gpu->driver.cuInit(0);
  int count = 0;
  if (begun != CUDA_ERROR_NO_DEVICE) {
    FSDPRT_RETURN_IF_ERROR(gpu->check("cuInit", begun));
    FSDPRT_CUDA(*gpu, cuDeviceGetCount, &count);
  }
  if (count == 0)
    return failure("this host has a CUDA driver, but no GPU that it may use; "
                   "see CUDA_VISIBLE_DEVICES, or compile the program for the "
                   "CPU (fsdp-compile --target cpu)");
  // A launcher may show each process a GPU of its own.
  bool seesOwn = count == 1 && !place.oneProcess;
  bool mayShare = exchanges == Exchanges::Host && !place.oneProcess;
  if (place.ranks > count && !seesOwn && !mayShare)
    return failure("this host has ", place.ranks, " ranks and ", count,
                   count == 1 ? " GPU" : " GPUs",
                   ": start at most one a GPU, or let them share with --comm "
                   "mpi, whose collectives go through the host");
  FSDPRT_CUDA(*gpu, cuDeviceGet, &gpu->device, place.rank % count);
  if (mayShare)
    gpu->ranks = (place.ranks - place.rank % count + count - 1) / count;
  FSDPRT_RETURN_IF_ERROR(gpu->describe());
  FSDPRT_CUDA(*gpu, cuDevicePrimaryCtxRetain, &gpu->context, gpu->device);
  FSDPRT_RETURN_IF_ERROR(gpu->use());
  FSDPRT_RETURN_IF_ERROR(gpu->createStreams());
  return gpu;
}

Status Gpu::describe() {
  char buffer[256] = "";
  FSDPRT_CUDA(*this, cuDeviceGetName, buffer, int(sizeof(buffer)) - 1, device);
  text = buffer;
  FSDPRT_CUDA(*this, cuDeviceGetUuid, &identity, device);
  int major = 0, minor = 0;
  FSDPRT_CUDA(*this, cuDeviceGetAttribute, &major,
              CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device);
  FSDPRT_CUDA(*this, cuDeviceGetAttribute, &minor,
              CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device);
  architecture = 10 * major + minor;
  return Status();
}

/// Communication goes first: it takes few of the GPU's units, and others wait
/// for it.
Status Gpu::createStreams() {
  int least = 0, greatest = 0;
  FSDPRT_CUDA(*this, cuCtxGetStreamPriorityRange, &least, &greatest);
  for (int32_t i = 0; i < FSDPRT_NUM_STREAMS; ++i)
    FSDPRT_CUDA(*this, cuStreamCreateWithPriority, &streams[i],
                CU_STREAM_NON_BLOCKING,
                i == FSDPRT_STREAM_COMPUTE ? least : greatest);
  return Status();
}

/// Failures cannot be told any more, and a context that has faulted fails
/// whatever is called.
Gpu::~Gpu() {
  for (CUstream stream : streams)
    if (stream)
      driver.cuStreamDestroy(stream);
  if (context)
    driver.cuDevicePrimaryCtxRelease(device);
}

Expected<Gpu::Memory> Gpu::memory() const {
  size_t free = 0, total = 0;
  FSDPRT_CUDA(*this, cuMemGetInfo, &free, &total);
  return Memory{int64_t(free), int64_t(total)};
}
