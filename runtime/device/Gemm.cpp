//===- Gemm.cpp - Matrix products by oneDNN -------------------------------===//

#include "device/Gemm.h"

#include "device/GemmCheck.h"
#include "device/GemmProblem.h"

#include <dnnl.hpp>

#include <algorithm>
#include <cstring>
#include <string>
#include <unordered_map>
#include <vector>

using namespace fsdprt;
using dnnl::memory;

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
  if (desc.dtype == FSDPRT_F16)
    return failure("products of f16 are computed on GPUs only, on CPUs in f32 "
                   "and bf16");
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
  int64_t scratchBytes = gemmScratchArgument(desc);
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

namespace {

/// What dnnl::matmul::execute takes, without the map that it is made from.
class OneDnnGemm : public BoundGemm {
public:
  OneDnnGemm(const fsdprt_gemm_desc &desc, const Product &product,
             const dnnl::stream &stream)
      : desc(desc), product(product), stream(stream) {}

  void add(int argument, const memory::desc &layout, void *data) {
    memories.emplace_back(layout, stream.get_engine(), data);
    arguments.push_back({argument, memories.back().get()});
  }

  Status run() const override {
    setGemmThreads(product.threads);
    dnnl_status_t status =
        dnnl_primitive_execute(product.primitive.get(), stream.get(),
                               int(arguments.size()), arguments.data());
    if (status == dnnl_success)
      status = dnnl_stream_wait(stream.get());
    if (status == dnnl_success)
      return Status();
    return failure("oneDNN failed for ", desc.m, " x ", desc.n, " x ", desc.k,
                   ": status ", int(status));
  }

private:
  const fsdprt_gemm_desc &desc;
  const Product &product;
  const dnnl::stream &stream;
  std::vector<memory> memories;
  std::vector<dnnl_exec_arg_t> arguments;
};

} // namespace

Expected<std::unique_ptr<BoundGemm>>
GemmLibrary::bind(const fsdprt_gemm_desc &desc, void *const *args) try {
  Expected<const Product *> product = implementation->lookUp(desc);
  if (!product.ok())
    return product.status();
  const Product &p = **product;
  auto bound = std::make_unique<OneDnnGemm>(desc, p, implementation->stream);
  bound->add(DNNL_ARG_SRC, p.problem.a, args[0]);
  bound->add(DNNL_ARG_WEIGHTS, p.problem.b, args[1]);
  bound->add(DNNL_ARG_DST, p.problem.c, args[2]);
  int place = 3;
  if (desc.adds & FSDPRT_GEMM_BIAS)
    bound->add(DNNL_ARG_BIAS, p.problem.bias, args[place++]);
  if (desc.adds & FSDPRT_GEMM_RESIDUAL)
    bound->add(DNNL_ARG_ATTR_MULTIPLE_POST_OP(p.problem.residualPlace()) |
                   DNNL_ARG_SRC_1,
               p.problem.c, args[place++]);
  if (p.scratchpad.get_size())
    bound->add(DNNL_ARG_SCRATCHPAD, p.scratchpad, args[place]);
  return std::unique_ptr<BoundGemm>(std::move(bound));
} catch (const dnnl::error &error) {
  return failure("oneDNN failed for ", desc.m, " x ", desc.n, " x ", desc.k,
                 ": ", error.what());
}
