//===- CudaBinder.cpp - Makes what operations do on a GPU -----------------===//

#include "cuda/CudaBinder.h"

#include "cuda/StagedCollective.h"
#include "device/GemmCheck.h"

#include <algorithm>
#include <cstring>

using namespace fsdprt;
using namespace fsdprt::cuda;

Status CudaBinder::loadKernels(const Manifest &manifest) {
  auto image = KernelImage::load(gpu, manifest);
  if (!image.ok())
    return image.status();
  kernels.emplace(std::move(*image));
  return Status();
}

/// What an operation touches, for the simulated GPU.
static std::vector<fsdprt_simulated_range> rangesOf(const Dispatch &operation) {
  std::vector<fsdprt_simulated_range> ranges;
  for (int32_t i = 0; i < operation.op->num_args; ++i)
    ranges.push_back({uint64_t(operation.args[i]), operation.op->args[i].bytes,
                      operation.op->args[i].access, 0});
  return ranges;
}

Device::Bound CudaBinder::bound(Enqueue enqueue, const Dispatch &operation) {
  auto work = std::make_unique<CudaWork>(std::move(enqueue));
  if (operation.op->record >= 0) {
    Expected<Event> event = Event::create(gpu);
    if (!event.ok())
      return event.status();
    work->event = std::move(*event);
  }
  if (gpu.isSimulated())
    work->ranges = rangesOf(operation);
  return std::unique_ptr<Work>(std::move(work));
}

Status CudaBinder::prepare(const fsdprt_gemm_desc &desc) {
  if (!products) {
    auto created = LtProducts::create(gpu.api().version);
    if (!created.ok())
      return created.status();
    products = std::move(*created);
  }
  FSDPRT_RETURN_IF_ERROR(checkGemm(desc));
  return products->find(desc).status();
}

static Status checkLaunch(const fsdprt_launch_desc &desc) {
  if (!desc.symbol || desc.blocks < 1 || desc.threads < 1)
    return failure("it has no grid: the program was compiled for a CPU");
  if (desc.scratch_bytes == 0)
    return Status();
  int64_t needed = desc.scratch_bytes * desc.blocks;
  if (desc.op.num_args < 1 || desc.op.args[desc.op.num_args - 1].bytes < needed)
    return failure("the last argument does not hold ", needed,
                   " bytes of scratch for ", desc.blocks, " blocks");
  return Status();
}

Device::Bound CudaBinder::launch(const fsdprt_launch_desc &desc,
                                 const Dispatch &operation) {
  FSDPRT_RETURN_IF_ERROR(checkLaunch(desc));
  Expected<CUfunction> function = kernels->find(desc.symbol, desc.threads);
  if (!function.ok())
    return function.status();
  auto status = words.next();
  if (!status.ok())
    return status.status();
  Device::Bound work =
      bound(launchOf(gpu, *function, desc, operation, *status), operation);
  if (work.ok()) {
    static_cast<CudaWork &>(**work).status = *status;
    launches.push_back(&operation);
  }
  return work;
}

Device::Bound CudaBinder::product(const fsdprt_gemm_desc &desc,
                                  const Dispatch &operation) {
  FSDPRT_RETURN_IF_ERROR(prepare(desc));
  const LtProduct *product = *products->find(desc);
  return bound(
      [product, args = addressesOf(operation)](CUstream stream) {
        return product->run(args.data(), stream);
      },
      operation);
}

Device::Bound CudaBinder::fill(const fsdprt_fill_desc &desc,
                               const Dispatch &operation) {
  return bound(fillOf(gpu, desc, operation), operation);
}

Device::Bound CudaBinder::copy(const fsdprt_copy_desc &desc,
                               const Dispatch &operation) {
  auto from = uint64_t(operation.args[0]), to = uint64_t(operation.args[1]);
  auto bytes = uint64_t(desc.op.args[0].bytes);
  if (from != to && from < to + bytes && to < from + bytes)
    return failure("it copies ", bytes,
                   " bytes to where some of them are read from");
  return bound(
      [&gpu = gpu, from, to, bytes](CUstream stream) {
        return gpu.check("cuMemcpyDtoDAsync",
                         gpu.api().cuMemcpyDtoDAsync(to, from, bytes, stream));
      },
      operation);
}

/// Through pinned memory, as the program's own is not.
Device::Bound CudaBinder::constant(const fsdprt_constant_desc &desc,
                                   const Dispatch &operation) {
  return hostWork(
      [&desc](void *const *memory) {
        std::memcpy(memory[0], desc.data, size_t(desc.op.args[0].bytes));
        return Status();
      },
      operation);
}

Device::Bound CudaBinder::collective(CollectiveKind kind,
                                     const fsdprt_collective_desc &desc,
                                     const Dispatch &operation) {
  FSDPRT_RETURN_IF_ERROR(checkCollective(kind, desc, communicator.size(),
                                         /*sumsNeedScratch=*/false));
  if (!nccl)
    return staged(kind, desc, operation);
  Enqueue zero = kind == CollectiveKind::ReduceScatter
                     ? zeroGapsOf(gpu, desc, operation)
                     : nullptr;
  return bound(
      [this, kind, &desc, zero = std::move(zero), ranges = rangesOf(operation),
       args = addressesOf(operation)](CUstream stream) -> Status {
        if (zero) {
          FSDPRT_RETURN_IF_ERROR(zero(stream));
          // What zeroes a gap is the operation that was announced before.
          gpu.announce(desc.op.name, desc.op.unit, ranges);
        }
        return nccl->run(kind, desc, args.data(), stream);
      },
      operation);
}

/// What the host takes part in each time is in no graph.
static Device::Bound byHost(Device::Bound work) {
  if (work.ok())
    static_cast<CudaWork &>(**work).capturable = false;
  return work;
}

Device::Bound CudaBinder::staged(CollectiveKind kind,
                                 const fsdprt_collective_desc &desc,
                                 const Dispatch &operation) {
  auto staged = StagedCollective::create(gpu, words, staging, thread,
                                         communicator, kind, desc, operation);
  if (!staged.ok())
    return staged.status();
  return byHost(bound(
      [staged = *staged](CUstream stream) { return staged->enqueue(stream); },
      operation));
}

Device::Bound CudaBinder::hostWork(Device::HostWork work,
                                   const Dispatch &operation) {
  return byHost(bound([this, &operation, work = std::move(work)](
                          CUstream) { return host.run(work, operation); },
                      operation));
}

Device::Bound CudaBinder::join(std::function<Status()> end,
                               const Dispatch &operation) {
  Device::Bound work =
      bound([end = std::move(end)](CUstream) { return end(); }, operation);
  if (work.ok())
    static_cast<CudaWork &>(**work).endsPhase = true;
  return work;
}

//===----------------------------------------------------------------------===//
// Kernels that fail
//===----------------------------------------------------------------------===//

/// It has said so in its word.
Status cuda::checkKernel(const Dispatch &launch) {
  const PinnedWords::Word &word = cudaWorkOf(launch).status;
  if (!word.host || *word.host == 0)
    return Status();
  return failure("the kernel failed with status ", *word.host);
}

std::map<std::string, int64_t> CudaBinder::versions() const {
  std::map<std::string, int64_t> found = {{"driver", gpu.api().version}};
  if (products)
    found["cublaslt"] = products->version();
  if (nccl)
    found["nccl"] = nccl->version();
  return found;
}

const Dispatch *CudaBinder::findFailedKernel() const {
  auto found = std::find_if(
      launches.begin(), launches.end(),
      [](const Dispatch *launch) { return !checkKernel(*launch).ok(); });
  return found == launches.end() ? nullptr : *found;
}
