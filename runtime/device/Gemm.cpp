//===- Gemm.cpp - Matrix products by oneDNN -------------------------------===//

#include "device/Gemm.h"
#include "device/GemmProblem.h"

#include "core/DType.h"

#include <dnnl.hpp>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

using namespace fsdprt;
using dnnl::memory;

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

/// Elements from the first to behind the last one that a matrix touches.
static int64_t extentOf(const fsdprt_gemm_desc &desc, const int64_t *strides,
                        int64_t rows, int64_t rowStride, int64_t columns,
                        int64_t columnStride) {
  int64_t last = (rows - 1) * rowStride + (columns - 1) * columnStride;
  for (int64_t d = 0; d < desc.num_batch_dims; ++d)
    last += (desc.batch[d] - 1) * strides[d];
  return last + 1;
}

/// Arguments before the scratchpad.
static int numOperands(const fsdprt_gemm_desc &desc) {
  return 3 + bool(desc.adds & FSDPRT_GEMM_BIAS) +
         bool(desc.adds & FSDPRT_GEMM_RESIDUAL);
}

/// Bytes of the library's scratchpad among the arguments.
static int64_t scratchBytesOf(const fsdprt_gemm_desc &desc) {
  int place = numOperands(desc);
  return desc.op.num_args > place ? desc.op.args[place].bytes : 0;
}

Status fsdprt::checkGemm(const fsdprt_gemm_desc &desc) {
  int needed = numOperands(desc);
  if (desc.op.num_args != needed && desc.op.num_args != needed + 1)
    return failure("expected ", needed, " or ", needed + 1, " arguments, got ",
                   desc.op.num_args);
  if (desc.dtype != FSDPRT_F32 && desc.dtype != FSDPRT_BF16)
    return failure("dtype number ", desc.dtype,
                   " has no library GEMM, expected f32 or bf16");
  if (desc.c_dtype != desc.dtype && desc.c_dtype != FSDPRT_F32)
    return failure("dtype number ", desc.c_dtype,
                   " of the result: expected that of the operands, or f32");
  if (desc.num_batch_dims < 0 || desc.num_batch_dims > FSDPRT_MAX_BATCH_DIMS)
    return failure("expected at most ", FSDPRT_MAX_BATCH_DIMS,
                   " batch dimensions, got ", desc.num_batch_dims);
  if (desc.m <= 0 || desc.n <= 0 || desc.k <= 0)
    return failure("empty product ", desc.m, " x ", desc.n, " x ", desc.k);
  int64_t size = sizeOfDType(desc.dtype);
  const int64_t sizes[] = {size, size, sizeOfDType(desc.c_dtype)};
  const int64_t extents[] = {
      extentOf(desc, desc.a_batch_strides, desc.m, desc.a_row_stride, desc.k,
               desc.a_col_stride),
      extentOf(desc, desc.b_batch_strides, desc.k, desc.b_row_stride, desc.n,
               desc.b_col_stride),
      extentOf(desc, desc.c_batch_strides, desc.m, desc.c_row_stride, desc.n,
               1)};
  for (int i = 0; i < 3; ++i)
    if (desc.op.args[i].bytes < extents[i] * sizes[i])
      return failure("matrix ", "ABC"[i], " reaches over ",
                     extents[i] * sizes[i], " bytes, its argument has ",
                     desc.op.args[i].bytes);
  int place = 3;
  if (desc.adds & FSDPRT_GEMM_BIAS)
    if (int64_t bytes = desc.op.args[place++].bytes; bytes < desc.n * size)
      return failure("the bias takes ", desc.n * size,
                     " bytes, its argument has ", bytes);
  if (desc.adds & FSDPRT_GEMM_RESIDUAL)
    if (int64_t bytes = desc.op.args[place].bytes;
        bytes < extents[2] * sizes[2])
      return failure("the residual reaches over ", extents[2] * sizes[2],
                     " bytes, its argument has ", bytes);
  return Status();
}

//===----------------------------------------------------------------------===//
// Primitives
//===----------------------------------------------------------------------===//

namespace {

struct Product {
  dnnl::matmul primitive;
  GemmProblem problem;
  memory::desc scratchpad;
  int threads;
};

/// Everything of the descriptor that the primitive depends on.
std::string keyOf(const fsdprt_gemm_desc &desc, int64_t scratchBytes) {
  std::vector<int64_t> key = {desc.dtype,
                              desc.c_dtype,
                              desc.accumulate,
                              desc.adds,
                              desc.m,
                              desc.n,
                              desc.k,
                              desc.num_batch_dims,
                              desc.a_row_stride,
                              desc.a_col_stride,
                              desc.b_row_stride,
                              desc.b_col_stride,
                              desc.c_row_stride,
                              scratchBytes};
  for (int64_t d = 0; d < desc.num_batch_dims; ++d)
    key.insert(key.end(), {desc.batch[d], desc.a_batch_strides[d],
                           desc.b_batch_strides[d], desc.c_batch_strides[d]});
  return std::string(reinterpret_cast<const char *>(key.data()),
                     key.size() * sizeof(int64_t));
}

} // namespace

struct GemmLibrary::Implementation {
  int numThreads;
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  std::unordered_map<std::string, Product> products;
  std::unordered_map<const fsdprt_gemm_desc *, const Product *> byAddress;

  Expected<const Product *> lookUp(const fsdprt_gemm_desc &desc);
  Expected<Product> create(const fsdprt_gemm_desc &desc, int64_t scratchBytes);
};

/// Threads that a product is computed by. Where each has a few tiles of C the
/// library cuts C only, and no bit depends on their number; with more threads
/// it would cut the sums.
static int threadsFor(const fsdprt_gemm_desc &desc, int most) {
  constexpr int64_t kElementsOfThread = 1 << 15;
  int64_t elements = desc.m * desc.n;
  for (int64_t d = 0; d < desc.num_batch_dims; ++d)
    elements *= desc.batch[d];
  return int(std::clamp<int64_t>(elements / kElementsOfThread, 1, most));
}

/// Why the library refuses a product on this host, and what to do.
static Status noSuchProduct(const fsdprt_gemm_desc &desc,
                            const dnnl::error &error) {
  if (error.status != dnnl_unimplemented)
    return failure("oneDNN failed: ", error.what());
  return failure("oneDNN cannot compute it on this host (", error.what(),
                 desc.dtype == FSDPRT_BF16 ? "; bf16 needs AVX-512" : "",
                 "); compile the program on a host like this one");
}

Expected<Product>
GemmLibrary::Implementation::create(const fsdprt_gemm_desc &desc,
                                    int64_t scratchBytes) try {
  GemmProblem problem = describeGemm(desc);
  std::vector<int> threads; // most first
  for (int t = threadsFor(desc, numThreads); t; t /= 2)
    threads.push_back(t);
  std::vector<std::vector<dnnl::matmul::primitive_desc>> candidates;
  for (int t : threads) {
    setGemmThreads(t);
    candidates.push_back(problem.candidates(engine));
  }
  // The best implementation whose scratchpad fits, rather with fewer threads
  // than another: their bits differ.
  int64_t smallest = INT64_MAX;
  for (const auto &wanted : candidates.back())
    for (size_t i = 0; i < threads.size(); ++i)
      for (const dnnl::matmul::primitive_desc &candidate : candidates[i]) {
        if (std::strcmp(candidate.impl_info_str(), wanted.impl_info_str()))
          continue;
        int64_t needed = int64_t(candidate.scratchpad_desc().get_size());
        smallest = std::min(smallest, needed);
        if (needed > scratchBytes)
          continue;
        setGemmThreads(threads[i]);
        return Product{dnnl::matmul(candidate), problem,
                       candidate.scratchpad_desc(), threads[i]};
      }
  return failure("oneDNN needs a scratchpad of ", smallest,
                 " bytes here, the plan has ", scratchBytes,
                 "; compile the program on a host like this one");
} catch (const dnnl::error &error) {
  return noSuchProduct(desc, error);
}

Expected<const Product *>
GemmLibrary::Implementation::lookUp(const fsdprt_gemm_desc &desc) {
  auto known = byAddress.find(&desc);
  if (known != byAddress.end())
    return known->second;
  FSDPRT_RETURN_IF_ERROR(checkGemm(desc));
  int64_t scratchBytes = scratchBytesOf(desc);
  std::string key = keyOf(desc, scratchBytes);
  auto found = products.find(key);
  if (found == products.end()) {
    Expected<Product> created = create(desc, scratchBytes);
    if (!created.ok())
      return created.status();
    found = products.emplace(key, std::move(*created)).first;
  }
  return byAddress[&desc] = &found->second;
}

GemmLibrary::GemmLibrary(int numThreads)
    : implementation(std::make_unique<Implementation>()) {
  implementation->numThreads = numThreads;
}

GemmLibrary::~GemmLibrary() = default;

Status GemmLibrary::prepare(const fsdprt_gemm_desc &desc) {
  return implementation->lookUp(desc).status();
}

Status GemmLibrary::run(const fsdprt_gemm_desc &desc, void *const *args) try {
  Expected<const Product *> product = implementation->lookUp(desc);
  if (!product.ok())
    return product.status();
  const Product &p = **product;
  const dnnl::engine &engine = implementation->engine;
  std::unordered_map<int, memory> operands = {
      {DNNL_ARG_SRC, memory(p.problem.a, engine, args[0])},
      {DNNL_ARG_WEIGHTS, memory(p.problem.b, engine, args[1])},
      {DNNL_ARG_DST, memory(p.problem.c, engine, args[2])}};
  int place = 3;
  if (desc.adds & FSDPRT_GEMM_BIAS)
    operands.emplace(DNNL_ARG_BIAS,
                     memory(p.problem.bias, engine, args[place++]));
  if (desc.adds & FSDPRT_GEMM_RESIDUAL)
    operands.emplace(DNNL_ARG_ATTR_MULTIPLE_POST_OP(p.problem.residualPlace()) |
                         DNNL_ARG_SRC_1,
                     memory(p.problem.c, engine, args[place++]));
  if (p.scratchpad.get_size())
    operands.emplace(DNNL_ARG_SCRATCHPAD,
                     memory(p.scratchpad, engine, args[place]));
  setGemmThreads(p.threads);
  p.primitive.execute(implementation->stream, operands);
  implementation->stream.wait();
  return Status();
} catch (const dnnl::error &error) {
  return failure("oneDNN failed for ", desc.m, " x ", desc.n, " x ", desc.k,
                 ": ", error.what());
}
