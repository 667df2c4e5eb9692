//===- CudaWork.h - What operations do on a GPU -----------------*- C++ -*-===//

#ifndef FSDPRT_CUDA_CUDAWORK_H
#define FSDPRT_CUDA_CUDAWORK_H

#include "cuda/CudaStreams.h"
#include "cuda/PinnedMemory.h"

namespace fsdprt::cuda {

/// Puts the work of an operation on a stream; all that it needs is made.
using Enqueue = std::function<Status(CUstream)>;

class CudaWork : public Work {
public:
  explicit CudaWork(Enqueue enqueue) : enqueue(std::move(enqueue)) {}

  const Enqueue enqueue;
  /// Nothing of the host has to happen each time.
  bool capturable = true;
  bool endsPhase = false; // a join
  Event event;            // of operations that record one
  /// Timed, of those that are measured (Timeline.h).
  Event waitBegin, workBegin, workEnd;
  /// Of kernels: what is not 0 after one has failed.
  PinnedWords::Word status;
  /// What a simulator is told that the operation touches.
  std::vector<fsdprt_simulated_range> ranges;
};

inline CudaWork &cudaWorkOf(const Dispatch &operation) {
  return static_cast<CudaWork &>(*operation.work);
}

/// The operation's arguments as plain numbers.
std::vector<uint64_t> addressesOf(const Dispatch &operation);

/// Launches of a kernel with the operation's arguments and its status word.
Enqueue launchOf(const Gpu &gpu, CUfunction function,
                 const fsdprt_launch_desc &desc, const Dispatch &operation,
                 PinnedWords::Word status);

/// The byte over the operation's argument.
Enqueue fillOf(const Gpu &gpu, const fsdprt_fill_desc &desc,
               const Dispatch &operation);

/// Zeroes what no segment holds of a reduce-scatter's shard.
Enqueue zeroGapsOf(const Gpu &gpu, const fsdprt_collective_desc &desc,
                   const Dispatch &operation);

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_CUDAWORK_H
