//===- Sum.h - Sums as NCCL's kernels make them -----------------*- C++ -*-===//

#ifndef SIMCUDA_SUM_H
#define SIMCUDA_SUM_H

#include "runtime/cuda/NcclTypes.h"

namespace simcuda {

/// 0 for a type that the simulator does not know.
uint64_t bytesOf(fsdprt::cuda::ncclDataType_t type);

/// to[i] += from[i]: in the type itself, rounded each time.
void addTo(char *to, const char *from, uint64_t count,
           fsdprt::cuda::ncclDataType_t type);

} // namespace simcuda

#endif // SIMCUDA_SUM_H
