//===- CudaWork.cpp - What operations do on a GPU -------------------------===//

#include "cuda/CudaWork.h"

#include "core/DType.h"

using namespace fsdprt;
using namespace fsdprt::cuda;

std::vector<uint64_t> cuda::addressesOf(const Dispatch &operation) {
  std::vector<uint64_t> addresses;
  for (DeviceAddress address : operation.args)
    addresses.push_back(uint64_t(address));
  return addresses;
}

Enqueue cuda::launchOf(const Gpu &gpu, CUfunction function,
                       const fsdprt_launch_desc &desc,
                       const Dispatch &operation, PinnedWords::Word status) {
  // A kernel takes one pointer an argument, and its status last.
  auto values = std::make_shared<std::vector<uint64_t>>(addressesOf(operation));
  values->push_back(status.device);
  auto parameters = std::make_shared<std::vector<void *>>();
  for (uint64_t &value : *values)
    parameters->push_back(&value);
  return [&gpu, function, &desc, values, parameters](CUstream stream) {
    return gpu.check("cuLaunchKernel",
                     gpu.api().cuLaunchKernel(function, unsigned(desc.blocks),
                                              1, 1, unsigned(desc.threads), 1,
                                              1, 0, stream, parameters->data(),
                                              nullptr));
  };
}

Enqueue cuda::fillOf(const Gpu &gpu, const fsdprt_fill_desc &desc,
                     const Dispatch &operation) {
  CUdeviceptr to = CUdeviceptr(operation.args[0]);
  return [&gpu, &desc, to](CUstream stream) {
    return gpu.check(
        "cuMemsetD8Async",
        gpu.api().cuMemsetD8Async(to, static_cast<unsigned char>(desc.byte),
                                  size_t(desc.op.args[0].bytes), stream));
  };
}

Enqueue cuda::zeroGapsOf(const Gpu &gpu, const fsdprt_collective_desc &desc,
                         const Dispatch &operation) {
  int64_t size = sizeOfDType(desc.dtype), end = 0;
  std::vector<std::pair<CUdeviceptr, size_t>> gaps;
  auto add = [&](int64_t begin) {
    if (begin > end)
      gaps.emplace_back(CUdeviceptr(operation.args[1] + end * size),
                        size_t((begin - end) * size));
  };
  for (int64_t i = 0; i < desc.num_segments; ++i) {
    add(desc.segments[i].offset);
    end = desc.segments[i].offset + desc.segments[i].count;
  }
  if (desc.num_segments)
    add(desc.count);
  return [&gpu, gaps = std::move(gaps)](CUstream stream) -> Status {
    for (auto [begin, bytes] : gaps)
      FSDPRT_CUDA(gpu, cuMemsetD8Async, begin, 0, bytes, stream);
    return Status();
  };
}
