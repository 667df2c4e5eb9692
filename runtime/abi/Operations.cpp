//===- Operations.cpp - The bound operations of all phases ----------------===//

#include "abi/Operations.h"

#include <string_view>

using namespace fsdprt;

ProductWork::ProductWork(const fsdprt_gemm_desc &desc) {
  constexpr std::string_view again = "recompute_"; // as the plan names it
  if (std::string_view(desc.op.name).substr(0, again.size()) == again)
    return;
  int64_t work = 2 * desc.m * desc.n * desc.k;
  for (int64_t d = 0; d < desc.num_batch_dims; ++d)
    work *= desc.batch[d];
  (desc.dtype != FSDPRT_F32 ? half : desc.precision ? tf32 : f32) = work;
}
