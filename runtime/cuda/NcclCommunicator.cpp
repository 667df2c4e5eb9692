//===- NcclCommunicator.cpp - The ranks' own talk over NCCL ---------------===//

#include "cuda/NcclCommunicator.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

using namespace fsdprt;
using namespace fsdprt::cuda;
using Clock = std::chrono::steady_clock;

//===----------------------------------------------------------------------===//
// Meeting
//===----------------------------------------------------------------------===//

namespace {
/// Waits for the others, as long as they may come.
class Wait {
public:
  explicit Wait(const Meeting &meeting) : meeting(meeting) {}

  /// A while, or why there is nothing left to wait for.
  Status pause();

private:
  Status look() const;
  Status tooLate() const;

  const Meeting &meeting;
  const Clock::time_point begin = Clock::now();
  Clock::time_point lastLook = begin;
};
} // namespace

/// A rank of this host that has ended does not come any more.
Status Wait::look() const {
  SignalSafeText culprit;
  if (describeCulprit(*meeting.flight, meeting.rank, /*includeStuck=*/false,
                      culprit))
    return failure(culprit.data());
  for (int i = 0; i < meeting.flight->numSlots(); ++i)
    if (FlightState state = meeting.flight->slot(i)->state;
        state == FlightState::Failed || state == FlightState::Terminated)
      return failure("rank ", meeting.flight->firstRank() + i, " has ended");
  return Status();
}

Status Wait::tooLate() const {
  std::string absent = describeAbsent(*meeting.flight);
  bool isHere = absent.empty() && meeting.ranks == meeting.flight->numSlots();
  return failure(absent.empty()
                     ? isHere ? "all are there, but NCCL has not met"
                              : "a rank of another host has not come"
                     : absent + " of " + std::to_string(meeting.ranks) +
                           " did not start",
                 " within ", meeting.timeoutSeconds,
                 " s; see --timeout if it only takes this long, and "
                 "NCCL_DEBUG=INFO for what NCCL tries");
}

Status Wait::pause() {
  auto now = Clock::now();
  if (now - begin > std::chrono::duration<double>(meeting.timeoutSeconds))
    return tooLate();
  if (now - lastLook > std::chrono::milliseconds(100)) {
    lastLook = now;
    FSDPRT_RETURN_IF_ERROR(look());
  }
  std::this_thread::sleep_for(std::chrono::microseconds(200));
  return Status();
}

Expected<std::unique_ptr<Communicator>>
NcclCommunicator::meet(const Meeting &meeting) {
  Expected<Nccl> nccl = Nccl::load();
  if (!nccl.ok())
    return nccl.status();
  auto gpu = Gpu::open(meeting.place, Exchanges::Nccl);
  if (!gpu.ok())
    return gpu.status();
  Expected<Gpu::Memory> before = (*gpu)->memory();
  if (!before.ok())
    return before.status();
  std::unique_ptr<NcclCommunicator> made(
      new NcclCommunicator(std::move(*gpu), std::move(*nccl), meeting));
  if (Status status = made->init(meeting); !status.ok()) {
    (void)made.release(); // NCCL may still try, and wait for its end to be told
    return failure("ranks cannot meet",
                   meeting.address.empty() ? "" : " at " + meeting.address,
                   ": ", status.message());
  }
  if (Status status = made->allocate(); !status.ok()) {
    (void)made.release(); // the others hear of it before it ends
    return status;
  }
  Expected<Gpu::Memory> after = made->gpu->memory();
  if (!after.ok())
    return after.status();
  made->takenBytes = std::max<int64_t>(before->free - after->free, 0);
  return std::unique_ptr<Communicator>(std::move(made));
}

Expected<bool> NcclCommunicator::isSettled(const char *call) const {
  ncclResult_t result = ncclSuccess;
  FSDPRT_RETURN_IF_ERROR(nccl.check("ncclCommGetAsyncError",
                                    nccl.ncclCommGetAsyncError(comm, &result),
                                    comm));
  FSDPRT_RETURN_IF_ERROR(nccl.check(call, result, comm));
  return result != ncclInProgress;
}

/// Of the address in the environment, where rank 0 will listen, every rank has
/// the same.
Expected<ncclUniqueId> NcclCommunicator::findId(const Meeting &meeting) const {
  ncclUniqueId id = {};
  FlightHeader *header = meeting.flight->header();
  static_assert(sizeof(id) == sizeof(header->meeting));
  if (!meeting.address.empty() || self == 0)
    FSDPRT_RETURN_IF_ERROR(
        nccl.check("ncclGetUniqueId", nccl.ncclGetUniqueId(&id), nullptr));
  if (!meeting.address.empty())
    return id;
  if (self == 0) {
    std::memcpy(header->meeting, &id, sizeof(id));
    header->isMeetingKnown = 1;
  }
  for (Wait wait(meeting); !header->isMeetingKnown;)
    FSDPRT_RETURN_IF_ERROR(wait.pause());
  std::memcpy(&id, header->meeting, sizeof(id));
  return id;
}

Status NcclCommunicator::init(const Meeting &meeting) {
  Expected<ncclUniqueId> id = findId(meeting);
  if (!id.ok())
    return id.status();
  ncclConfig_t config;
  config.blocking = 0;
  config.maxCTAs = 1; // of little data: few connections, and little memory
  ncclResult_t result =
      nccl.ncclCommInitRankConfig(&comm, numRanks, *id, self, &config);
  FSDPRT_RETURN_IF_ERROR(nccl.check("ncclCommInitRankConfig", result, comm));
  Wait wait(meeting);
  while (true) {
    Expected<bool> done = isSettled("ncclCommInitRankConfig");
    if (!done.ok() || *done)
      return done.status();
    FSDPRT_RETURN_IF_ERROR(wait.pause());
  }
}

Status NcclCommunicator::allocate() {
  constexpr int64_t usual = 1 << 20, mostOfAll = 16 << 20;
  roundBytes = std::max(GatheredExchange::leastRoundBytes(numRanks),
                        std::min(usual, mostOfAll / numRanks));
  for (auto [memory, onGpu, bytes] :
       {std::tuple(&given, &givenOnGpu, roundBytes),
        std::tuple(&gathered, &gatheredOnGpu, roundBytes * numRanks)}) {
    auto pinned = PinnedMemory::create(*gpu, bytes);
    if (!pinned.ok())
      return pinned.status();
    *memory = std::move(*pinned);
    FSDPRT_CUDA(*gpu, cuMemAlloc, onGpu, size_t(bytes));
  }
  return Status();
}

/// Peers may be behind, and read what this rank has sent: NCCL knows when they
/// have.
NcclCommunicator::~NcclCommunicator() {
  (void)gpu->use();
  bool isFlushed =
      comm &&
      nccl.check("ncclCommFinalize", nccl.ncclCommFinalize(comm), comm).ok();
  constexpr std::chrono::seconds patience{5};
  for (auto begin = Clock::now(); isFlushed;) {
    Expected<bool> done = isSettled("ncclCommFinalize");
    if (done.ok() && *done)
      break;
    isFlushed = done.ok() && Clock::now() - begin < patience;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  if (comm)
    isFlushed ? nccl.ncclCommDestroy(comm) : nccl.ncclCommAbort(comm);
  for (CUdeviceptr memory : {givenOnGpu, gatheredOnGpu})
    if (memory)
      gpu->api().cuMemFree(memory);
}

//===----------------------------------------------------------------------===//
// Exchanging
//===----------------------------------------------------------------------===//

Status NcclCommunicator::start(int channel,
                               const std::vector<Transfer> &transfers) {
  if (channel != FSDPRT_COMM_CONTROL)
    return failure("a program's exchanges are not the host's under NCCL");
  exchange = GatheredExchange(transfers, self, numRanks, roundBytes);
  return beginRound();
}

Status NcclCommunicator::beginRound() {
  FSDPRT_RETURN_IF_ERROR(gpu->use());
  count = exchange.give(given.data());
  isTaken = false;
  if (count == 0)
    return Status();
  FSDPRT_CUDA(*gpu, cuMemcpyHtoDAsync, givenOnGpu, given.data(), size_t(count),
              stream());
  return nccl.check("ncclAllGather",
                    nccl.ncclAllGather(reinterpret_cast<void *>(givenOnGpu),
                                       reinterpret_cast<void *>(gatheredOnGpu),
                                       size_t(count), ncclInt8, comm, stream()),
                    comm);
}

/// Whether the round at work has ended.
Expected<bool> NcclCommunicator::isGathered() {
  Expected<bool> settled = isSettled("ncclAllGather");
  if (!settled.ok() || !*settled)
    return settled;
  if (!isTaken)
    FSDPRT_CUDA(*gpu, cuMemcpyDtoHAsync, gathered.data(), gatheredOnGpu,
                size_t(count * numRanks), stream());
  isTaken = true;
  CUresult result = gpu->api().cuStreamQuery(stream());
  if (result == CUDA_ERROR_NOT_READY)
    return false;
  FSDPRT_RETURN_IF_ERROR(gpu->check("an exchange of the ranks", result));
  return true;
}

/// Stays with an exchange as long as its rounds come to an end: thousands of
/// them are one step forward to whoever watches for a rank that is stuck.
Expected<bool> NcclCommunicator::test(int) {
  constexpr std::chrono::milliseconds patience{100};
  FSDPRT_RETURN_IF_ERROR(gpu->use());
  auto begin = Clock::now();
  while (count > 0) {
    Expected<bool> ended = isGathered();
    if (!ended.ok())
      return ended;
    if (*ended) {
      FSDPRT_RETURN_IF_ERROR(exchange.take(gathered.data()));
      FSDPRT_RETURN_IF_ERROR(beginRound());
      begin = Clock::now();
    } else if (Clock::now() - begin > patience) {
      return false;
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  }
  return true;
}
