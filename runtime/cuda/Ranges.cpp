//===- Ranges.cpp - The plan's names for a profiler -----------------------===//

#include "cuda/Ranges.h"

#include "core/Trace.h"
#include "cuda/SharedLibrary.h"

using namespace fsdprt;
using namespace fsdprt::cuda;

/// CUDA 12 and 13 have NVTX 3 as a library for those who cannot include it,
/// CUDA 11 and 12 that of NVTX 2, with the same two functions.
Ranges::Ranges() {
  auto library = SharedLibrary::open(
      "NVTX", {"libnvtx3interop.so.1", "libnvToolsExt.so.1"}, "");
  if (!library.ok())
    return;
  library->find("nvtxRangePushA", push);
  library->find("nvtxRangePop", pop);
  if (!pop)
    push = nullptr;
}

Ranges::Range Ranges::of(const char *name) const {
  if (!push)
    return Range(nullptr);
  push(name);
  return Range(pop);
}

Ranges::Range Ranges::begin(const fsdprt_op &op) const {
  return of(displayName(op).c_str());
}
