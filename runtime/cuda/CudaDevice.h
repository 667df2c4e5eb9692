//===- CudaDevice.h - A GPU as a rank's device ------------------*- C++ -*-===//

#ifndef FSDPRT_CUDA_CUDADEVICE_H
#define FSDPRT_CUDA_CUDADEVICE_H

#include "cuda/CudaBinder.h"
#include "cuda/GpuArenas.h"
#include "cuda/GraphRunner.h"
#include "cuda/MemoryUse.h"
#include "cuda/Ranges.h"
#include "cuda/Timeline.h"
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
  std::map<std::string, int64_t> versions() const override {
    return binder.versions();
  }

  Expected<DeviceAddress> allocate(const ArenaSpec &arena) override;
  std::optional<DeviceMemory> memory() const override {
    std::optional<DeviceMemory> memory = memoryUse.measured();
    if (memory)
      memory->staging = binder.stagingBytes();
    return memory;
  }
  void *hostWrite(const DeviceRange &range) override {
    return host.write(range);
  }
  Expected<const void *> hostRead(const DeviceRange &range) override {
    return host.read(range);
  }
  Status download(const DeviceRange &range, void *to) override {
    return host.copyOut(range, to);
  }
  Status upload(const DeviceRange &range, const void *from) override {
    return host.copyIn(range, from);
  }

  Status prepare(const fsdprt_gemm_desc &desc) override {
    return binder.prepare(desc);
  }
  Bound bindLaunch(const fsdprt_launch_desc &desc,
                   const Dispatch &operation) override {
    return binder.launch(desc, operation);
  }
  Bound bindProduct(const fsdprt_gemm_desc &desc,
                    const Dispatch &operation) override {
    return binder.product(desc, operation);
  }
  Bound bindFill(const fsdprt_fill_desc &desc,
                 const Dispatch &operation) override {
    return binder.fill(desc, operation);
  }
  Bound bindCopy(const fsdprt_copy_desc &desc,
                 const Dispatch &operation) override {
    return binder.copy(desc, operation);
  }
  Bound bindConstant(const fsdprt_constant_desc &desc,
                     const Dispatch &operation) override {
    return binder.constant(desc, operation);
  }
  Bound bindCollective(CollectiveKind kind, const fsdprt_collective_desc &desc,
                       const Dispatch &operation) override {
    return binder.collective(kind, desc, operation);
  }
  Bound bindHost(HostWork work, const Dispatch &operation) override {
    return binder.hostWork(std::move(work), operation);
  }
  Bound bindJoin(const Dispatch &operation) override {
    return binder.join([this] { return join(); }, operation);
  }

  Status beginPhase(int phase, int64_t step) override;
  Status enqueue(const Dispatch &operation) override;
  Status drain() override;
  bool failed() const override { return !status().ok(); }
  Status status() const override {
    return patience.status().ok() ? problem : patience.status();
  }
  double takeBlockedSeconds() override { return times.takeBlockedSeconds(); }
  std::optional<double> takeWaitedSeconds() override {
    return streams.takeWaitedSeconds();
  }
  Control &control() override { return talk; }

private:
  CudaDevice(std::shared_ptr<Gpu> gpu, const Manifest &manifest,
             Communicator &communicator, Options options);
  Status open(const Manifest &manifest, Exchanges exchanges);
  Status tune();
  Status checkOthers();
  Status issue(const Dispatch &operation);
  Status put(const Dispatch &operation);
  Status capture(const Dispatch &operation);
  Status captureEnd();
  Status launchGraph();
  Status join();
  Status agreeOnGraph();
  Status replace();
  Status finishPhase();

  const std::shared_ptr<Gpu> gpu;
  MemoryUse memoryUse;
  const Options options;
  const Ranges ranges;
  StreamState talkState;
  CommunicationThread talk; // the ranks' own
  Communicator &communicator;
  Patience patience;
  PinnedWords words;
  StreamProgress progress;
  CudaStreams streams;
  Timeline times;
  GraphRunner graphs;
  bool hasWarned = false; // that a phase cannot be a graph
  HostMemory host;
  CudaBinder binder;
  std::unique_ptr<NcclGroup> nccl; // null: one rank, or staged
  GpuArenas arenas;
  const std::vector<CommunicatorSpec> &communicators; // of the program
  Status problem; // the first that came late, but for those of waits
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_CUDADEVICE_H
