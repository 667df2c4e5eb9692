//===- CudaBinder.h - Makes what operations do on a GPU ---------*- C++ -*-===//

#ifndef FSDPRT_CUDA_CUDABINDER_H
#define FSDPRT_CUDA_CUDABINDER_H

#include "cuda/CudaWork.h"
#include "cuda/HostMemory.h"
#include "cuda/KernelImage.h"
#include "cuda/LtProducts.h"
#include "cuda/NcclGroup.h"
#include "cuda/StagingMemory.h"
#include "device/CommunicationThread.h"

namespace fsdprt::cuda {

/// Holds the libraries of a program and makes its operations out of them, as
/// Device's bind functions are described.
class CudaBinder {
public:
  /// All of them outlive it.
  CudaBinder(const Gpu &gpu, CudaStreams &streams, HostMemory &host,
             PinnedWords &words, CommunicationThread &thread,
             Communicator &communicator)
      : gpu(gpu), host(host), words(words), staging(gpu, streams),
        thread(thread), communicator(communicator) {}

  /// Loads the program's kernels.
  Status loadKernels(const Manifest &manifest);
  /// Collectives are by NCCL; without, they go through the host. Nothing is
  /// enqueued once it has gone.
  void setNccl(NcclGroup *group) { nccl = group; }

  Status prepare(const fsdprt_gemm_desc &desc);
  /// Of all that was prepared; null: nothing was.
  LtProducts *allProducts() const { return products.get(); }

  Device::Bound launch(const fsdprt_launch_desc &desc,
                       const Dispatch &operation);
  Device::Bound product(const fsdprt_gemm_desc &desc,
                        const Dispatch &operation);
  Device::Bound fill(const fsdprt_fill_desc &desc, const Dispatch &operation);
  Device::Bound copy(const fsdprt_copy_desc &desc, const Dispatch &operation);
  Device::Bound constant(const fsdprt_constant_desc &desc,
                         const Dispatch &operation);
  Device::Bound collective(CollectiveKind kind,
                           const fsdprt_collective_desc &desc,
                           const Dispatch &operation);
  Device::Bound hostWork(Device::HostWork work, const Dispatch &operation);
  /// `end` ends the phase; it is called in the join's place.
  Device::Bound join(std::function<Status()> end, const Dispatch &operation);

  /// As Device::versions.
  std::map<std::string, int64_t> versions() const;

  /// Of pinned memory that collectives go through.
  int64_t stagingBytes() const { return staging.bytes(); }

  /// The first kernel that has failed; null: none has. Streams are idle.
  const Dispatch *findFailedKernel() const;

private:
  Device::Bound bound(Enqueue enqueue, const Dispatch &operation);
  Device::Bound staged(CollectiveKind kind, const fsdprt_collective_desc &desc,
                       const Dispatch &operation);

  const Gpu &gpu;
  HostMemory &host;
  PinnedWords &words;
  StagingMemory staging;
  CommunicationThread &thread;
  Communicator &communicator;
  std::optional<KernelImage> kernels;
  std::unique_ptr<LtProducts> products;   // null: none were asked for
  NcclGroup *nccl = nullptr;              // null: one rank, or staged
  std::vector<const Dispatch *> launches; // of all phases
};

/// Fails where the operation is a kernel that has failed.
Status checkKernel(const Dispatch &launch);

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_CUDABINDER_H
