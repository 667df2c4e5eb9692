//===- WithoutOneDnn.cpp - A build with FSDPRT_ONEDNN=OFF
//------------------===//
//
// In place of Gemm.cpp, GemmProblem.cpp and TileGemm.cpp: the CPU refuses what
// contains a product when the program is loaded. Another device has a library
// of its own.
//
//===----------------------------------------------------------------------===//

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

// The kernel that calls one fails.
#pragma GCC visibility push(default)
extern "C" fsdprt_status fsdprt_tile_gemm(int32_t, int64_t, int64_t, int64_t,
                                          float, const float *, int64_t,
                                          const float *, int64_t, float *,
                                          int64_t) {
  return 1;
}

extern "C" fsdprt_status fsdprt_tile_gemm_bf16(int32_t, int64_t, int64_t,
                                               int64_t, float, const uint16_t *,
                                               int64_t, const uint16_t *,
                                               int64_t, float *, int64_t) {
  return 1;
}
#pragma GCC visibility pop
