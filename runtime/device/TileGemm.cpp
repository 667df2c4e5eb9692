//===- TileGemm.cpp - Small products inside kernels -----------------------===//

#include "abi/fsdprt.h"

#include <dlfcn.h>
#include <dnnl.h>

namespace {

/// The OpenMP that oneDNN brings (see Gemm.cpp), on one thread while it lives:
/// the other workers have the other cores.
class OneThread {
public:
  OneThread() {
    if (entries().set)
      entries().set(1);
  }
  ~OneThread() {
    if (entries().set)
      entries().set(before);
  }

private:
  struct Entries {
    void (*set)(int) = reinterpret_cast<void (*)(int)>(
        ::dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
    int (*get)() = reinterpret_cast<int (*)()>(::dlsym(RTLD_DEFAULT,
                                                       "omp_get_max_threads"));
  };
  static const Entries &entries() {
    static const Entries found;
    return found;
  }

  int before = entries().get ? entries().get() : 1;
};

} // namespace

#pragma GCC visibility push(default)
extern "C" fsdprt_status fsdprt_tile_gemm(int32_t flags, int64_t m, int64_t n,
                                          int64_t k, float alpha,
                                          const float *a, int64_t lda,
                                          const float *b, int64_t ldb, float *c,
                                          int64_t ldc) {
  OneThread guard;
  return dnnl_sgemm(flags & FSDPRT_TILE_TRANS_A ? 'T' : 'N',
                    flags & FSDPRT_TILE_TRANS_B ? 'T' : 'N', m, n, k, alpha, a,
                    lda, b, ldb, flags & FSDPRT_TILE_ADD ? 1.0f : 0.0f, c,
                    ldc) == dnnl_success
             ? 0
             : 1;
}
#pragma GCC visibility pop
