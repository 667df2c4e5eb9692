//===- StagedCollective.h - Collectives through the host --------*- C++ -*-===//
//
// What a rank sends is copied to pinned memory and exchanged by the
// communication thread, as on the CPU; the stream waits for a number in pinned
// memory and copies back what came. So ranks may share a GPU, and need no NCCL.
//
//===----------------------------------------------------------------------===//

#ifndef FSDPRT_CUDA_STAGEDCOLLECTIVE_H
#define FSDPRT_CUDA_STAGEDCOLLECTIVE_H

#include "comm/Collective.h"
#include "cuda/CudaWork.h"
#include "device/CommunicationThread.h"

namespace fsdprt::cuda {

class StagedCollective {
public:
  /// Of a collective whose arguments are checked. `gpu`, `thread` and
  /// `communicator` outlive it; `words` gives it two numbers.
  static Expected<std::shared_ptr<StagedCollective>>
  create(const Gpu &gpu, PinnedWords &words, CommunicationThread &thread,
         Communicator &communicator, CollectiveKind kind,
         const fsdprt_collective_desc &desc, const Dispatch &operation);

  /// Puts it on the stream, and the exchange before the thread.
  Status enqueue(CUstream stream);

private:
  /// What the thread does: test() until it says done, then finish().
  struct HostPart : StreamWork {
    explicit HostPart(StagedCollective &whole) : whole(whole) {}
    Status begin() override { return Status(); }
    Expected<bool> test() override { return whole.test(); }
    Status finish() override { return whole.finish(); }
    bool isExchange() const override { return true; }
    bool isToldOfElsewhere() const override { return true; }

    StagedCollective &whole;
  };

  StagedCollective(const Gpu &gpu, CommunicationThread &thread,
                   Communicator &communicator)
      : gpu(gpu), thread(thread), communicator(communicator) {}

  /// A piece of device memory and where it stands on the host.
  struct Copy {
    CUdeviceptr device;
    char *host;
    size_t bytes;
  };
  Expected<bool> test();
  Status finish();
  Status describe(const fsdprt_collective_desc &given,
                  const Dispatch &operation, CollectiveKind kind);
  void planCopies(const Dispatch &operation, CollectiveKind kind,
                  char *const *host);

  const Gpu &gpu;
  CommunicationThread &thread;
  Communicator &communicator;
  fsdprt_collective_desc desc = {}; // with scratch, as the CPU's have it
  fsdprt_arg args[3] = {};
  Dispatch task; // what the thread is given
  PinnedMemory memory;
  std::optional<Collective> collective;
  std::vector<Copy> sent, received;
  PinnedWords::Word isSent, isReady; // numbers of rounds
  uint32_t round = 0;
  bool isStarted = false; // of the thread
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_STAGEDCOLLECTIVE_H
