//===- LtProduct.cpp - A product by cuBLASLt ------------------------------===//

#include "cuda/LtProduct.h"

#include "core/DType.h"
#include "device/GemmCheck.h"

#include <memory>

using namespace fsdprt;
using namespace fsdprt::cuda;

/// Both types have been checked.
static cudaDataType dataType(int32_t dtype) {
  return dtype == FSDPRT_BF16  ? CUDA_R_16BF
         : dtype == FSDPRT_F16 ? CUDA_R_16F
                               : CUDA_R_32F;
}

LtProduct::LtProduct(const BlasLt &library, cublasLtHandle_t handle,
                     const fsdprt_gemm_desc &desc, LtProblem problem,
                     int64_t mostBytes, uint32_t alignment)
    : library(library), handle(handle), problem(std::move(problem)),
      mostBytes(mostBytes), alignment(alignment), type(dataType(desc.dtype)),
      resultType(dataType(desc.c_dtype)),
      bytes(size_t(sizeOfDType(desc.dtype))),
      resultBytes(size_t(sizeOfDType(desc.c_dtype))), adds(desc.adds),
      workspaceArgument(size_t(numGemmOperands(desc))),
      accumulates(desc.accumulate != 0), allowsTf32(desc.precision != 0) {
  for (int32_t i = 0; i < desc.op.num_args; ++i)
    argumentBytes.push_back(desc.op.args[i].bytes);
}

LtProduct::~LtProduct() {
  for (cublasLtMatrixLayout_t layout : {first, second, result})
    if (layout)
      library.cublasLtMatrixLayoutDestroy(layout);
  if (matmul)
    library.cublasLtMatmulDescDestroy(matmul);
}

Status LtProduct::create() {
  FSDPRT_RETURN_IF_ERROR(createLayout(first, problem.first, type));
  FSDPRT_RETURN_IF_ERROR(createLayout(second, problem.second, type));
  FSDPRT_RETURN_IF_ERROR(createLayout(result, problem.result, resultType));
  FSDPRT_RETURN_IF_ERROR(createMatmul());
  auto found = candidates();
  return found.ok() ? use(found->front()) : found.status();
}

Status LtProduct::createLayout(cublasLtMatrixLayout_t &layout,
                               const LtMatrix &matrix,
                               cudaDataType element) const {
  FSDPRT_LT(library, cublasLtMatrixLayoutCreate, &layout, element,
            uint64_t(matrix.rows), uint64_t(matrix.columns), matrix.leading);
  int32_t batch = int32_t(problem.batch);
  FSDPRT_LT(library, cublasLtMatrixLayoutSetAttribute, layout,
            CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof(batch));
  FSDPRT_LT(library, cublasLtMatrixLayoutSetAttribute, layout,
            CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &matrix.batchStride,
            sizeof(matrix.batchStride));
  return Status();
}

Status LtProduct::createMatmul() {
  FSDPRT_LT(library, cublasLtMatmulDescCreate, &matmul,
            allowsTf32 && type == CUDA_R_32F ? CUBLAS_COMPUTE_32F_FAST_TF32
                                             : CUBLAS_COMPUTE_32F,
            CUDA_R_32F);
  auto set = [&](cublasLtMatmulDescAttributes_t attribute, const auto &value) {
    return library.check("cublasLtMatmulDescSetAttribute",
                         library.cublasLtMatmulDescSetAttribute(
                             matmul, attribute, &value, sizeof(value)));
  };
  auto operation = [](bool transpose) {
    return uint32_t(transpose ? CUBLAS_OP_T : CUBLAS_OP_N);
  };
  FSDPRT_RETURN_IF_ERROR(
      set(CUBLASLT_MATMUL_DESC_TRANSA, operation(problem.transposeFirst)));
  FSDPRT_RETURN_IF_ERROR(
      set(CUBLASLT_MATMUL_DESC_TRANSB, operation(problem.transposeSecond)));
  if (!(adds & FSDPRT_GEMM_BIAS))
    return Status();
  FSDPRT_RETURN_IF_ERROR(
      set(CUBLASLT_MATMUL_DESC_EPILOGUE, uint32_t(CUBLASLT_EPILOGUE_BIAS)));
  return set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, uint32_t(type));
}

/// Whether the algorithm adds in an order that its blocks race for, or rounds
/// parts of a sum to the result's type.
static bool mayVary(const BlasLt &library,
                    const cublasLtMatmulAlgo_t &algorithm) {
  uint32_t scheme = CUBLASLT_REDUCTION_SCHEME_INPLACE;
  size_t written = 0;
  return library.cublasLtMatmulAlgoConfigGetAttribute(
             &algorithm, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, &scheme,
             sizeof(scheme), &written) != CUBLAS_STATUS_SUCCESS ||
         (scheme & ~uint32_t(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
}

Status LtProduct::prefer(cublasLtMatmulPreference_t preference) const {
  auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute,
                 const auto &value) {
    return library.check("cublasLtMatmulPreferenceSetAttribute",
                         library.cublasLtMatmulPreferenceSetAttribute(
                             preference, attribute, &value, sizeof(value)));
  };
  FSDPRT_RETURN_IF_ERROR(
      set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64_t(mostBytes)));
  FSDPRT_RETURN_IF_ERROR(set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                             uint32_t(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE)));
  for (auto attribute : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
                         CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                         CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
                         CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
    FSDPRT_RETURN_IF_ERROR(set(attribute, alignment));
  return Status();
}

Expected<std::vector<cublasLtMatmulAlgo_t>> LtProduct::candidates() const {
  cublasLtMatmulPreference_t preference = nullptr;
  FSDPRT_LT(library, cublasLtMatmulPreferenceCreate, &preference);
  std::unique_ptr<std::remove_pointer_t<cublasLtMatmulPreference_t>,
                  cublasStatus_t (*)(cublasLtMatmulPreference_t)>
      owner(preference, library.cublasLtMatmulPreferenceDestroy);
  FSDPRT_RETURN_IF_ERROR(prefer(preference));
  constexpr int most = 32;
  cublasLtMatmulHeuristicResult_t found[most] = {};
  int count = 0;
  cublasStatus_t status = library.cublasLtMatmulAlgoGetHeuristic(
      handle, matmul, first, second, result, result, preference, most, found,
      &count);
  if (status != CUBLAS_STATUS_NOT_SUPPORTED)
    FSDPRT_RETURN_IF_ERROR(
        library.check("cublasLtMatmulAlgoGetHeuristic", status));
  std::vector<cublasLtMatmulAlgo_t> usable;
  for (const auto &candidate : found)
    if (&candidate < found + count &&
        candidate.state == CUBLAS_STATUS_SUCCESS &&
        candidate.workspaceSize <= size_t(mostBytes) &&
        !mayVary(library, candidate.algo))
      usable.push_back(candidate.algo);
  if (usable.empty())
    return failure("cuBLASLt has no algorithm for it that needs at most ",
                   mostBytes,
                   " bytes of workspace and gives the same bits "
                   "each time");
  return usable;
}

Status LtProduct::use(const cublasLtMatmulAlgo_t &given) {
  cublasLtMatmulHeuristicResult_t checked = {};
  FSDPRT_LT(library, cublasLtMatmulAlgoCheck, handle, matmul, first, second,
            result, result, &given, &checked);
  FSDPRT_RETURN_IF_ERROR(
      library.check("cublasLtMatmulAlgoCheck", checked.state));
  if (checked.workspaceSize > size_t(mostBytes))
    return failure("the algorithm needs ", checked.workspaceSize,
                   " bytes of workspace, and there are ", mostBytes);
  if (mayVary(library, given))
    return failure("the algorithm adds in an order that varies");
  algorithm = given;
  workspaceBytes = checked.workspaceSize;
  return Status();
}

Status LtProduct::run(const uint64_t *args, CUstream stream) const {
  const float one = 1, zero = 0;
  constexpr int biasArgument = 3; // behind C
  uint64_t bias = adds & FSDPRT_GEMM_BIAS ? args[biasArgument] : 0;
  bool hasResidual = adds & FSDPRT_GEMM_RESIDUAL;
  uint64_t before = args[hasResidual ? workspaceArgument - 1 : 2];
  uint64_t workspace = workspaceBytes ? args[workspaceArgument] : 0;
  if (bias)
    FSDPRT_LT(library, cublasLtMatmulDescSetAttribute, matmul,
              CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof(bias));
  auto at = [](uint64_t address, int64_t offset, size_t size) {
    return reinterpret_cast<void *>(address + uint64_t(offset) * size);
  };
  for (const LtOffsets &call : problem.calls)
    FSDPRT_LT(library, cublasLtMatmul, handle, matmul, &one,
              at(args[1], call.b, bytes), first, at(args[0], call.a, bytes),
              second, hasResidual || accumulates ? &one : &zero,
              at(before, call.c, resultBytes), result,
              at(args[2], call.c, resultBytes), result, &algorithm,
              at(workspace, 0, 1), workspaceBytes, stream);
  return Status();
}
