//===- NcclGroup.h - The communicators of a program -------------*- C++ -*-===//

#ifndef FSDPRT_CUDA_NCCLGROUP_H
#define FSDPRT_CUDA_NCCLGROUP_H

#include "comm/CollectiveCheck.h"
#include "comm/Control.h"
#include "cuda/Gpu.h"
#include "cuda/Nccl.h"
#include "cuda/Patience.h"

#include <list>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace fsdprt::cuda {

/// A program's communicators over all ranks, by NCCL: non-blocking, so that a
/// peer that is lost is an error and no hang.
class NcclGroup {
public:
  /// Makes `count` communicators; rank 0's names of them go to the others over
  /// `control`. In the calling thread's context. `patience` outlives it.
  static Expected<std::unique_ptr<NcclGroup>>
  create(Control &control, int rank, int count, Patience &patience);
  /// Ends them without waiting for peers, which may be gone, and takes back its
  /// memory.
  ~NcclGroup();

  /// NCCL's.
  int version() const { return nccl.version; }
  /// Whether NCCL reads and writes its ranks' memory faster where that is
  /// registered as a symmetric window.
  bool hasWindows() const { return nccl.hasWindows(); }
  /// Memory that can be a window.
  Expected<CUdeviceptr> allocate(int64_t bytes);
  /// Makes it a window of every communicator, on all ranks at once: the same
  /// number of bytes, used at the same offsets.
  Status registerWindow(CUdeviceptr memory, int64_t bytes);
  /// Ends all windows, while NCCL is idle.
  void deregisterWindows();

  /// Puts a collective, whose arguments are checked, on `stream`.
  Status run(CollectiveKind kind, const fsdprt_collective_desc &desc,
             const uint64_t *args, CUstream stream);

  /// What a communicator failed with.
  struct Error {
    int communicator; // of the program
    Status status;
  };
  /// The first of any.
  std::optional<Error> error() const;

private:
  NcclGroup(Nccl nccl, int rank, int ranks, Patience &patience)
      : nccl(std::move(nccl)), rank(rank), ranks(ranks), patience(patience) {}
  Status add(const ncclUniqueId &id);
  Status settle(const char *call, ncclResult_t result, ncclComm_t comm) const;
  Status runSegments(CollectiveKind kind, const fsdprt_collective_desc &desc,
                     const uint64_t *args, CUstream stream);

  const Nccl nccl;
  const int rank, ranks;
  Patience &patience;
  std::vector<ncclComm_t> comms; // by the program's number
  std::list<std::pair<ncclComm_t, ncclWindow_t>> windows; // stay in place
  std::vector<void *> memory;                             // of allocate()
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_NCCLGROUP_H
