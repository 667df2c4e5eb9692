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
#include "cuda/StagingMemory.h"
#include "device/CommunicationThread.h"

namespace fsdprt::cuda {

class StagedCollective {
public:
  /// Of a collective whose arguments are checked. All that is passed outlives
  /// it; `words` gives it two numbers, `staging` room for its arguments.
  static Expected<std::shared_ptr<StagedCollective>>
  create(const Gpu &gpu, PinnedWords &words, StagingMemory &staging,
         CommunicationThread &thread, Communicator &communicator,
         CollectiveKind kind, const fsdprt_collective_desc &desc,
         const Dispatch &operation);

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
                   Communicator &communicator, CollectiveKind kind,
                   const Dispatch &operation)
      : gpu(gpu), thread(thread), communicator(communicator), kind(kind),
        operation(operation) {}

  /// A piece of device memory and where it stands on the host.
  struct Copy {
    CUdeviceptr device;
    char *host;
    size_t bytes;
  };
  Expected<bool> test();
  Status finish();
  int64_t describe(const fsdprt_collective_desc &given);
  Status place();
  void planCopies(char *const *host);

  const Gpu &gpu;
  CommunicationThread &thread;
  Communicator &communicator;
  const CollectiveKind kind;
  const Dispatch &operation;
  fsdprt_collective_desc desc = {}; // with scratch, as the CPU's have it
  fsdprt_arg args[3] = {};
  Dispatch task;                        // what the thread is given
  const PinnedMemory *memory = nullptr; // the communicator's
  const char *placedAt = nullptr;       // where what follows points to
  std::optional<Collective> collective;
  std::vector<Copy> sent, received;
  PinnedWords::Word isSent, isReady; // numbers of rounds
  uint32_t round = 0;
  bool isStarted = false; // of the thread
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_STAGEDCOLLECTIVE_H
