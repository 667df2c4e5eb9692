//===- Communicator.h - One rank of a simulated communicator ----*- C++ -*-===//

#ifndef SIMCUDA_COMMUNICATOR_H
#define SIMCUDA_COMMUNICATOR_H

#include "runtime/cuda/NcclTypes.h"
#include "test/simcuda/Meeting.h"
#include "test/simcuda/Simulator.h"

#include <thread>

namespace simcuda {

enum class Kind { AllGather, ReduceScatter, AllReduce };

/// A call, as it was made.
struct Call {
  Kind kind = Kind::AllGather;
  uint64_t send = 0, receive = 0, count = 0; ///< count: of one rank's part
  fsdprt::cuda::ncclDataType_t type = fsdprt::cuda::ncclFloat32;
  CUstream stream = nullptr;
  Announcement announcement;
};

/// What operations share with the handle; it outlives an abort.
struct Communicator {
  uint64_t id = 0;
  int rank = 0, ranks = 0;
  Device *device = nullptr;
  bool blocking = true;
  Meeting meeting;

  /// ncclInProgress until the ranks have met, and while calls are queued.
  fsdprt::cuda::ncclResult_t state = fsdprt::cuda::ncclInProgress;
  std::string lastError;
  bool aborted = false;
  std::vector<Call> queued; ///< of a communicator that does not block

  CUstream stream = nullptr; ///< of its operations: always one
  uint64_t started = 0;      ///< operations whose turn has come
  uint64_t round = 0;        ///< exchanges begun
  const void *running = nullptr;

  std::vector<Range> windows; ///< registered; bytes 0 once it no longer is
  /// Where the handle of the last one goes, of a communicator that does not
  /// block.
  fsdprt::cuda::ncclWindow_t *registering = nullptr;

  /// The first error stays.
  void fail(fsdprt::cuda::ncclResult_t result, const std::string &why);
  Placement placement(uint64_t address, uint64_t bytes) const;
};

using CommunicatorRef = std::shared_ptr<Communicator>;

const char *nameOf(Kind kind);

/// Bytes that the call sends and receives on each rank.
uint64_t sendBytes(const Call &call, int ranks);
uint64_t receiveBytes(const Call &call, int ranks);

/// Enqueues a call on its stream.
fsdprt::cuda::ncclResult_t enqueueCall(const CommunicatorRef &comm,
                                       const Call &call);

} // namespace simcuda

namespace fsdprt::cuda {
struct ncclComm {
  simcuda::CommunicatorRef shared;
};
} // namespace fsdprt::cuda

#endif // SIMCUDA_COMMUNICATOR_H
