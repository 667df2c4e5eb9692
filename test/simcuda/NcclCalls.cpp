//===- NcclCalls.cpp - NCCL's collectives and groups ----------------------===//

#include "test/simcuda/NcclApi.h"
#include "test/simcuda/Sum.h"

using namespace simcuda;

namespace {
/// What a thread has called for since ncclGroupStart. One announcement may be
/// for all calls of a group.
struct Group {
  int depth = 0;
  ncclResult_t error = ncclSuccess;
  Announcement announcement;
  std::vector<std::pair<ncclComm_t, Call>> calls;
};
thread_local Group group;
} // namespace

bool simcuda::isInGroup() { return group.depth > 0; }

/// The thread that issues a device's collectives: one, unless all that it has
/// issued is done.
static bool isIssuer(Device &device) {
  if (!device.hasCollectives())
    device.issuer = std::this_thread::get_id();
  return device.issuer == std::this_thread::get_id();
}

static bool overlap(uint64_t a, uint64_t aBytes, uint64_t b, uint64_t bBytes) {
  return a < b + bBytes && b < a + aBytes;
}

/// Buffers are apart, or one lies in its place in the other.
static bool buffersFit(const Communicator &comm, const Call &call) {
  uint64_t part = call.count * bytesOf(call.type);
  uint64_t sent = sendBytes(call, comm.ranks);
  uint64_t received = receiveBytes(call, comm.ranks);
  if (!overlap(call.send, sent, call.receive, received))
    return true;
  switch (call.kind) {
  case Kind::AllGather:
    return call.send == call.receive + comm.rank * part;
  case Kind::ReduceScatter:
    return call.receive == call.send + comm.rank * part;
  case Kind::AllReduce:
    return call.send == call.receive;
  }
  return false;
}

static ncclResult_t check(Communicator &comm, const Call &call) {
  const char *name = nameOf(call.kind);
  if (comm.state != ncclSuccess)
    return refuse(
        comm.state == ncclInProgress ? ncclInvalidArgument : comm.state, name,
        "the communicator is used before ncclCommGetAsyncError says "
        "that the call before has succeeded");
  if (!call.stream || call.stream->device != comm.device)
    return refuse(ncclInvalidArgument, name,
                  "the stream is not one of the communicator's device");
  if (!bytesOf(call.type))
    return refuse(ncclInvalidArgument, name, "unknown type");
  if (!buffersFit(comm, call))
    return refuse(ncclInvalidArgument, name, "the buffers overlap");
  if (!isIssuer(*comm.device))
    return refuse(
        ncclInvalidUsage, name,
        "another thread has issued collectives of the device that are "
        "not done");
  if (comm.stream && comm.stream != call.stream)
    return refuse(ncclInvalidUsage, name,
                  "the communicator's operations before are on " +
                      comm.stream->label);
  comm.stream = call.stream;
  return ncclSuccess;
}

/// Calls of a group, or one alone.
static ncclResult_t
issue(const std::vector<std::pair<ncclComm_t, Call>> &calls) {
  ncclResult_t result = ncclSuccess;
  for (const auto &[comm, call] : calls) {
    const CommunicatorRef &shared = comm->shared;
    if (shared->blocking) {
      if (ncclResult_t wrong = enqueueCall(shared, call))
        return wrong;
      continue;
    }
    shared->queued.push_back(call);
    ++shared->device->queuedCalls;
    shared->state = ncclInProgress;
    result = ncclInProgress;
  }
  return result;
}

static ncclResult_t callFor(ncclComm_t comm, Call call) {
  auto lock = enter(nameOf(call.kind));
  call.announcement = takeAnnouncement();
  if (!comm)
    return ncclInvalidArgument;
  if (ncclResult_t wrong = check(*comm->shared, call)) {
    group.error = wrong;
    return wrong;
  }
  if (!isInGroup())
    return issue({{comm, call}});
  if (call.announcement.made)
    group.announcement = call.announcement;
  else
    call.announcement = group.announcement;
  group.calls.push_back({comm, std::move(call)});
  return ncclSuccess;
}

static Call makeCall(Kind kind, const void *send, void *receive, size_t count,
                     ncclDataType_t type, CUstream stream) {
  Call call;
  call.kind = kind;
  call.send = reinterpret_cast<uint64_t>(send);
  call.receive = reinterpret_cast<uint64_t>(receive);
  call.count = count;
  call.type = type;
  call.stream = stream;
  return call;
}

ncclResult_t ncclAllGather(const void *send, void *receive, size_t send_count,
                           ncclDataType_t type, ncclComm_t comm,
                           CUstream stream) {
  return callFor(
      comm, makeCall(Kind::AllGather, send, receive, send_count, type, stream));
}

ncclResult_t ncclReduceScatter(const void *send, void *receive,
                               size_t receive_count, ncclDataType_t type,
                               ncclRedOp_t op, ncclComm_t comm,
                               CUstream stream) {
  if (op != ncclSum)
    return refuse(ncclInvalidArgument, "ncclReduceScatter", "not a sum");
  return callFor(comm, makeCall(Kind::ReduceScatter, send, receive,
                                receive_count, type, stream));
}

ncclResult_t ncclAllReduce(const void *send, void *receive, size_t count,
                           ncclDataType_t type, ncclRedOp_t op, ncclComm_t comm,
                           CUstream stream) {
  if (op != ncclSum)
    return refuse(ncclInvalidArgument, "ncclAllReduce", "not a sum");
  return callFor(comm,
                 makeCall(Kind::AllReduce, send, receive, count, type, stream));
}

ncclResult_t ncclGroupStart() {
  auto lock = enter(__func__);
  ++group.depth;
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
  auto lock = enter(__func__);
  if (group.depth == 0)
    return refuse(ncclInvalidUsage, "ncclGroupEnd", "without ncclGroupStart");
  if (--group.depth)
    return ncclSuccess;
  Group ended = std::exchange(group, Group());
  return ended.error ? ended.error : issue(ended.calls);
}
