//===- GpuArenas.cpp - The arenas of a GPU --------------------------------===//

#include "cuda/GpuArenas.h"

#include <algorithm>

using namespace fsdprt;
using namespace fsdprt::cuda;

GpuArenas::~GpuArenas() {
  for (CUdeviceptr address : own)
    gpu.api().cuMemFree(address);
}

static Expected<CUdeviceptr> allocatePlain(const Gpu &gpu, int64_t bytes) {
  CUdeviceptr address = 0;
  FSDPRT_CUDA(gpu, cuMemAlloc, &address, size_t(bytes));
  return address;
}

/// On all ranks or on none: a communicator on which a call has failed does
/// nothing more.
static Status makeWindow(CUdeviceptr address, const ArenaSpec &arena,
                         NcclGroup &nccl, Control &control) {
  Status mine = nccl.registerWindow(address, std::max<int64_t>(arena.bytes, 1));
  Expected<std::string> failed = control.firstFailure(mine);
  if (!failed.ok() || failed->empty())
    return failed.status();
  return failure("arena '", arena.name,
                 "' cannot be a symmetric window of NCCL (", *failed,
                 "): NCCL_WIN_ENABLE=0 in the environment goes on without "
                 "windows, which may be slower");
}

Expected<CUdeviceptr> GpuArenas::allocate(const ArenaSpec &arena,
                                          NcclGroup *nccl, Control &control) {
  bool isWindow = nccl && nccl->hasWindows();
  int64_t bytes = std::max<int64_t>(arena.bytes, 1);
  auto address = isWindow ? nccl->allocate(bytes) : allocatePlain(gpu, bytes);
  if (!address.ok())
    return failure("cannot allocate ", arena.bytes, " bytes for arena '",
                   arena.name, "' on the GPU (", gpu.name(),
                   "): ", address.status().message());
  ++numArenas;
  if (!isWindow)
    own.push_back(*address);
  else
    FSDPRT_RETURN_IF_ERROR(makeWindow(*address, arena, *nccl, control));
  return address;
}
