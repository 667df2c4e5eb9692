//===- NcclTypes.h - What is used of NCCL's API -----------------*- C++ -*-===//
//
// Our own declarations of what NVIDIA's nccl.h has; test/cuda compares them
// with it.
//
//===----------------------------------------------------------------------===//

#ifndef FSDPRT_CUDA_NCCLTYPES_H
#define FSDPRT_CUDA_NCCLTYPES_H

#include "cuda/DriverTypes.h"

#include <climits>

namespace fsdprt::cuda {

using ncclComm_t = struct ncclComm *;
using ncclWindow_t = struct ncclWindow_vidmem *;

struct ncclUniqueId {
  char internal[128];
};

#define FSDPRT_NCCLRESULT_T(V)                                                 \
  V(ncclSuccess, 0)                                                            \
  V(ncclUnhandledCudaError, 1)                                                 \
  V(ncclSystemError, 2)                                                        \
  V(ncclInternalError, 3)                                                      \
  V(ncclInvalidArgument, 4)                                                    \
  V(ncclInvalidUsage, 5)                                                       \
  V(ncclRemoteError, 6)                                                        \
  V(ncclInProgress, 7)
enum ncclResult_t : unsigned { FSDPRT_NCCLRESULT_T(FSDPRT_ENUMERATOR) };

#define FSDPRT_NCCLDATATYPE_T(V)                                               \
  V(ncclInt8, 0)                                                               \
  V(ncclUint8, 1)                                                              \
  V(ncclInt32, 2)                                                              \
  V(ncclInt64, 4)                                                              \
  V(ncclFloat16, 6)                                                            \
  V(ncclFloat32, 7)                                                            \
  V(ncclFloat64, 8)                                                            \
  V(ncclBfloat16, 9)
enum ncclDataType_t : unsigned { FSDPRT_NCCLDATATYPE_T(FSDPRT_ENUMERATOR) };

#define FSDPRT_NCCLREDOP_T(V) V(ncclSum, 0)
enum ncclRedOp_t : unsigned { FSDPRT_NCCLREDOP_T(FSDPRT_ENUMERATOR) };

#define FSDPRT_NCCL_FLAGS(V)                                                   \
  V(NCCL_WIN_COLL_SYMMETRIC, 1)                                                \
  V(NCCL_WIN_REQUIRED_ALIGNMENT, 4096)                                         \
  V(NCCL_CONFIG_UNDEF_INT, INT_MIN)
enum : int { FSDPRT_NCCL_FLAGS(FSDPRT_ENUMERATOR) };

/// As NCCL 2.19 has it: `size` and `version` say so, and every later NCCL gives
/// the fields that it added their defaults. (The last one is where 2.19 has
/// nothing but padding.)
struct ncclConfig_t {
  size_t size = 48;
  unsigned magic = 0xcafebeef;
  unsigned version = 21900;
  int blocking = NCCL_CONFIG_UNDEF_INT;
  int cgaClusterSize = NCCL_CONFIG_UNDEF_INT;
  int minCTAs = NCCL_CONFIG_UNDEF_INT;
  int maxCTAs = NCCL_CONFIG_UNDEF_INT;
  const char *netName = nullptr;
  int splitShare = NCCL_CONFIG_UNDEF_INT;
  int trafficClass = NCCL_CONFIG_UNDEF_INT;
};
static_assert(sizeof(ncclConfig_t) == 48, "the size that it says");

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_NCCLTYPES_H
