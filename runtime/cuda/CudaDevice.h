//===- CudaDevice.h - A GPU as a rank's device ------------------*- C++ -*-===//

#ifndef FSDPRT_CUDA_CUDADEVICE_H
#define FSDPRT_CUDA_CUDADEVICE_H

#include "cuda/CudaWork.h"
#include "cuda/GpuArenas.h"
#include "cuda/GraphRunner.h"
#include "cuda/HostMemory.h"
#include "cuda/KernelImage.h"
#include "cuda/LtProducts.h"
#include "cuda/MemoryUse.h"
#include "cuda/NcclGroup.h"
#include "cuda/Ranges.h"
#include "cuda/StagedCollective.h"
#include "cuda/Timeline.h"
#include "device/CommunicationThread.h"
#include "device/HostPlace.h"

namespace fsdprt::cuda {

/// Kernels from a module, products by cuBLASLt, collectives by NCCL or through
/// the host: everything is put on the rank's streams, whose order is the
/// plan's, by the thread that runs the program.
class CudaDevice : public Device {
public:
  /// Opens the GPU and the libraries, and meets the other ranks.
  static Expected<std::unique_ptr<Device>>
  create(const Manifest &manifest, HostPlace place, Exchanges exchanges,
         Communicator &communicator, Options options);
  ~CudaDevice() override;

  const char *name() const override { return "cuda"; }
  std::string chip() const override { return gpu->name(); }

  Expected<DeviceAddress> allocate(const ArenaSpec &arena) override;
  std::optional<DeviceMemory> memory() const override {
    return memoryUse.measured();
  }
  void *hostWrite(const DeviceRange &range) override {
    return host.write(range);
  }
  Expected<const void *> hostRead(const DeviceRange &range) override {
    return host.read(range);
  }

  Status prepare(const fsdprt_gemm_desc &desc) override;
  Bound bindLaunch(const fsdprt_launch_desc &desc,
                   const Dispatch &operation) override;
  Bound bindProduct(const fsdprt_gemm_desc &desc,
                    const Dispatch &operation) override;
  Bound bindFill(const fsdprt_fill_desc &desc,
                 const Dispatch &operation) override;
  Bound bindCopy(const fsdprt_copy_desc &desc,
                 const Dispatch &operation) override;
  Bound bindConstant(const fsdprt_constant_desc &desc,
                     const Dispatch &operation) override;
  Bound bindCollective(CollectiveKind kind, const fsdprt_collective_desc &desc,
                       const Dispatch &operation) override;
  Bound bindHost(HostWork work, const Dispatch &operation) override;
  Bound bindJoin(const Dispatch &operation) override;

  Status beginPhase(int phase, int64_t step) override;
  Status enqueue(const Dispatch &operation) override;
  Status drain() override;
  bool failed() const override { return !problem.ok(); }
  Status status() const override { return problem; }
  double takeBlockedSeconds() override { return times.takeBlockedSeconds(); }
  std::optional<double> takeWaitedSeconds() override {
    return streams.takeWaitedSeconds();
  }
  Control &control() override { return talk; }

private:
  CudaDevice(std::shared_ptr<Gpu> gpu, const Manifest &manifest,
             Communicator &communicator, Options options);
  Status open(const Manifest &manifest, Exchanges exchanges);
  Bound bound(Enqueue enqueue, const Dispatch &operation);
  Bound bindStaged(CollectiveKind kind, const fsdprt_collective_desc &desc,
                   const Dispatch &operation);
  static Status checkKernel(const Dispatch &launch);
  Status checkKernels();
  Status issue(const Dispatch &operation);
  Status capture(const Dispatch &operation);
  Status captureEnd();
  Status launchGraph();
  Status join();
  Status replace(const Status &problem);
  Status finishPhase();

  const std::shared_ptr<Gpu> gpu;
  MemoryUse memoryUse;
  const Options options;
  const Ranges ranges;
  StreamState talkState;
  CommunicationThread talk; // the ranks' own
  Communicator &communicator;
  CudaStreams streams;
  Timeline times;
  GraphRunner graphs;
  HostMemory host;
  PinnedWords words;
  std::optional<KernelImage> kernels;
  std::unique_ptr<LtProducts> products; // null: none were asked for
  std::unique_ptr<NcclGroup> nccl;      // null: one rank, or staged
  GpuArenas arenas;
  std::vector<const Dispatch *> launches; // of all phases
  Status problem;                         // the first that came late
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_CUDADEVICE_H
