//===- TileGemm.cpp - Small products inside kernels -----------------------===//

#include "abi/fsdprt.h"

#include <cstring>
#include <dlfcn.h>
#include <dnnl.hpp>
#include <map>
#include <memory>
#include <tuple>
#include <unordered_map>
#include <vector>

using dnnl::memory;

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

/// A call of fsdprt_tile_gemm_bf16 but for its matrices: flags, alpha, m, n, k,
/// lda, ldb, ldc.
using Shape = std::tuple<int32_t, float, int64_t, int64_t, int64_t, int64_t,
                         int64_t, int64_t>;

memory::desc describe(int64_t rows, int64_t columns, memory::data_type type,
                      int64_t stride, bool transposed) {
  return {{rows, columns},
          type,
          transposed ? memory::dims{1, stride} : memory::dims{stride, 1}};
}

/// The library's product of one shape, for one thread.
class Bf16Product {
public:
  /// Throws dnnl::error, dnnl_unimplemented where the library has no such
  /// product.
  explicit Bf16Product(const Shape &shape);

  /// `scratchpad` is this thread's, for all shapes.
  void run(const uint16_t *a, const uint16_t *b, float *c,
           std::vector<char> &scratchpad) {
    constexpr size_t alignment = 64;
    memory &used = operands.at(DNNL_ARG_SCRATCHPAD);
    if (scratchpad.size() < used.get_desc().get_size() + alignment)
      scratchpad.resize(used.get_desc().get_size() + alignment);
    size_t past = reinterpret_cast<uintptr_t>(scratchpad.data()) % alignment;
    used.set_data_handle(scratchpad.data() + (alignment - past) % alignment);
    operands.at(DNNL_ARG_SRC).set_data_handle(const_cast<uint16_t *>(a));
    operands.at(DNNL_ARG_WEIGHTS).set_data_handle(const_cast<uint16_t *>(b));
    operands.at(DNNL_ARG_DST).set_data_handle(c);
    primitive.execute(stream, operands);
    stream.wait();
  }

private:
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  dnnl::matmul primitive;
  std::unordered_map<int, memory> operands;
};

Bf16Product::Bf16Product(const Shape &shape) {
  auto [flags, alpha, m, n, k, lda, ldb, ldc] = shape;
  auto half = memory::data_type::bf16;
  memory::desc a = describe(m, k, half, lda, flags & FSDPRT_TILE_TRANS_A),
               b = describe(k, n, half, ldb, flags & FSDPRT_TILE_TRANS_B),
               c = describe(m, n, memory::data_type::f32, ldc, false);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  attributes.set_output_scales(0, {alpha});
  if (flags & FSDPRT_TILE_ADD) {
    dnnl::post_ops after;
    after.append_sum(1.0f);
    attributes.set_post_ops(after);
  }
  dnnl::matmul::primitive_desc found({a, b, c}, attributes, engine);
  if (std::strncmp(found.impl_info_str(), "ref", 3) == 0)
    throw dnnl::error(dnnl_unimplemented, "only by the reference, too slow");
  primitive = dnnl::matmul(found);
  operands = {
      {DNNL_ARG_SRC, memory(a, engine, nullptr)},
      {DNNL_ARG_WEIGHTS, memory(b, engine, nullptr)},
      {DNNL_ARG_DST, memory(c, engine, nullptr)},
      {DNNL_ARG_SCRATCHPAD, memory(found.scratchpad_desc(), engine, nullptr)}};
}

/// This thread's product of `shape`; null where the library has none.
Bf16Product *findBf16Product(const Shape &shape) {
  thread_local std::map<Shape, std::unique_ptr<Bf16Product>> known;
  auto [place, isNew] = known.try_emplace(shape);
  if (isNew)
    try {
      place->second = std::make_unique<Bf16Product>(shape);
    } catch (const dnnl::error &error) {
      if (error.status != dnnl_unimplemented) {
        known.erase(place);
        throw;
      }
    }
  return place->second.get();
}

/// A matrix of `rows` x `columns` in f32, dense.
void widen(const uint16_t *from, int64_t rows, int64_t columns, int64_t stride,
           std::vector<float> &to) {
  to.resize(rows * columns);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      uint32_t bits = uint32_t(from[i * stride + j]) << 16;
      std::memcpy(&to[i * columns + j], &bits, sizeof(bits));
    }
}
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

extern "C" fsdprt_status fsdprt_tile_gemm_bf16(int32_t flags, int64_t m,
                                               int64_t n, int64_t k,
                                               float alpha, const uint16_t *a,
                                               int64_t lda, const uint16_t *b,
                                               int64_t ldb, float *c,
                                               int64_t ldc) try {
  {
    OneThread guard;
    if (Bf16Product *product =
            findBf16Product({flags, alpha, m, n, k, lda, ldb, ldc})) {
      thread_local std::vector<char> scratchpad;
      product->run(a, b, c, scratchpad);
      return 0;
    }
  }
  // A processor without bf16: the operands in f32.
  bool transA = flags & FSDPRT_TILE_TRANS_A,
       transB = flags & FSDPRT_TILE_TRANS_B;
  thread_local std::vector<float> wideA, wideB;
  widen(a, transA ? k : m, transA ? m : k, lda, wideA);
  widen(b, transB ? n : k, transB ? k : n, ldb, wideB);
  return fsdprt_tile_gemm(flags, m, n, k, alpha, wideA.data(), transA ? m : k,
                          wideB.data(), transB ? k : n, c, ldc);
} catch (const std::exception &) { // dnnl::error, memory
  return 1;
}
#pragma GCC visibility pop
