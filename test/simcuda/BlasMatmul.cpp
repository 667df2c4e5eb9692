//===- BlasMatmul.cpp - cuBLASLt's algorithms and products ----------------===//

#include "runtime/abi/fsdprt.h"
#include "test/simcuda/BlasApi.h"

#include <cstring>

using namespace simcuda;

/// What the library would choose from, fastest first: that is the one whose
/// sums depend on which part is done first.
static std::vector<Algorithm> algorithms(const Product &p) {
  std::vector<Algorithm> all;
  uint32_t element = bytesOf(p.a.type);
  if (p.k() >= 8) {
    all.push_back({0, 4, CUBLASLT_REDUCTION_SCHEME_INPLACE, element});
    all.push_back({1, 2, CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, element});
  }
  all.push_back({2, 1, CUBLASLT_REDUCTION_SCHEME_NONE, 16});
  all.push_back({3, 1, CUBLASLT_REDUCTION_SCHEME_NONE, element});
  return all;
}

static bool isAligned(const Layout &x, uint64_t promised, uint32_t alignment) {
  uint64_t size = bytesOf(x.type);
  return promised % alignment == 0 && x.ld * size % alignment == 0 &&
         x.stride * size % alignment == 0;
}

static bool allows(const cublasLtMatmulPreferenceOpaque_t &preference,
                   const Product &p, const Algorithm &algorithm) {
  uint32_t needed = algorithm.alignment;
  const uint32_t *promised = preference.alignments;
  if (needed > bytesOf(p.a.type) && !(isAligned(p.a, promised[0], needed) &&
                                      isAligned(p.b, promised[1], needed) &&
                                      isAligned(p.c, promised[2], needed) &&
                                      isAligned(p.d, promised[3], needed)))
    return false;
  return algorithm.workspace(p.d) <= preference.workspace &&
         (algorithm.scheme & ~preference.schemes) == 0;
}

static bool describe(Product &p, cublasLtMatmulDesc_t desc,
                     cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                     cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d) {
  if (!desc || !a || !b || !c || !d)
    return false;
  p.desc = *desc;
  p.a = *a;
  p.b = *b;
  p.c = *c;
  p.d = *d;
  return true;
}

/// Says what is wrong with a product.
static cublasStatus_t check(const char *call, const Product &p) {
  bool unsupported = false;
  std::string problem = p.check(unsupported);
  if (problem.empty())
    return CUBLAS_STATUS_SUCCESS;
  report("%s: %s", call, problem.c_str());
  return unsupported ? CUBLAS_STATUS_NOT_SUPPORTED
                     : CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(
    cublasLtHandle_t, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
    cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
    cublasLtMatrixLayout_t d, cublasLtMatmulPreference_t preference,
    int requested, cublasLtMatmulHeuristicResult_t *results, int *count) {
  *count = 0;
  Product p;
  if (!describe(p, desc, a, b, c, d) || !preference || requested < 1)
    return CUBLAS_STATUS_INVALID_VALUE;
  // The bias's address need not be known yet.
  if (p.hasBias() && !p.desc.bias)
    p.desc.bias = 1;
  if (cublasStatus_t wrong = check("cublasLtMatmulAlgoGetHeuristic", p))
    return wrong;
  for (const Algorithm &algorithm : algorithms(p)) {
    if (*count == requested || !allows(*preference, p, algorithm))
      continue;
    results[(*count)++] = {algorithm.encode(),
                           algorithm.workspace(p.d),
                           CUBLAS_STATUS_SUCCESS,
                           1.0f,
                           {0, 0, 0, 0}};
  }
  return *count ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

template <typename T>
static cublasStatus_t give(T field, void *value, size_t bytes,
                           size_t *written) {
  if (written)
    *written = sizeof field;
  if (!value || bytes < sizeof field)
    return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(value, &field, sizeof field);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoConfigGetAttribute(
    const cublasLtMatmulAlgo_t *algo,
    cublasLtMatmulAlgoConfigAttributes_t attribute, void *value, size_t bytes,
    size_t *written) {
  Algorithm a;
  if (!algo || !Algorithm::decode(*algo, a))
    return CUBLAS_STATUS_INVALID_VALUE;
  switch (attribute) {
  case CUBLASLT_ALGO_CONFIG_ID:
    return give(int32_t(a.id), value, bytes, written);
  case CUBLASLT_ALGO_CONFIG_TILE_ID:
  case CUBLASLT_ALGO_CONFIG_STAGES_ID:
    return give(uint32_t(0), value, bytes, written);
  case CUBLASLT_ALGO_CONFIG_SPLITK_NUM:
    return give(int32_t(a.splits), value, bytes, written);
  case CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME:
    return give(a.scheme, value, bytes, written);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t
cublasLtMatmulAlgoCapGetAttribute(const cublasLtMatmulAlgo_t *algo,
                                  cublasLtMatmulAlgoCapAttributes_t attribute,
                                  void *value, size_t bytes, size_t *written) {
  Algorithm a;
  if (!algo || !Algorithm::decode(*algo, a))
    return CUBLAS_STATUS_INVALID_VALUE;
  switch (attribute) {
  case CUBLASLT_ALGO_CAP_SPLITK_SUPPORT:
    return give(int32_t(a.splits > 1), value, bytes, written);
  case CUBLASLT_ALGO_CAP_REDUCTION_SCHEME_MASK:
    return give(a.scheme, value, bytes, written);
  case CUBLASLT_ALGO_CAP_STRIDED_BATCH_SUPPORT:
    return give(int32_t(1), value, bytes, written);
  case CUBLASLT_ALGO_CAP_NUMERICAL_IMPL_FLAGS:
    return give(uint64_t(1), value, bytes, written); // ordinary arithmetic
  case CUBLASLT_ALGO_CAP_MIN_ALIGNMENT_A_BYTES:
  case CUBLASLT_ALGO_CAP_MIN_ALIGNMENT_B_BYTES:
  case CUBLASLT_ALGO_CAP_MIN_ALIGNMENT_C_BYTES:
  case CUBLASLT_ALGO_CAP_MIN_ALIGNMENT_D_BYTES:
    return give(a.alignment, value, bytes, written);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t
cublasLtMatmulAlgoCheck(cublasLtHandle_t, cublasLtMatmulDesc_t desc,
                        cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                        cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                        const cublasLtMatmulAlgo_t *algo,
                        cublasLtMatmulHeuristicResult_t *result) {
  Product p;
  if (!describe(p, desc, a, b, c, d) || !algo || !result ||
      !Algorithm::decode(*algo, p.algorithm))
    return CUBLAS_STATUS_INVALID_VALUE;
  if (p.hasBias() && !p.desc.bias)
    p.desc.bias = 1;
  if (cublasStatus_t wrong = check("cublasLtMatmulAlgoCheck", p))
    return wrong;
  *result = {*algo,
             p.algorithm.workspace(p.d),
             CUBLAS_STATUS_SUCCESS,
             1.0f,
             {0, 0, 0, 0}};
  return CUBLAS_STATUS_SUCCESS;
}

/// The algorithm that was given, or the first that the workspace allows.
static bool chooseAlgorithm(Product &p, const cublasLtMatmulAlgo_t *algo,
                            size_t workspace) {
  if (algo)
    return Algorithm::decode(*algo, p.algorithm) &&
           p.algorithm.workspace(p.d) <= workspace;
  cublasLtMatmulPreferenceOpaque_t any;
  any.workspace = workspace;
  for (const Algorithm &one : algorithms(p))
    if (one.alignment <= bytesOf(p.a.type) && allows(any, p, one)) {
      p.algorithm = one;
      return true;
    }
  return false;
}

static bool isAligned(const Product &p, uint64_t workspace) {
  for (uint64_t at : {p.aAt, p.bAt, p.beta != 0 ? p.cAt : 0, p.dAt})
    if (at % p.algorithm.alignment)
      return false;
  return workspace % 16 == 0;
}

static cublasStatus_t enqueueProduct(const Product &p, uint64_t workspace,
                                     CUstream stream) {
  Task task;
  task.name = "cublasLtMatmul";
  task.ranges = p.ranges();
  uint64_t bytes = p.algorithm.workspace(p.d);
  if (bytes)
    task.ranges.push_back({workspace, bytes, FSDPRT_ACCESS_SCRATCH});
  task.begin = [=](const Task &, const IdentityRef &who) -> Work {
    return [=]() -> CUresult {
      if (bytes && !translate(*stream->device, workspace, bytes, *who))
        return CUDA_ERROR_ILLEGAL_ADDRESS;
      makeGarbage(workspace, bytes);
      return p.run(*stream->device, *who);
    };
  };
  return enqueue(stream, std::move(task)) == CUDA_SUCCESS
             ? CUBLAS_STATUS_SUCCESS
             : CUBLAS_STATUS_EXECUTION_FAILED;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle,
                              cublasLtMatmulDesc_t desc, const void *alpha,
                              const void *a, cublasLtMatrixLayout_t a_layout,
                              const void *b, cublasLtMatrixLayout_t b_layout,
                              const void *beta, const void *c,
                              cublasLtMatrixLayout_t c_layout, void *d,
                              cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t *algo, void *workspace,
                              size_t workspace_bytes, CUstream stream) {
  auto lock = enter(__func__);
  Product p;
  if (!handle || !describe(p, desc, a_layout, b_layout, c_layout, d_layout))
    return takeAnnouncement(), CUBLAS_STATUS_INVALID_VALUE;
  if (cublasStatus_t wrong = check("cublasLtMatmul", p))
    return takeAnnouncement(), wrong;
  p.alpha = *static_cast<const float *>(alpha);
  p.beta = *static_cast<const float *>(beta);
  p.aAt = reinterpret_cast<uint64_t>(a);
  p.bAt = reinterpret_cast<uint64_t>(b);
  p.cAt = reinterpret_cast<uint64_t>(c);
  p.dAt = reinterpret_cast<uint64_t>(d);
  auto scratch = reinterpret_cast<uint64_t>(workspace);
  if (!chooseAlgorithm(p, algo, workspace_bytes) || !isAligned(p, scratch)) {
    takeAnnouncement();
    report("cublasLtMatmul: the algorithm needs %llu bytes of workspace, "
           "operands at multiples of %u",
           (unsigned long long)p.algorithm.workspace(p.d),
           p.algorithm.alignment);
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  return enqueueProduct(p, scratch, stream);
}
