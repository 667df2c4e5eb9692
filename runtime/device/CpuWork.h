//===- CpuWork.h - What operations do on the CPU ----------------*- C++ -*-===//

#ifndef FSDPRT_DEVICE_CPUWORK_H
#define FSDPRT_DEVICE_CPUWORK_H

#include "comm/Collective.h"
#include "device/CommunicationThread.h"
#include "device/Gemm.h"
#include "device/WorkerPool.h"

namespace fsdprt {

/// A generated kernel, over its whole range. On the compute stream the workers
/// share it; elsewhere it keeps to its own thread.
class KernelWork : public StreamWork {
public:
  static Expected<std::unique_ptr<StreamWork>>
  create(const fsdprt_launch_desc &desc, const Dispatch &operation,
         WorkerPool &workers);

  Status begin() override;

private:
  KernelWork(const fsdprt_launch_desc &desc, WorkerPool &workers)
      : desc(desc), workers(workers) {}
  fsdprt_status run(int worker, int64_t begin, int64_t end) {
    return desc.kernel(args.data(), scratch + worker * desc.scratch_bytes,
                       begin, end);
  }

  const fsdprt_launch_desc &desc;
  WorkerPool &workers;
  WorkerPool::Body body;
  int maxWorkers = 1;
  std::vector<void *> args;
  char *scratch = nullptr; // of the first worker; null: none
};

class ProductWork : public StreamWork {
public:
  explicit ProductWork(std::unique_ptr<BoundGemm> product)
      : product(std::move(product)) {}

  Status begin() override { return product->run(); }

private:
  const std::unique_ptr<BoundGemm> product;
};

class CollectiveWork : public Exchange {
public:
  CollectiveWork(Communicator &communicator, Collective collective)
      : Exchange(communicator, collective.channel(),
                 communicator.size() > 1 ? collective.transfers()
                                         : std::vector<Transfer>()),
        collective(std::move(collective)) {}

  Status finish() override {
    collective.finish();
    return Status();
  }

private:
  const Collective collective;
};

/// Whatever else the host can do.
class HostTask : public StreamWork {
public:
  explicit HostTask(std::function<Status()> work) : work(std::move(work)) {}

  Status begin() override { return work(); }

private:
  const std::function<Status()> work;
};

} // namespace fsdprt

#endif // FSDPRT_DEVICE_CPUWORK_H
