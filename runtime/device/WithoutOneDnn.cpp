//===- WithoutOneDnn.cpp - A build with FSDPRT_ONEDNN=OFF -----------------===//
//
// In place of Gemm.cpp, GemmProblem.cpp and TileGemm.cpp: the CPU refuses what
// contains a product when the program is loaded. Another device has a library
// of its own. Products within kernels are plain loops: a self-test runs a few.
//
//===----------------------------------------------------------------------===//

#include "core/DType.h"
#include "device/Gemm.h"

using namespace fsdprt;

struct GemmLibrary::Implementation {};

GemmLibrary::GemmLibrary(int) {}

GemmLibrary::~GemmLibrary() = default;

Status GemmLibrary::prepare(const fsdprt_gemm_desc &) {
  return failure("this fsdp-run was built without oneDNN, which computes it on "
                 "the CPU; build the runtime with -DFSDPRT_ONEDNN=ON");
}

Expected<std::unique_ptr<BoundGemm>>
GemmLibrary::bind(const fsdprt_gemm_desc &desc, void *const *) {
  return prepare(desc);
}

/// `load(element)` of an operand.
template <typename T, typename Load>
static fsdprt_status multiply(int32_t flags, int64_t m, int64_t n, int64_t k,
                              float alpha, const T *a, int64_t lda, const T *b,
                              int64_t ldb, float *c, int64_t ldc, Load load) {
  bool transA = flags & FSDPRT_TILE_TRANS_A,
       transB = flags & FSDPRT_TILE_TRANS_B;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      float sum = 0;
      for (int64_t p = 0; p < k; ++p)
        sum += load(a[transA ? p * lda + i : i * lda + p]) *
               load(b[transB ? j * ldb + p : p * ldb + j]);
      float before = flags & FSDPRT_TILE_ADD ? c[i * ldc + j] : 0;
      c[i * ldc + j] = alpha * sum + before;
    }
  return 0;
}

#pragma GCC visibility push(default)
extern "C" fsdprt_status fsdprt_tile_gemm(int32_t flags, int64_t m, int64_t n,
                                          int64_t k, float alpha,
                                          const float *a, int64_t lda,
                                          const float *b, int64_t ldb, float *c,
                                          int64_t ldc) {
  return multiply(flags, m, n, k, alpha, a, lda, b, ldb, c, ldc,
                  [](float value) { return value; });
}

extern "C" fsdprt_status
fsdprt_tile_gemm_bf16(int32_t flags, int64_t m, int64_t n, int64_t k,
                      float alpha, const uint16_t *a, int64_t lda,
                      const uint16_t *b, int64_t ldb, float *c, int64_t ldc) {
  return multiply(flags, m, n, k, alpha, a, lda, b, ldb, c, ldc,
                  bfloat16ToFloat);
}
#pragma GCC visibility pop
