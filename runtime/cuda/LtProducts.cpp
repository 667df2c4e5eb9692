//===- LtProducts.cpp - Products by cuBLASLt ------------------------------===//

#include "cuda/LtProducts.h"

#include "core/DType.h"
#include "device/GemmCheck.h"

#include <algorithm>
#include <cstddef>

using namespace fsdprt;
using namespace fsdprt::cuda;

#define FSDPRT_LT(LIBRARY, FUNCTION, ...)                                      \
  FSDPRT_RETURN_IF_ERROR(                                                      \
      (LIBRARY).check(#FUNCTION, (LIBRARY).FUNCTION(__VA_ARGS__)))

/// Both types have been checked.
static cudaDataType dataType(int32_t dtype) {
  return dtype == FSDPRT_BF16  ? CUDA_R_16BF
         : dtype == FSDPRT_F16 ? CUDA_R_16F
                               : CUDA_R_32F;
}

//===----------------------------------------------------------------------===//
// One product
//===----------------------------------------------------------------------===//

LtProduct::LtProduct(const BlasLt &library, cublasLtHandle_t handle,
                     const fsdprt_gemm_desc &desc, LtProblem problem)
    : library(library), handle(handle), problem(std::move(problem)),
      type(dataType(desc.dtype)), resultType(dataType(desc.c_dtype)),
      bytes(size_t(sizeOfDType(desc.dtype))),
      resultBytes(size_t(sizeOfDType(desc.c_dtype))), adds(desc.adds),
      workspaceArgument(size_t(numGemmOperands(desc))),
      accumulates(desc.accumulate != 0), allowsTf32(desc.precision != 0) {}

LtProduct::~LtProduct() {
  for (cublasLtMatrixLayout_t layout : {first, second, result})
    if (layout)
      library.cublasLtMatrixLayoutDestroy(layout);
  if (matmul)
    library.cublasLtMatmulDescDestroy(matmul);
}

Status LtProduct::create(int64_t mostBytes, uint32_t alignment) {
  FSDPRT_RETURN_IF_ERROR(createLayout(first, problem.first, type));
  FSDPRT_RETURN_IF_ERROR(createLayout(second, problem.second, type));
  FSDPRT_RETURN_IF_ERROR(createLayout(result, problem.result, resultType));
  FSDPRT_RETURN_IF_ERROR(createMatmul());
  return choose(mostBytes, alignment);
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

/// Whether the algorithm adds in an order that its blocks race for.
static bool mayVary(const BlasLt &library,
                    const cublasLtMatmulAlgo_t &algorithm) {
  uint32_t scheme = CUBLASLT_REDUCTION_SCHEME_INPLACE;
  size_t written = 0;
  return library.cublasLtMatmulAlgoConfigGetAttribute(
             &algorithm, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, &scheme,
             sizeof(scheme), &written) != CUBLAS_STATUS_SUCCESS ||
         (scheme & CUBLASLT_REDUCTION_SCHEME_INPLACE);
}

Status LtProduct::choose(int64_t mostBytes, uint32_t alignment) {
  cublasLtMatmulPreference_t preference = nullptr;
  FSDPRT_LT(library, cublasLtMatmulPreferenceCreate, &preference);
  std::unique_ptr<std::remove_pointer_t<cublasLtMatmulPreference_t>,
                  cublasStatus_t (*)(cublasLtMatmulPreference_t)>
      owner(preference, library.cublasLtMatmulPreferenceDestroy);
  auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute,
                    const auto &value) {
    return library.check("cublasLtMatmulPreferenceSetAttribute",
                         library.cublasLtMatmulPreferenceSetAttribute(
                             preference, attribute, &value, sizeof(value)));
  };
  FSDPRT_RETURN_IF_ERROR(
      prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64_t(mostBytes)));
  FSDPRT_RETURN_IF_ERROR(
      prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
             uint32_t(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE)));
  for (auto attribute : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
                         CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                         CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
                         CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
    FSDPRT_RETURN_IF_ERROR(prefer(attribute, alignment));
  cublasLtMatmulHeuristicResult_t found[16] = {};
  int count = 0;
  cublasStatus_t status = library.cublasLtMatmulAlgoGetHeuristic(
      handle, matmul, first, second, result, result, preference, 16, found,
      &count);
  if (status != CUBLAS_STATUS_NOT_SUPPORTED)
    FSDPRT_RETURN_IF_ERROR(
        library.check("cublasLtMatmulAlgoGetHeuristic", status));
  auto *best = std::find_if(found, found + count, [&](const auto &candidate) {
    return candidate.state == CUBLAS_STATUS_SUCCESS &&
           candidate.workspaceSize <= size_t(mostBytes) &&
           !mayVary(library, candidate.algo);
  });
  if (best == found + count)
    return failure("cuBLASLt has no algorithm for it that needs at most ",
                   mostBytes,
                   " bytes of workspace and gives the same bits "
                   "each time");
  algorithm = best->algo;
  workspaceBytes = best->workspaceSize;
  return Status();
}

Status LtProduct::run(const uint64_t *args, CUstream stream) const {
  const float one = 1, zero = 0;
  uint64_t bias = adds & FSDPRT_GEMM_BIAS ? args[3] : 0;
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

//===----------------------------------------------------------------------===//
// All of them
//===----------------------------------------------------------------------===//

Expected<std::unique_ptr<LtProducts>> LtProducts::create(int driverVersion) {
  Expected<BlasLt> library = BlasLt::load(driverVersion);
  if (!library.ok())
    return library.status();
  std::unique_ptr<LtProducts> products(new LtProducts(std::move(*library)));
  FSDPRT_LT(products->library, cublasLtCreate, &products->handle);
  return products;
}

LtProducts::~LtProducts() {
  products.clear();
  if (handle)
    library.cublasLtDestroy(handle);
}

/// Bytes that all matrices begin at multiples of; arenas do at 256.
static uint32_t alignmentOf(const fsdprt_gemm_desc &desc,
                            const LtProblem &problem) {
  uint64_t bits = 256;
  for (int32_t i = 0; i < desc.op.num_args; ++i)
    bits |= uint64_t(desc.op.args[i].offset);
  int64_t size = sizeOfDType(desc.dtype),
          resultSize = sizeOfDType(desc.c_dtype);
  for (const LtOffsets &call : problem.calls)
    bits |= uint64_t(call.a * size) | uint64_t(call.b * size) |
            uint64_t(call.c * resultSize);
  return uint32_t(bits & (~bits + 1));
}

/// All that the library's choice depends on.
static std::string keyOf(const fsdprt_gemm_desc &desc, int64_t workspaceBytes,
                         uint32_t alignment) {
  constexpr size_t begin = offsetof(fsdprt_gemm_desc, dtype);
  std::string key(reinterpret_cast<const char *>(&desc) + begin,
                  sizeof(desc) - begin);
  return key + std::to_string(workspaceBytes) + "/" + std::to_string(alignment);
}

Expected<const LtProduct *> LtProducts::find(const fsdprt_gemm_desc &desc) {
  Expected<LtProblem> problem = LtProblem::create(desc);
  if (!problem.ok())
    return problem.status();
  int64_t workspaceBytes = gemmScratchArgument(desc);
  uint32_t alignment = alignmentOf(desc, *problem);
  auto &product = products[keyOf(desc, workspaceBytes, alignment)];
  if (!product) {
    auto created =
        std::make_unique<LtProduct>(library, handle, desc, std::move(*problem));
    FSDPRT_RETURN_IF_ERROR(created->create(workspaceBytes, alignment));
    product = std::move(created);
  }
  return product.get();
}
