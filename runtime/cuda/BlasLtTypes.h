//===- BlasLtTypes.h - What is used of cuBLASLt's API -----------*- C++ -*-===//
//
// Our own declarations of what NVIDIA's cublasLt.h has; test/cuda compares
// them with it.
//
//===----------------------------------------------------------------------===//

#ifndef FSDPRT_CUDA_BLASLTTYPES_H
#define FSDPRT_CUDA_BLASLTTYPES_H

#include "cuda/DriverTypes.h"

namespace fsdprt::cuda {

using cublasLtHandle_t = struct cublasLtContext *;
using cublasLtMatmulDesc_t = struct cublasLtMatmulDescOpaque_t *;
using cublasLtMatrixLayout_t = struct cublasLtMatrixLayoutOpaque_t *;
using cublasLtMatmulPreference_t = struct cublasLtMatmulPreferenceOpaque_t *;

#define FSDPRT_CUBLASSTATUS_T(V)                                               \
  V(CUBLAS_STATUS_SUCCESS, 0)                                                  \
  V(CUBLAS_STATUS_NOT_INITIALIZED, 1)                                          \
  V(CUBLAS_STATUS_ALLOC_FAILED, 3)                                             \
  V(CUBLAS_STATUS_INVALID_VALUE, 7)                                            \
  V(CUBLAS_STATUS_ARCH_MISMATCH, 8)                                            \
  V(CUBLAS_STATUS_EXECUTION_FAILED, 13)                                        \
  V(CUBLAS_STATUS_INTERNAL_ERROR, 14)                                          \
  V(CUBLAS_STATUS_NOT_SUPPORTED, 15)
enum cublasStatus_t : unsigned { FSDPRT_CUBLASSTATUS_T(FSDPRT_ENUMERATOR) };

#define FSDPRT_CUDADATATYPE(V)                                                 \
  V(CUDA_R_32F, 0)                                                             \
  V(CUDA_R_64F, 1)                                                             \
  V(CUDA_R_16F, 2)                                                             \
  V(CUDA_R_16BF, 14)
enum cudaDataType : unsigned { FSDPRT_CUDADATATYPE(FSDPRT_ENUMERATOR) };

#define FSDPRT_CUBLASCOMPUTETYPE_T(V)                                          \
  V(CUBLAS_COMPUTE_32F, 68)                                                    \
  V(CUBLAS_COMPUTE_32F_PEDANTIC, 69)                                           \
  V(CUBLAS_COMPUTE_32F_FAST_TF32, 77)
enum cublasComputeType_t : unsigned {
  FSDPRT_CUBLASCOMPUTETYPE_T(FSDPRT_ENUMERATOR)
};

// Attributes' values: 32 bits each, as the attributes below ask for.
#define FSDPRT_CUBLASOPERATION_T(V)                                            \
  V(CUBLAS_OP_N, 0)                                                            \
  V(CUBLAS_OP_T, 1)
enum cublasOperation_t : unsigned {
  FSDPRT_CUBLASOPERATION_T(FSDPRT_ENUMERATOR)
};

#define FSDPRT_CUBLASLTORDER_T(V)                                              \
  V(CUBLASLT_ORDER_COL, 0)                                                     \
  V(CUBLASLT_ORDER_ROW, 1)
enum cublasLtOrder_t : unsigned { FSDPRT_CUBLASLTORDER_T(FSDPRT_ENUMERATOR) };

#define FSDPRT_CUBLASLTEPILOGUE_T(V)                                           \
  V(CUBLASLT_EPILOGUE_DEFAULT, 1)                                              \
  V(CUBLASLT_EPILOGUE_BIAS, 4)
enum cublasLtEpilogue_t : unsigned {
  FSDPRT_CUBLASLTEPILOGUE_T(FSDPRT_ENUMERATOR)
};

#define FSDPRT_CUBLASLTREDUCTIONSCHEME_T(V)                                    \
  V(CUBLASLT_REDUCTION_SCHEME_NONE, 0)                                         \
  V(CUBLASLT_REDUCTION_SCHEME_INPLACE, 1)                                      \
  V(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, 2)                                 \
  V(CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE, 4)
enum cublasLtReductionScheme_t : unsigned {
  FSDPRT_CUBLASLTREDUCTIONSCHEME_T(FSDPRT_ENUMERATOR)
};

#define FSDPRT_CUBLASLTPOINTERMODE_T(V)                                        \
  V(CUBLASLT_POINTER_MODE_HOST, 0)                                             \
  V(CUBLASLT_POINTER_MODE_DEVICE, 1)
enum cublasLtPointerMode_t : unsigned {
  FSDPRT_CUBLASLTPOINTERMODE_T(FSDPRT_ENUMERATOR)
};

#define FSDPRT_CUBLASLTMATMULDESCATTRIBUTES_T(V)                               \
  V(CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, 0)                                      \
  V(CUBLASLT_MATMUL_DESC_SCALE_TYPE, 1)                                        \
  V(CUBLASLT_MATMUL_DESC_POINTER_MODE, 2)                                      \
  V(CUBLASLT_MATMUL_DESC_TRANSA, 3)                                            \
  V(CUBLASLT_MATMUL_DESC_TRANSB, 4)                                            \
  V(CUBLASLT_MATMUL_DESC_EPILOGUE, 7)                                          \
  V(CUBLASLT_MATMUL_DESC_BIAS_POINTER, 8)                                      \
  V(CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE, 10)                                \
  V(CUBLASLT_MATMUL_DESC_SM_COUNT_TARGET, 15)                                  \
  V(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, 26)
enum cublasLtMatmulDescAttributes_t : unsigned {
  FSDPRT_CUBLASLTMATMULDESCATTRIBUTES_T(FSDPRT_ENUMERATOR)
};

#define FSDPRT_CUBLASLTMATRIXLAYOUTATTRIBUTE_T(V)                              \
  V(CUBLASLT_MATRIX_LAYOUT_TYPE, 0)                                            \
  V(CUBLASLT_MATRIX_LAYOUT_ORDER, 1)                                           \
  V(CUBLASLT_MATRIX_LAYOUT_ROWS, 2)                                            \
  V(CUBLASLT_MATRIX_LAYOUT_COLS, 3)                                            \
  V(CUBLASLT_MATRIX_LAYOUT_LD, 4)                                              \
  V(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, 5)                                     \
  V(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, 6)
enum cublasLtMatrixLayoutAttribute_t : unsigned {
  FSDPRT_CUBLASLTMATRIXLAYOUTATTRIBUTE_T(FSDPRT_ENUMERATOR)
};

#define FSDPRT_CUBLASLTMATMULPREFERENCEATTRIBUTES_T(V)                         \
  V(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, 1)                               \
  V(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, 3)                             \
  V(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, 5)                             \
  V(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, 6)                             \
  V(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, 7)                             \
  V(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, 8)
enum cublasLtMatmulPreferenceAttributes_t : unsigned {
  FSDPRT_CUBLASLTMATMULPREFERENCEATTRIBUTES_T(FSDPRT_ENUMERATOR)
};

#define FSDPRT_CUBLASLTMATMULALGOCAPATTRIBUTES_T(V)                            \
  V(CUBLASLT_ALGO_CAP_SPLITK_SUPPORT, 0)                                       \
  V(CUBLASLT_ALGO_CAP_REDUCTION_SCHEME_MASK, 1)                                \
  V(CUBLASLT_ALGO_CAP_STRIDED_BATCH_SUPPORT, 3)                                \
  V(CUBLASLT_ALGO_CAP_NUMERICAL_IMPL_FLAGS, 15)                                \
  V(CUBLASLT_ALGO_CAP_MIN_ALIGNMENT_A_BYTES, 16)                               \
  V(CUBLASLT_ALGO_CAP_MIN_ALIGNMENT_B_BYTES, 17)                               \
  V(CUBLASLT_ALGO_CAP_MIN_ALIGNMENT_C_BYTES, 18)                               \
  V(CUBLASLT_ALGO_CAP_MIN_ALIGNMENT_D_BYTES, 19)
enum cublasLtMatmulAlgoCapAttributes_t : unsigned {
  FSDPRT_CUBLASLTMATMULALGOCAPATTRIBUTES_T(FSDPRT_ENUMERATOR)
};

#define FSDPRT_CUBLASLTMATMULALGOCONFIGATTRIBUTES_T(V)                         \
  V(CUBLASLT_ALGO_CONFIG_ID, 0)                                                \
  V(CUBLASLT_ALGO_CONFIG_TILE_ID, 1)                                           \
  V(CUBLASLT_ALGO_CONFIG_SPLITK_NUM, 2)                                        \
  V(CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, 3)                                  \
  V(CUBLASLT_ALGO_CONFIG_STAGES_ID, 6)
enum cublasLtMatmulAlgoConfigAttributes_t : unsigned {
  FSDPRT_CUBLASLTMATMULALGOCONFIGATTRIBUTES_T(FSDPRT_ENUMERATOR)
};

/// Plain bytes: may be kept in a file beside the library's version.
struct cublasLtMatmulAlgo_t {
  uint64_t data[8];
};

struct cublasLtMatmulHeuristicResult_t {
  cublasLtMatmulAlgo_t algo;
  size_t workspaceSize;
  cublasStatus_t state;
  float wavesCount;
  int reserved[4];
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_BLASLTTYPES_H
