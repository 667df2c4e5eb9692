//===- DriverMatches.cpp - Our declarations beside NVIDIA's cuda.h --------===//
//
// Compiles only if they agree.
//
//===----------------------------------------------------------------------===//

// Ours first: NVIDIA's header has macros of some of the names.
#include "cuda/DriverTypes.h"
#include "test/cuda/Same.h"

#include <cuda.h>

FSDP_PAIR(CUctx_st, ::CUctx_st)
FSDP_PAIR(CUstream_st, ::CUstream_st)
FSDP_PAIR(CUevent_st, ::CUevent_st)
FSDP_PAIR(CUmod_st, ::CUmod_st)
FSDP_PAIR(CUfunc_st, ::CUfunc_st)
FSDP_PAIR(CUgraph_st, ::CUgraph_st)
FSDP_PAIR(CUgraphExec_st, ::CUgraphExec_st)
FSDP_PAIR(CUuuid, ::CUuuid)
FSDP_PAIR_ENUM(CUresult, ::CUresult)
FSDP_PAIR_ENUM(CUdevice_attribute, ::CUdevice_attribute)
FSDP_PAIR_ENUM(CUfunction_attribute, ::CUfunction_attribute)
FSDP_PAIR_ENUM(CUjit_option, ::CUjit_option)
FSDP_PAIR_ENUM(CUstreamCaptureMode, ::CUstreamCaptureMode)

FSDP_CHECK_SIZE(CUuuid, ::CUuuid)
FSDP_CHECK_FIELD(CUuuid, ::CUuuid, bytes)

FSDPRT_CURESULT(FSDP_CHECK_VALUE)
FSDPRT_CUDEVICE_ATTRIBUTE(FSDP_CHECK_VALUE)
FSDPRT_CUFUNCTION_ATTRIBUTE(FSDP_CHECK_VALUE)
FSDPRT_CUJIT_OPTION(FSDP_CHECK_VALUE)
FSDPRT_CUSTREAMCAPTUREMODE(FSDP_CHECK_VALUE)
FSDPRT_CUDA_FLAGS(FSDP_CHECK_VALUE)

namespace fsdprt::cuda::test {

/// cuda.h maps names to versions by macros, so NAME becomes the symbol here.
/// The one that differs is in every driver, with the same prototype.
#define FSDPRT_DRIVER_FUNCTION(NAME, SYMBOL, RESULT, PARAMETERS)               \
  FSDP_CHECK_PROTOTYPE(NAME, RESULT, PARAMETERS)                               \
  static_assert(sameText(FSDP_TEXT(NAME), #SYMBOL) ||                          \
                    sameText(#SYMBOL, "cuEventElapsedTime"),                   \
                "symbol of " #NAME);
#include "cuda/DriverFunctions.def"

} // namespace fsdprt::cuda::test
