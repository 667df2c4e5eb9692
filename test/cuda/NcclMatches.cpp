//===- NcclMatches.cpp - Our declarations beside NVIDIA's nccl.h ----------===//
//
// Compiles only if they agree.
//
//===----------------------------------------------------------------------===//

#include "cuda/NcclTypes.h"
#include "test/cuda/Same.h"

/// Theirs is the value of a macro in nccl.h.
static constexpr unsigned ourMagic = fsdprt::cuda::ncclConfig_t().magic;

#include <nccl.h>

FSDP_PAIR(CUstream_st, ::CUstream_st)
FSDP_PAIR(ncclComm, ::ncclComm)
FSDP_PAIR(ncclWindow_vidmem, ::ncclWindow_vidmem)
FSDP_PAIR(ncclUniqueId, ::ncclUniqueId)
FSDP_PAIR(ncclConfig_t, ::ncclConfig_t)
FSDP_PAIR_ENUM(ncclResult_t, ::ncclResult_t)
FSDP_PAIR_ENUM(ncclDataType_t, ::ncclDataType_t)
FSDP_PAIR_ENUM(ncclRedOp_t, ::ncclRedOp_t)

FSDP_CHECK_SIZE(ncclUniqueId, ::ncclUniqueId)
FSDP_CHECK_FIELD(ncclUniqueId, ::ncclUniqueId, internal)

// Later versions add fields at the end, and know ours by its size.
#define FSDP_CHECK_CONFIG_FIELD(FIELD)                                         \
  FSDP_CHECK_FIELD(ncclConfig_t, ::ncclConfig_t, FIELD)
FSDP_CHECK_CONFIG_FIELD(size)
FSDP_CHECK_CONFIG_FIELD(magic)
FSDP_CHECK_CONFIG_FIELD(version)
FSDP_CHECK_CONFIG_FIELD(blocking)
FSDP_CHECK_CONFIG_FIELD(cgaClusterSize)
FSDP_CHECK_CONFIG_FIELD(minCTAs)
FSDP_CHECK_CONFIG_FIELD(maxCTAs)
FSDP_CHECK_CONFIG_FIELD(netName)
FSDP_CHECK_CONFIG_FIELD(splitShare)
#if NCCL_VERSION_CODE >= 22700
FSDP_CHECK_CONFIG_FIELD(trafficClass)
#endif
static_assert(sizeof(fsdprt::cuda::ncclConfig_t) <= sizeof(::ncclConfig_t));
static_assert(::ncclConfig_t(NCCL_CONFIG_INITIALIZER).magic == ourMagic);

FSDPRT_NCCLRESULT_T(FSDP_CHECK_VALUE)
FSDPRT_NCCLDATATYPE_T(FSDP_CHECK_VALUE)
FSDPRT_NCCLREDOP_T(FSDP_CHECK_VALUE)
#if NCCL_VERSION_CODE >= 22700
FSDPRT_NCCL_FLAGS(FSDP_CHECK_VALUE)
#endif

namespace fsdprt::cuda::test {

#define FSDPRT_NCCL_FUNCTION(NAME, RESULT, PARAMETERS)                         \
  FSDP_CHECK_PROTOTYPE(NAME, RESULT, PARAMETERS)
#if NCCL_VERSION_CODE < 22700
#define FSDPRT_NCCL_OPTIONAL(NAME, RESULT, PARAMETERS)
#endif
#include "cuda/NcclFunctions.def"

} // namespace fsdprt::cuda::test
