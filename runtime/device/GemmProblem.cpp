//===- GemmProblem.cpp - A GEMM descriptor in oneDNN's words --------------===//

#include "GemmProblem.h"

#include <algorithm>
#include <cstring>
#include <dlfcn.h>

using namespace fsdprt;

static dnnl::memory::desc describe(const fsdprt_gemm_desc &desc, int32_t dtype,
                                   const int64_t *strides, int64_t rows,
                                   int64_t rowStride, int64_t columns,
                                   int64_t columnStride) {
  dnnl::memory::dims dims, steps;
  for (int64_t d = 0; d < desc.num_batch_dims; ++d) {
    dims.push_back(strides[d] == 0 ? 1 : desc.batch[d]); // 0 broadcasts
    steps.push_back(strides[d]);
  }
  dims.insert(dims.end(), {rows, columns});
  steps.insert(steps.end(), {rowStride, columnStride});
  // A dimension of size 1 never moves; oneDNN still wants a sane stride there.
  for (int d = int(dims.size()) - 1; d >= 0; --d)
    if (dims[d] == 1)
      steps[d] = d + 1 < int(dims.size()) ? dims[d + 1] * steps[d + 1] : 1;
  return dnnl::memory::desc(dims,
                            dtype == FSDPRT_F32 ? dnnl::memory::data_type::f32
                                                : dnnl::memory::data_type::bf16,
                            steps);
}

/// One row, broadcast over the rows and the batch.
static dnnl::memory::desc describeBias(const fsdprt_gemm_desc &desc) {
  int64_t none[FSDPRT_MAX_BATCH_DIMS] = {};
  return describe(desc, desc.dtype, none, 1, desc.n, desc.n, 1);
}

GemmProblem fsdprt::describeGemm(const fsdprt_gemm_desc &desc) {
  return {describe(desc, desc.dtype, desc.a_batch_strides, desc.m,
                   desc.a_row_stride, desc.k, desc.a_col_stride),
          describe(desc, desc.dtype, desc.b_batch_strides, desc.k,
                   desc.b_row_stride, desc.n, desc.b_col_stride),
          describe(desc, desc.c_dtype, desc.c_batch_strides, desc.m,
                   desc.c_row_stride, desc.n, 1),
          desc.adds & FSDPRT_GEMM_BIAS ? describeBias(desc)
                                       : dnnl::memory::desc(),
          desc.accumulate != 0,
          (desc.adds & FSDPRT_GEMM_RESIDUAL) != 0};
}

static bool isGemm(const dnnl::matmul::primitive_desc &candidate) {
  return std::strncmp(candidate.impl_info_str(), "gemm", 4) == 0;
}

/// Whether the packing GEMM beats what oneDNN 2.6 names first, its batch-reduce
/// kernel, on a host with bf16 but without AMX: it does where A is transposed
/// or the sum is long (test/bench/products; test/bench/RESULTS.md). It sums in
/// f32 outside the result, so a bf16 result costs scratch; that pays where the
/// operands are much larger than the result.
static bool isFasterByGemm(const GemmProblem &problem,
                           const dnnl::matmul::primitive_desc &first) {
  if (std::strcmp(first.impl_info_str(), "brg:avx512_core_bf16") != 0)
    return false;
  int64_t k = problem.a.dims().back(), n = problem.c.dims().back();
  return problem.c.data_type() == dnnl::memory::data_type::f32 || k >= 4 * n;
}

std::vector<dnnl::matmul::primitive_desc>
GemmProblem::candidates(const dnnl::engine &engine) const {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops after;
  if (accumulate)
    after.append_sum(1.0f);
  if (residual)
    after.append_binary(dnnl::algorithm::binary_add, c);
  attributes.set_post_ops(after);
  // The iterator behind next_impl() points at this description.
  dnnl::matmul::desc problem = bias.is_zero()
                                   ? dnnl::matmul::desc(a, b, c)
                                   : dnnl::matmul::desc(a, b, bias, c);
  dnnl::matmul::primitive_desc candidate(problem, attributes, engine);
  std::vector<dnnl::matmul::primitive_desc> found;
  do {
    bool isReference = std::strncmp(candidate.impl_info_str(), "ref", 3) == 0;
    if (!isReference || found.empty())
      found.push_back(candidate);
  } while (candidate.next_impl());
  if (isFasterByGemm(*this, found.front()))
    std::stable_partition(found.begin(), found.end(), isGemm);
  return found;
}

void fsdprt::setGemmThreads(int numThreads) {
  // Debian's oneDNN brings GNU OpenMP; linking another OpenMP beside it would
  // give two pools, so its own entry point is looked up.
  using SetThreads = void (*)(int);
  static auto set = reinterpret_cast<SetThreads>(
      ::dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
  if (set)
    set(numThreads);
}

int64_t fsdprt::gemmScratchBytes(const fsdprt_gemm_desc &desc,
                                 int threads) try {
  setGemmThreads(threads);
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  auto candidates = describeGemm(desc).candidates(engine);
  int64_t bytes = INT64_MAX;
  for (const auto &candidate : candidates) {
    bytes = std::min(bytes, int64_t(candidate.scratchpad_desc().get_size()));
    if (desc.dtype != FSDPRT_F32)
      break;
  }
  return bytes;
} catch (const dnnl::error &) {
  return -1;
}
