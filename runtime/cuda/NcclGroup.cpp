//===- NcclGroup.cpp - The communicators of a program ---------------------===//

#include "cuda/NcclGroup.h"

#include "core/DType.h"

#include <cstring>

using namespace fsdprt;
using namespace fsdprt::cuda;

//===----------------------------------------------------------------------===//
// Meeting
//===----------------------------------------------------------------------===//

Expected<std::unique_ptr<NcclGroup>>
NcclGroup::create(Control &control, int rank, int count, Patience &patience) {
  Expected<Nccl> nccl = Nccl::load();
  if (!nccl.ok())
    return nccl.status();
  std::unique_ptr<NcclGroup> group(
      new NcclGroup(std::move(*nccl), rank, control.numRanks(), patience));
  for (int i = 0; i < count; ++i) {
    ncclUniqueId id = {};
    if (rank == 0)
      FSDPRT_RETURN_IF_ERROR(group->nccl.check(
          "ncclGetUniqueId", group->nccl.ncclGetUniqueId(&id), nullptr));
    auto ids = control.gather(id);
    if (!ids.ok())
      return ids.status();
    FSDPRT_RETURN_IF_ERROR(group->add(ids->front()));
  }
  return group;
}

Status NcclGroup::add(const ncclUniqueId &id) {
  ncclConfig_t config;
  config.blocking = 0;
  ncclComm_t comm = nullptr;
  ncclResult_t result =
      nccl.ncclCommInitRankConfig(&comm, ranks, id, rank, &config);
  FSDPRT_RETURN_IF_ERROR(nccl.check("ncclCommInitRankConfig", result, comm));
  comms.push_back(comm);
  return settle("ncclCommInitRankConfig", result, comm);
}

/// Until a call that goes on in the background has ended, which may need all
/// ranks to make it: nothing else may be asked of the communicator before.
Status NcclGroup::settle(const char *call, ncclResult_t result,
                         ncclComm_t comm) const {
  FSDPRT_RETURN_IF_ERROR(patience.until(
      [&]() -> Expected<bool> {
        if (result == ncclInProgress)
          FSDPRT_RETURN_IF_ERROR(
              nccl.check("ncclCommGetAsyncError",
                         nccl.ncclCommGetAsyncError(comm, &result), comm));
        return result != ncclInProgress;
      },
      call));
  return nccl.check(call, result, comm);
}

NcclGroup::~NcclGroup() {
  for (ncclComm_t comm : comms)
    nccl.ncclCommAbort(comm);
  for (void *taken : memory)
    nccl.ncclMemFree(taken);
}

std::optional<NcclGroup::Error> NcclGroup::error() const {
  for (size_t i = 0; i < comms.size(); ++i) {
    ncclResult_t result = ncclSuccess;
    Status status =
        nccl.check("ncclCommGetAsyncError",
                   nccl.ncclCommGetAsyncError(comms[i], &result), comms[i]);
    if (status.ok())
      status = nccl.check("a collective", result, comms[i]);
    if (!status.ok())
      return Error{int(i), status};
  }
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Expected<CUdeviceptr> NcclGroup::allocate(int64_t bytes) {
  void *taken = nullptr;
  FSDPRT_RETURN_IF_ERROR(nccl.check(
      "ncclMemAlloc", nccl.ncclMemAlloc(&taken, size_t(bytes)), nullptr));
  memory.push_back(taken);
  return CUdeviceptr(reinterpret_cast<uint64_t>(taken));
}

Status NcclGroup::registerWindow(CUdeviceptr begin, int64_t bytes) {
  for (ncclComm_t comm : comms) {
    // Written in the background; stays null where the GPUs' links cannot.
    windows.push_back({comm, nullptr});
    ncclResult_t result = nccl.ncclCommWindowRegister(
        comm, reinterpret_cast<void *>(begin), size_t(bytes),
        &windows.back().second, NCCL_WIN_COLL_SYMMETRIC);
    FSDPRT_RETURN_IF_ERROR(settle("ncclCommWindowRegister", result, comm));
  }
  return Status();
}

/// Failures cannot be told any more.
void NcclGroup::deregisterWindows() {
  for (auto [comm, window] : windows)
    if (window)
      (void)settle("ncclCommWindowDeregister",
                   nccl.ncclCommWindowDeregister(comm, window), comm);
  windows.clear();
}

//===----------------------------------------------------------------------===//
// Collectives
//===----------------------------------------------------------------------===//

/// The type has been checked.
static ncclDataType_t dataType(int32_t dtype) {
  switch (dtype) {
  case FSDPRT_F64:
    return ncclFloat64;
  case FSDPRT_BF16:
    return ncclBfloat16;
  case FSDPRT_F16:
    return ncclFloat16;
  case FSDPRT_I64:
    return ncclInt64;
  case FSDPRT_I32:
    return ncclInt32;
  case FSDPRT_I8:
    return ncclInt8;
  case FSDPRT_BOOL:
    return ncclUint8;
  default:
    return ncclFloat32;
  }
}

Status NcclGroup::run(CollectiveKind kind, const fsdprt_collective_desc &desc,
                      const uint64_t *args, CUstream stream) {
  if (desc.comm < 0 || size_t(desc.comm) >= comms.size())
    return failure("communicator ", desc.comm, " does not exist");
  ncclComm_t comm = comms[desc.comm];
  if (kind == CollectiveKind::AllReduce) {
    void *buffer = reinterpret_cast<void *>(args[0]);
    return settle("ncclAllReduce",
                  nccl.ncclAllReduce(buffer, buffer, size_t(desc.count),
                                     dataType(desc.dtype), ncclSum, comm,
                                     stream),
                  comm);
  }
  FSDPRT_RETURN_IF_ERROR(
      nccl.check("ncclGroupStart", nccl.ncclGroupStart(), comm));
  Status status = runSegments(kind, desc, args, stream);
  Status ended = settle("ncclGroupEnd", nccl.ncclGroupEnd(), comm);
  return status.ok() ? ended : status;
}

/// Each segment of a line on its own, all at once.
Status NcclGroup::runSegments(CollectiveKind kind,
                              const fsdprt_collective_desc &desc,
                              const uint64_t *args, CUstream stream) {
  ncclComm_t comm = comms[desc.comm];
  int64_t size = sizeOfDType(desc.dtype);
  fsdprt_segment whole = {0, desc.count};
  const fsdprt_segment *segments = desc.num_segments ? desc.segments : &whole;
  int64_t count = desc.num_segments ? desc.num_segments : 1;
  auto at = [](uint64_t address, int64_t offset) {
    return reinterpret_cast<void *>(address + uint64_t(offset));
  };
  for (const fsdprt_segment *s = segments; s != segments + count; ++s) {
    int64_t inShard = s->offset * size, inLine = s->offset * size * ranks;
    ncclResult_t result =
        kind == CollectiveKind::AllGather
            ? nccl.ncclAllGather(at(args[0], inShard), at(args[1], inLine),
                                 size_t(s->count), dataType(desc.dtype), comm,
                                 stream)
            : nccl.ncclReduceScatter(at(args[0], inLine), at(args[1], inShard),
                                     size_t(s->count), dataType(desc.dtype),
                                     ncclSum, comm, stream);
    FSDPRT_RETURN_IF_ERROR(nccl.check(kind == CollectiveKind::AllGather
                                          ? "ncclAllGather"
                                          : "ncclReduceScatter",
                                      result, comm));
  }
  return Status();
}
