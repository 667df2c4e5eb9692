//===- NcclCommunicator.h - The ranks' own talk over NCCL -------*- C++ -*-===//
//
// Where there is no MPI, ranks meet by NCCL and talk over a communicator of
// their own, which no program has. What the host exchanges goes through the
// memory of the GPUs, by all-gathers: these need the same few connections
// however many ranks there are.
//
//===----------------------------------------------------------------------===//

#ifndef FSDPRT_CUDA_NCCLCOMMUNICATOR_H
#define FSDPRT_CUDA_NCCLCOMMUNICATOR_H

#include "comm/GatheredExchange.h"
#include "core/FlightRecord.h"
#include "cuda/Nccl.h"
#include "cuda/PinnedMemory.h"

namespace fsdprt::cuda {

/// Who meets whom.
struct Meeting {
  /// What NCCL_COMM_ID is, on all ranks; "": they share a flight record, in
  /// which rank 0 says it.
  std::string address;
  int rank = 0, ranks = 1;
  HostPlace place;
  const FlightFile *flight = nullptr; ///< whose ranks are looked at meanwhile
  double timeoutSeconds = 60;
};

class NcclCommunicator : public Communicator {
public:
  /// Opens the rank's GPU and meets the others. Fails if they have not come in
  /// time, or one of this host has ended.
  static Expected<std::unique_ptr<Communicator>> meet(const Meeting &meeting);
  /// Ends when all ranks do, or gives up on those that do not.
  ~NcclCommunicator() override;

  int rank() const override { return self; }
  int size() const override { return numRanks; }
  const char *name() const override { return "nccl"; }
  int64_t deviceBytes() const override { return takenBytes; }
  /// On the ranks' own channel only.
  Status start(int channel, const std::vector<Transfer> &transfers) override;
  Expected<bool> test(int channel) override;

private:
  NcclCommunicator(std::shared_ptr<Gpu> gpu, Nccl nccl, const Meeting &meeting)
      : gpu(std::move(gpu)), nccl(std::move(nccl)), self(meeting.rank),
        numRanks(meeting.ranks) {}
  Expected<ncclUniqueId> findId(const Meeting &meeting) const;
  Status init(const Meeting &meeting);
  Status allocate();
  Expected<bool> isSettled(const char *call) const;
  CUstream stream() const { return gpu->stream(FSDPRT_STREAM_COPY); }
  Status beginRound();
  Expected<bool> isGathered();

  const std::shared_ptr<Gpu> gpu;
  const Nccl nccl;
  const int self, numRanks;
  ncclComm_t comm = nullptr;
  int64_t takenBytes = 0;

  GatheredExchange exchange; // the one at work
  // Of a round: what this rank gives, and what all have given, by rank.
  int64_t roundBytes = 0; // at most, of each rank
  PinnedMemory given, gathered;
  CUdeviceptr givenOnGpu = 0, gatheredOnGpu = 0;
  int64_t count = 0;    // bytes of each rank in the round at work; 0: none
  bool isTaken = false; // by NCCL, so that the copy back could follow
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_NCCLCOMMUNICATOR_H
