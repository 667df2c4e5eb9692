//===- NcclComms.cpp - NCCL's communicators and memory --------------------===//

#include "test/simcuda/NcclApi.h"

#include <cstdlib>
#include <cstring>
#include <sys/random.h>

using namespace simcuda;

static thread_local std::string lastError;

ncclResult_t simcuda::refuse(ncclResult_t result, const char *call,
                             const std::string &why) {
  lastError = std::string(call) + ": " + why;
  report("%s", lastError.c_str());
  return result;
}

void Communicator::fail(ncclResult_t result, const std::string &why) {
  if (state != ncclSuccess && state != ncclInProgress)
    return;
  state = result;
  lastError = why;
}

Placement Communicator::placement(uint64_t address, uint64_t bytes) const {
  for (size_t i = 0; i < windows.size(); ++i)
    if (windows[i].address <= address && address + bytes <= windows[i].end())
      return {int32_t(i), 0, address - windows[i].address, windows[i].bytes};
  return {};
}

ncclResult_t ncclGetVersion(int *version) {
  auto lock = enter(__func__);
  *version = simulator().settings.ncclVersion;
  return ncclSuccess;
}

const char *ncclGetErrorString(ncclResult_t result) {
  switch (result) {
  case ncclSuccess:
    return "no error";
  case ncclUnhandledCudaError:
    return "unhandled cuda error";
  case ncclSystemError:
    return "unhandled system error";
  case ncclInternalError:
    return "internal error";
  case ncclInvalidArgument:
    return "invalid argument";
  case ncclInvalidUsage:
    return "invalid usage";
  case ncclRemoteError:
    return "remote process exited or there was a network error";
  case ncclInProgress:
    return "NCCL operation in progress";
  }
  return "unknown result code";
}

const char *ncclGetLastError(ncclComm_t comm) {
  auto lock = enter(__func__);
  return comm && !comm->shared->lastError.empty()
             ? comm->shared->lastError.c_str()
             : lastError.c_str();
}

/// With NCCL_COMM_ID every rank makes the same id of the address in it.
static std::string makeName() {
  if (const char *address = std::getenv("NCCL_COMM_ID")) {
    std::string name = std::string("simnccl-at-") + address;
    for (char &c : name)
      c = std::isalnum(static_cast<unsigned char>(c)) ? c : '-';
    return name;
  }
  unsigned char bytes[16];
  if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
    return "";
  std::string name = "simnccl-";
  for (unsigned char byte : bytes)
    for (int half : {byte >> 4, byte & 15})
      name += "0123456789abcdef"[half];
  return name;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId *id) {
  std::string name = makeName();
  if (name.empty() || name.size() >= sizeof id->internal)
    return refuse(ncclSystemError, "ncclGetUniqueId", "no random bytes");
  std::memset(id->internal, 0, sizeof id->internal);
  std::memcpy(id->internal, name.c_str(), name.size());
  return ncclSuccess;
}

static uint64_t hash(const std::string &text) { // FNV-1a
  uint64_t value = 0xcbf29ce484222325;
  for (unsigned char c : text)
    value = (value ^ c) * 0x100000001b3;
  return value;
}

/// The ranks have met, or not yet.
static void meet(Communicator &comm) {
  if (comm.state != ncclInProgress || !comm.meeting.isComplete() ||
      !comm.queued.empty())
    return;
  comm.state = ncclSuccess;
  int twice = comm.meeting.findDuplicate();
  if (twice >= 0)
    comm.fail(ncclInvalidUsage, "Duplicate GPU detected : rank " +
                                    std::to_string(twice) +
                                    " has the device of another one");
}

static std::string checkInit(const ncclUniqueId &id, int ranks, int rank,
                             const ncclConfig_t *config) {
  if (ranks < 1 || ranks > kMaxRanks || rank < 0 || rank >= ranks)
    return "rank " + std::to_string(rank) + " of " + std::to_string(ranks);
  if (std::strncmp(id.internal, "simnccl-", 8) != 0)
    return "the id is not one of ncclGetUniqueId";
  if (config && (config->magic != ncclConfig_t().magic ||
                 config->size < sizeof(ncclConfig_t)))
    return "the configuration was not initialised";
  return "";
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t *comm, int ranks,
                                    ncclUniqueId id, int rank,
                                    ncclConfig_t *config) {
  auto lock = enter(__func__);
  const char *call = "ncclCommInitRankConfig";
  *comm = nullptr;
  Device *device = currentDevice();
  if (!device || device->error() != CUDA_SUCCESS)
    return refuse(ncclUnhandledCudaError, call, "no context, or a lost one");
  if (isInGroup())
    return refuse(ncclInvalidUsage, call, "within a group");
  std::string problem = checkInit(id, ranks, rank, config);
  if (!problem.empty())
    return refuse(ncclInvalidArgument, call, problem);
  if (!takeLibraryMemory(*device))
    return refuse(ncclUnhandledCudaError, call, "out of memory");
  auto shared = std::make_shared<Communicator>();
  std::string name(id.internal, ::strnlen(id.internal, sizeof id.internal));
  shared->id = hash(name);
  shared->rank = rank;
  shared->ranks = ranks;
  shared->device = device;
  shared->blocking = !config || config->blocking != 0;
  problem = shared->meeting.join(name, rank, ranks, device->number());
  if (!problem.empty())
    return refuse(ncclInvalidUsage, call, problem);
  device->issued[shared->id] = 0;
  *comm = new ncclComm{shared};
  while (shared->blocking && shared->state == ncclInProgress) {
    meet(*shared);
    pause(lock);
  }
  return shared->blocking ? shared->state : ncclInProgress;
}

/// Calls that were only queued are enqueued here: what the host records on the
/// stream before is before them.
static void flush(const CommunicatorRef &comm) {
  if (comm->queued.empty() || comm->device->draw() % 2)
    return;
  std::vector<Call> calls = std::move(comm->queued);
  comm->queued.clear();
  comm->device->queuedCalls -= calls.size();
  comm->state = ncclSuccess;
  for (const Call &call : calls)
    enqueueCall(comm, call);
}

/// Windows are numbered from 1 in the handle, which is not a pointer.
static void finishWindow(Communicator &comm) {
  *comm.registering = reinterpret_cast<ncclWindow_t>(comm.windows.size());
  comm.registering = nullptr;
  comm.state = ncclSuccess;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t *error) {
  auto lock = enter(__func__);
  if (!comm)
    return ncclInvalidArgument;
  if (comm->shared->registering)
    finishWindow(*comm->shared);
  else if (!comm->shared->queued.empty())
    flush(comm->shared);
  else
    meet(*comm->shared);
  comm->shared->device->query(nullptr);
  *error = comm->shared->state;
  return ncclSuccess;
}

/// Whether all that was enqueued on its stream has run.
static bool isIdle(const Communicator &comm) {
  return comm.queued.empty() &&
         (!comm.stream || !comm.stream->tail || comm.stream->tail->done);
}

ncclResult_t ncclCommFinalize(ncclComm_t comm) {
  auto lock = enter(__func__);
  if (!comm)
    return ncclInvalidArgument;
  Communicator &shared = *comm->shared;
  while (shared.blocking && !isIdle(shared))
    if (!shared.device->advance(shared.stream->tail))
      pause(lock);
  return isIdle(shared) ? shared.state : ncclInProgress;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  auto lock = enter(__func__);
  if (!comm)
    return ncclInvalidArgument;
  CommunicatorRef shared = comm->shared;
  while (!isIdle(*shared) && shared->device->error() == CUDA_SUCCESS) {
    flush(shared);
    if (!shared->stream || !shared->device->advance(shared->stream->tail))
      pause(lock);
  }
  shared->device->issued.erase(shared->id);
  delete comm;
  return ncclSuccess;
}

/// Operations that are at work end as they are.
ncclResult_t ncclCommAbort(ncclComm_t comm) {
  auto lock = enter(__func__);
  if (!comm)
    return ncclInvalidArgument;
  comm->shared->aborted = true;
  comm->shared->device->queuedCalls -= comm->shared->queued.size();
  comm->shared->queued.clear();
  comm->shared->device->issued.erase(comm->shared->id);
  delete comm;
  return ncclSuccess;
}

ncclResult_t ncclMemAlloc(void **memory, size_t bytes) {
  auto lock = enter(__func__);
  *memory = nullptr;
  Device *device = currentDevice();
  uint64_t address = 0;
  if (!device || allocate(*device, bytes, address) != CUDA_SUCCESS)
    return refuse(ncclUnhandledCudaError, "ncclMemAlloc", "out of memory");
  simulator().ncclMemory.push_back(address);
  *memory = reinterpret_cast<void *>(address);
  return ncclSuccess;
}

ncclResult_t ncclMemFree(void *memory) {
  auto lock = enter(__func__);
  auto address = reinterpret_cast<uint64_t>(memory);
  auto &own = simulator().ncclMemory;
  auto found = std::find(own.begin(), own.end(), address);
  Device *device = currentDevice();
  if (!device || found == own.end() ||
      release(*device, address) != CUDA_SUCCESS)
    return refuse(ncclInvalidArgument, "ncclMemFree",
                  "not memory of ncclMemAlloc");
  own.erase(found);
  return ncclSuccess;
}

ncclResult_t ncclCommWindowRegister(ncclComm_t comm, void *memory, size_t bytes,
                                    ncclWindow_t *window, int flags) {
  auto lock = enter(__func__);
  const char *call = "ncclCommWindowRegister";
  auto address = reinterpret_cast<uint64_t>(memory);
  if (!comm || !window || (flags & ~NCCL_WIN_COLL_SYMMETRIC))
    return ncclInvalidArgument;
  if (comm->shared->state != ncclSuccess)
    return refuse(ncclInvalidArgument, call, "the communicator is not ready");
  if (address % NCCL_WIN_REQUIRED_ALIGNMENT)
    return refuse(ncclInvalidArgument, call, "not at a multiple of 4096");
  const char *enabled = std::getenv("NCCL_WIN_ENABLE");
  if (enabled && std::strcmp(enabled, "0") == 0) {
    *window = nullptr;
    return ncclSuccess;
  }
  const Allocation *a = simulator().memory.find(address, bytes);
  const auto &own = simulator().ncclMemory;
  if (!a || std::find(own.begin(), own.end(), a->address) == own.end())
    return refuse(ncclInvalidArgument, call, "not memory of ncclMemAlloc");
  const Settings &settings = simulator().settings;
  bool isFaulty =
      settings.faultRank < 0 || settings.faultRank == comm->shared->rank;
  if (isFaulty &&
      int64_t(comm->shared->windows.size()) + 1 == settings.failWindow)
    return refuse(ncclUnhandledCudaError, call, "a failure on request");
  comm->shared->windows.push_back({address, bytes, 0});
  comm->shared->registering = window;
  comm->shared->state = ncclInProgress;
  if (comm->shared->blocking)
    finishWindow(*comm->shared);
  return comm->shared->state;
}

ncclResult_t ncclCommWindowDeregister(ncclComm_t comm, ncclWindow_t window) {
  auto lock = enter(__func__);
  auto number = reinterpret_cast<uintptr_t>(window);
  if (!comm || number < 1 || number > comm->shared->windows.size())
    return ncclInvalidArgument;
  comm->shared->windows[number - 1].bytes = 0;
  return ncclSuccess;
}
