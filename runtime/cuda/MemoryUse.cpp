//===- MemoryUse.cpp - What a GPU's memory is used for --------------------===//

#include "cuda/MemoryUse.h"

#include <algorithm>

using namespace fsdprt;
using namespace fsdprt::cuda;

/// Ranks may share a GPU: all have come as far as this one before it looks, and
/// none goes on before all have looked.
static Expected<Gpu::Memory> lookTogether(const Gpu &gpu, Control &control) {
  FSDPRT_RETURN_IF_ERROR(control.gatherValues(0).status());
  Expected<Gpu::Memory> now = gpu.memory();
  if (!now.ok())
    return now.status();
  FSDPRT_RETURN_IF_ERROR(control.gatherValues(0).status());
  return now;
}

Status MemoryUse::begin(Control &control, int64_t taken) {
  Expected<Gpu::Memory> now = lookTogether(gpu, control);
  if (now.ok())
    freeAtBegin = now->free + taken;
  return now.status();
}

Status MemoryUse::checkFits(Control &control) {
  Expected<Gpu::Memory> now = lookTogether(gpu, control);
  if (!now.ok())
    return now.status();
  DeviceMemory found;
  found.total = now->total;
  found.free = now->free;
  found.libraries = std::max<int64_t>(freeAtBegin - now->free, 0);
  found.plan = plannedBytes;
  found.ranks = gpu.numRanks();
  memory = found;
  if (found.left() >= 0)
    return Status();
  std::ostringstream sharing;
  if (found.ranks > 1)
    sharing << " for each of the " << found.ranks << " ranks that share it";
  return failure("the plan takes ", found.plan, " bytes of the GPU (",
                 gpu.name(), ")", sharing.str(), ", and of its ", found.total,
                 " bytes ", found.free,
                 " are free: libraries of this run have ", found.libraries,
                 ", the driver and others ", found.others(),
                 "; end what else runs there, or compile for less: a smaller "
                 "batch, --recompute, more ranks");
}
