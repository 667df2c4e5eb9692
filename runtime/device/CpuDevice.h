//===- CpuDevice.h - The host as a device -----------------------*- C++ -*-===//

#ifndef FSDPRT_DEVICE_CPUDEVICE_H
#define FSDPRT_DEVICE_CPUDEVICE_H

#include "core/Arena.h"
#include "device/ComputeStream.h"
#include "device/Gemm.h"
#include "device/WorkerPool.h"

namespace fsdprt {

/// Kernels run on worker threads, products in oneDNN, both at issue; what talks
/// to other ranks runs on a communication thread, over `communicator`.
class CpuDevice : public Device {
public:
  /// Starts the threads. `communicator`, like what the options point to,
  /// outlives the device. Throws std::system_error where the system starts no
  /// more threads.
  CpuDevice(Communicator &communicator, Options options);
  static Expected<std::unique_ptr<Device>> create(Communicator &communicator,
                                                  Options options) {
    return std::unique_ptr<Device>(
        std::make_unique<CpuDevice>(communicator, std::move(options)));
  }

  const char *name() const override { return "cpu"; }

  Expected<DeviceAddress> allocate(const ArenaSpec &arena) override;
  void *hostWrite(const DeviceRange &range) override;
  Expected<const void *> hostRead(const DeviceRange &range) override;
  Status download(const DeviceRange &range, void *to) override;
  Status upload(const DeviceRange &range, const void *from) override;
  bool downloadsBeside() const override { return true; }

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
  Status drain() override { return communication.drain(); }
  bool failed() const override { return state.failed(); }
  Status status() const override { return state.status(); }
  double takeBlockedSeconds() override { return state.takeBlockedSeconds(); }
  Control &control() override { return communication; }

private:
  Bound bound(std::unique_ptr<StreamWork> work, const Dispatch &operation);

  const Options options;
  Communicator &communicator;
  std::vector<Arena> arenas;
  WorkerPool workers;
  GemmLibrary gemm;
  StreamState state;
  CommunicationThread communication;
  ComputeStream compute;
  Stream *streams[FSDPRT_NUM_STREAMS]; // by number
};

} // namespace fsdprt

#endif // FSDPRT_DEVICE_CPUDEVICE_H
