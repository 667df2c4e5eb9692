//===- ProductBench.cpp - The library's implementations beside each other -===//
//
// Times every implementation that oneDNN offers for products in bf16, on one
// thread, in turns: what GemmProblem::candidates chooses between.
//
//===----------------------------------------------------------------------===//
#include "device/GemmProblem.h"

#include <algorithm>
#include <benchmark/benchmark.h>
#include <string>
#include <unordered_map>
#include <vector>

using namespace fsdprt;

namespace {
struct Shape {
  const char *name;
  int64_t m, n, k;
  bool transA, transB, isWide; ///< isWide: the result is f32
};

/// The products of a GPT-2-124M step (batch 4, sequence 256) and of a Llama
/// block, forward (y) and their gradients.
constexpr Shape kShapes[] = {
    {"fc.y", 1024, 3072, 768, false, false, false},
    {"fc2.y", 1024, 768, 3072, false, false, false},
    {"fc2.dx", 1024, 3072, 768, false, true, false},
    {"fc.dw", 768, 3072, 1024, true, false, true},
    {"fc2.dw", 3072, 768, 1024, true, false, true},
    {"head.y", 1024, 50257, 768, false, true, false},
    {"head.dx", 1024, 768, 50257, false, false, false},
    {"head.dw", 50257, 768, 1024, true, false, true},
    {"llama.down.y", 2048, 4096, 11008, false, true, false},
    {"llama.down.dw", 4096, 4096, 2048, true, false, true}};

fsdprt_gemm_desc describe(const Shape &s) {
  fsdprt_gemm_desc desc = {};
  desc.m = s.m, desc.n = s.n, desc.k = s.k;
  desc.dtype = FSDPRT_BF16;
  desc.c_dtype = s.isWide ? FSDPRT_F32 : FSDPRT_BF16;
  desc.a_row_stride = s.transA ? 1 : s.k;
  desc.a_col_stride = s.transA ? s.m : 1;
  desc.b_row_stride = s.transB ? 1 : s.n;
  desc.b_col_stride = s.transB ? s.k : 1;
  desc.c_row_stride = s.n;
  return desc;
}

/// One implementation of one product, with operands of zeros.
class Product {
public:
  Product(const dnnl::engine &engine, const GemmProblem &problem,
          const dnnl::matmul::primitive_desc &candidate)
      : stream(engine), primitive(candidate) {
    operands.emplace(DNNL_ARG_SRC, dnnl::memory(problem.a, engine));
    operands.emplace(DNNL_ARG_WEIGHTS, dnnl::memory(problem.b, engine));
    operands.emplace(DNNL_ARG_DST, dnnl::memory(problem.c, engine));
    operands.emplace(DNNL_ARG_SCRATCHPAD,
                     dnnl::memory(candidate.scratchpad_desc(), engine));
  }

  void run() {
    primitive.execute(stream, operands);
    stream.wait();
  }

private:
  dnnl::stream stream;
  dnnl::matmul primitive;
  std::unordered_map<int, dnnl::memory> operands;
};

/// `name`: the implementation's. Its place among the candidates is no key:
/// oneDNN begins with one that it has made before.
void time(benchmark::State &state, const Shape &shape,
          const std::string &name) {
  setGemmThreads(1);
  GemmProblem problem = describeGemm(describe(shape));
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  auto candidates = problem.candidates(engine);
  auto candidate =
      *std::find_if(candidates.begin(), candidates.end(),
                    [&](auto &each) { return each.impl_info_str() == name; });
  Product product(engine, problem, candidate);
  for (auto _ : state)
    product.run();
  state.counters["GFLOP/s"] = benchmark::Counter(
      2e-9 * double(shape.m) * double(shape.n) * double(shape.k),
      benchmark::Counter::kIsIterationInvariantRate);
  state.counters["scratch_MB"] =
      double(candidate.scratchpad_desc().get_size()) / 1e6;
}
} // namespace

int main(int argc, char **argv) {
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  setGemmThreads(1);
  for (const Shape &shape : kShapes) {
    for (const auto &each : describeGemm(describe(shape)).candidates(engine)) {
      std::string name = each.impl_info_str();
      benchmark::RegisterBenchmark(
          (std::string(shape.name) + "/" + name).c_str(),
          [&shape, name](benchmark::State &state) { time(state, shape, name); })
          ->Unit(benchmark::kMillisecond);
    }
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
