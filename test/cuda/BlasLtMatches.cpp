//===- BlasLtMatches.cpp - Our declarations beside NVIDIA's cublasLt.h ----===//
//
// Compiles only if they agree.
//
//===----------------------------------------------------------------------===//

#include "cuda/BlasLtTypes.h"
#include "test/cuda/Same.h"

#include <cublasLt.h>

FSDP_PAIR(CUstream_st, ::CUstream_st)
FSDP_PAIR(cublasLtContext, ::cublasLtContext)
FSDP_PAIR(cublasLtMatmulDescOpaque_t, ::cublasLtMatmulDescOpaque_t)
FSDP_PAIR(cublasLtMatrixLayoutOpaque_t, ::cublasLtMatrixLayoutOpaque_t)
FSDP_PAIR(cublasLtMatmulPreferenceOpaque_t, ::cublasLtMatmulPreferenceOpaque_t)
FSDP_PAIR(cublasLtMatmulAlgo_t, ::cublasLtMatmulAlgo_t)
FSDP_PAIR(cublasLtMatmulHeuristicResult_t, ::cublasLtMatmulHeuristicResult_t)
FSDP_PAIR_ENUM(cublasStatus_t, ::cublasStatus_t)
FSDP_PAIR_ENUM(cudaDataType, ::cudaDataType)
FSDP_PAIR_ENUM(cublasComputeType_t, ::cublasComputeType_t)
FSDP_PAIR_ENUM(cublasOperation_t, ::cublasOperation_t)
FSDP_PAIR_ENUM(cublasLtOrder_t, ::cublasLtOrder_t)
FSDP_PAIR_ENUM(cublasLtEpilogue_t, ::cublasLtEpilogue_t)
FSDP_PAIR_ENUM(cublasLtReductionScheme_t, ::cublasLtReductionScheme_t)
FSDP_PAIR_ENUM(cublasLtPointerMode_t, ::cublasLtPointerMode_t)
FSDP_PAIR_ENUM(cublasLtMatmulDescAttributes_t, ::cublasLtMatmulDescAttributes_t)
FSDP_PAIR_ENUM(cublasLtMatrixLayoutAttribute_t,
               ::cublasLtMatrixLayoutAttribute_t)
FSDP_PAIR_ENUM(cublasLtMatmulPreferenceAttributes_t,
               ::cublasLtMatmulPreferenceAttributes_t)
FSDP_PAIR_ENUM(cublasLtMatmulAlgoCapAttributes_t,
               ::cublasLtMatmulAlgoCapAttributes_t)
FSDP_PAIR_ENUM(cublasLtMatmulAlgoConfigAttributes_t,
               ::cublasLtMatmulAlgoConfigAttributes_t)

FSDP_CHECK_SIZE(cublasLtMatmulAlgo_t, ::cublasLtMatmulAlgo_t)
FSDP_CHECK_FIELD(cublasLtMatmulAlgo_t, ::cublasLtMatmulAlgo_t, data)
#define FSDP_CHECK_RESULT_FIELD(FIELD)                                         \
  FSDP_CHECK_FIELD(cublasLtMatmulHeuristicResult_t,                            \
                   ::cublasLtMatmulHeuristicResult_t, FIELD)
FSDP_CHECK_SIZE(cublasLtMatmulHeuristicResult_t,
                ::cublasLtMatmulHeuristicResult_t)
FSDP_CHECK_RESULT_FIELD(algo)
FSDP_CHECK_RESULT_FIELD(workspaceSize)
FSDP_CHECK_RESULT_FIELD(state)
FSDP_CHECK_RESULT_FIELD(wavesCount)
FSDP_CHECK_RESULT_FIELD(reserved)

FSDPRT_CUBLASSTATUS_T(FSDP_CHECK_VALUE)
FSDPRT_CUDADATATYPE(FSDP_CHECK_VALUE)
FSDPRT_CUBLASCOMPUTETYPE_T(FSDP_CHECK_VALUE)
FSDPRT_CUBLASOPERATION_T(FSDP_CHECK_VALUE)
FSDPRT_CUBLASLTORDER_T(FSDP_CHECK_VALUE)
FSDPRT_CUBLASLTEPILOGUE_T(FSDP_CHECK_VALUE)
FSDPRT_CUBLASLTREDUCTIONSCHEME_T(FSDP_CHECK_VALUE)
FSDPRT_CUBLASLTPOINTERMODE_T(FSDP_CHECK_VALUE)
FSDPRT_CUBLASLTMATMULDESCATTRIBUTES_T(FSDP_CHECK_VALUE)
FSDPRT_CUBLASLTMATRIXLAYOUTATTRIBUTE_T(FSDP_CHECK_VALUE)
FSDPRT_CUBLASLTMATMULPREFERENCEATTRIBUTES_T(FSDP_CHECK_VALUE)
FSDPRT_CUBLASLTMATMULALGOCAPATTRIBUTES_T(FSDP_CHECK_VALUE)
FSDPRT_CUBLASLTMATMULALGOCONFIGATTRIBUTES_T(FSDP_CHECK_VALUE)

namespace fsdprt::cuda::test {

#define FSDPRT_BLASLT_FUNCTION(NAME, RESULT, PARAMETERS)                       \
  FSDP_CHECK_PROTOTYPE(NAME, RESULT, PARAMETERS)
#include "cuda/BlasLtFunctions.def"

} // namespace fsdprt::cuda::test
