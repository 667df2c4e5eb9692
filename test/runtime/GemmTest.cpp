//===- GemmTest.cpp - Matrix products against a plain loop ----------------===//

#include "device/Gemm.h"
#include "device/GemmCheck.h"
#include "device/GemmProblem.h"
#include "device/WorkerPool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>
#include <thread>

using namespace fsdprt;
using testing::AllOf;
using testing::HasSubstr;

namespace {

Status runOnce(GemmLibrary &library, const fsdprt_gemm_desc &desc,
               void *const *args) {
  auto product = library.bind(desc, args);
  return product.ok() ? (*product)->run() : product.status();
}

struct Product {
  std::vector<float> a, b, c;
  fsdprt_arg args[6] = {};
  fsdprt_gemm_desc desc = {};

  /// Fills the matrices; the descriptor's strides are set.
  void finish(size_t sizeA, size_t sizeB, size_t sizeC) {
    auto fill = [](std::vector<float> &data, size_t size, int seed) {
      data.resize(size);
      for (size_t i = 0; i < size; ++i)
        data[i] = float(int((i * 7919 + seed) % 17) - 8) / 8;
    };
    fill(a, sizeA, 1);
    fill(b, sizeB, 2);
    fill(c, sizeC, 3);
    args[0].bytes = 4 * sizeA;
    args[1].bytes = 4 * sizeB;
    args[2].bytes = 4 * sizeC;
    desc.op = {"gemm", "", "", args, nullptr, 3, 0, 0, -1};
    desc.dtype = FSDPRT_F32;
  }

  double expected(int64_t offsetA, int64_t offsetB, float old, int64_t i,
                  int64_t j) const {
    double sum = desc.accumulate ? old : 0;
    for (int64_t k = 0; k < desc.k; ++k)
      sum +=
          double(a[offsetA + i * desc.a_row_stride + k * desc.a_col_stride]) *
          b[offsetB + k * desc.b_row_stride + j * desc.b_col_stride];
    return sum;
  }

  void check() {
    std::vector<float> old = c;
    GemmLibrary library(1);
    void *pointers[] = {a.data(), b.data(), c.data()};
    auto product = library.bind(desc, pointers);
    ASSERT_TRUE(product.ok()) << product.status().message();
    for (int run = 0; run < 2; ++run) {
      c = old;
      Status status = (*product)->run();
      ASSERT_TRUE(status.ok()) << status.message();
    }
    std::set<size_t> written;
    int64_t batch[4] = {1, 1, 1, 1};
    for (int d = 0; d < desc.num_batch_dims; ++d)
      batch[d] = desc.batch[d];
    for (int64_t b0 = 0; b0 < batch[0]; ++b0)
      for (int64_t b1 = 0; b1 < batch[1]; ++b1) {
        auto offset = [&](const int64_t *strides) {
          return b0 * strides[0] + b1 * strides[1];
        };
        for (int64_t i = 0; i < desc.m; ++i)
          for (int64_t j = 0; j < desc.n; ++j) {
            size_t at =
                offset(desc.c_batch_strides) + i * desc.c_row_stride + j;
            written.insert(at);
            ASSERT_NEAR(c[at],
                        expected(offset(desc.a_batch_strides),
                                 offset(desc.b_batch_strides), old[at], i, j),
                        1e-4)
                << i << "," << j;
          }
      }
    for (size_t i = 0; i < c.size(); ++i)
      if (!written.count(i))
        ASSERT_EQ(c[i], old[i]) << "wrote outside of C at " << i;
  }
};

} // namespace

TEST(Gemm, EveryOrientation) {
  for (bool transposeA : {false, true})
    for (bool transposeB : {false, true})
      for (int accumulate : {0, 1}) {
        Product p;
        p.desc.m = 37;
        p.desc.n = 29;
        p.desc.k = 23;
        p.desc.accumulate = accumulate;
        p.desc.a_row_stride = transposeA ? 1 : 23;
        p.desc.a_col_stride = transposeA ? 37 : 1;
        p.desc.b_row_stride = transposeB ? 1 : 29;
        p.desc.b_col_stride = transposeB ? 23 : 1;
        p.desc.c_row_stride = 32; // wider than a row
        p.finish(37 * 23, 23 * 29, 37 * 32);
        p.check();
      }
}

TEST(Gemm, VectorsAndSingleRows) {
  for (auto [m, n, k] : {std::tuple<int, int, int>{1, 40, 30},
                         {40, 1, 30},
                         {40, 30, 1},
                         {1, 1, 64}}) {
    Product p;
    p.desc.m = m;
    p.desc.n = n;
    p.desc.k = k;
    p.desc.a_row_stride = k;
    p.desc.a_col_stride = 1;
    p.desc.b_row_stride = n;
    p.desc.b_col_stride = 1;
    p.desc.c_row_stride = n;
    p.finish(m * k, k * n, m * n);
    p.check();
  }
}

/// Attention's products: heads stand beside each other in a row.
TEST(Gemm, BatchedWithStrides) {
  constexpr int64_t batch = 2, heads = 3, rows = 10, size = 8;
  constexpr int64_t width = heads * size;
  Product p;
  p.desc.m = p.desc.n = rows;
  p.desc.k = size;
  p.desc.num_batch_dims = 2;
  p.desc.batch[0] = batch;
  p.desc.batch[1] = heads;
  p.desc.a_batch_strides[0] = p.desc.b_batch_strides[0] = rows * width;
  p.desc.a_batch_strides[1] = p.desc.b_batch_strides[1] = size;
  p.desc.c_batch_strides[0] = heads * rows * rows;
  p.desc.c_batch_strides[1] = rows * rows;
  p.desc.a_row_stride = width;
  p.desc.a_col_stride = 1;
  p.desc.b_row_stride = 1;
  p.desc.b_col_stride = width;
  p.desc.c_row_stride = rows;
  p.finish(batch * rows * width, batch * rows * width,
           batch * heads * rows * rows);
  p.check();
}

TEST(Gemm, ABatchStrideOfZeroBroadcasts) {
  for (bool broadcastA : {false, true}) {
    Product p;
    p.desc.m = 6;
    p.desc.n = 7;
    p.desc.k = 5;
    p.desc.num_batch_dims = 2;
    p.desc.batch[0] = 2;
    p.desc.batch[1] = 3;
    p.desc.a_batch_strides[0] = 90;
    p.desc.a_batch_strides[1] = broadcastA ? 0 : 30;
    p.desc.b_batch_strides[0] = 105;
    p.desc.b_batch_strides[1] = broadcastA ? 35 : 0;
    p.desc.c_batch_strides[0] = 126;
    p.desc.c_batch_strides[1] = 42;
    p.desc.a_row_stride = 5;
    p.desc.a_col_stride = 1;
    p.desc.b_row_stride = 7;
    p.desc.b_col_stride = 1;
    p.desc.c_row_stride = 7;
    p.finish(180, 210, 252);
    p.check();
  }
}

/// Whether the library has products in bf16 here, which need AVX-512; a program
/// with such products is refused where it has not (RefusesAPlanOfAnotherHost).
static bool hasBf16() {
  Product p;
  p.desc.m = p.desc.n = p.desc.k = 16;
  p.desc.a_row_stride = p.desc.b_row_stride = p.desc.c_row_stride = 16;
  p.desc.a_col_stride = p.desc.b_col_stride = 1;
  p.desc.dtype = p.desc.c_dtype = FSDPRT_BF16;
  return gemmScratchBytes(p.desc, 1) >= 0;
}

/// Tests that bf16 operands are summed in f32, unrounded or rounded once, with
/// the scratchpad that the compiler plans for.
TEST(Gemm, HalfPrecisionOperands) {
  if (!hasBf16())
    GTEST_SKIP() << "oneDNN has no products in bf16 on this CPU";
  for (int32_t result : {FSDPRT_F32, FSDPRT_BF16}) {
    Product p;
    p.desc.m = 37;
    p.desc.n = 48;
    p.desc.k = 65;
    p.desc.a_row_stride = 65;
    p.desc.b_row_stride = 48;
    p.desc.c_row_stride = 48;
    p.desc.a_col_stride = p.desc.b_col_stride = 1;
    p.finish(37 * 65, 65 * 48, 37 * 48);
    p.desc.dtype = FSDPRT_BF16;
    p.desc.c_dtype = result;
    auto rounded = [](const std::vector<float> &values) {
      std::vector<uint16_t> halves; // eighths up to 1 are exact
      for (float value : values) {
        uint32_t bits;
        std::memcpy(&bits, &value, 4);
        halves.push_back(bits >> 16);
      }
      return halves;
    };
    std::vector<uint16_t> a = rounded(p.a), b = rounded(p.b), half(37 * 48);
    std::vector<char> scratch(gemmScratchBytes(p.desc, 1));
    p.args[0].bytes = 2 * a.size();
    p.args[1].bytes = 2 * b.size();
    p.args[2].bytes = (result == FSDPRT_F32 ? 4 : 2) * half.size();
    p.args[3].bytes = scratch.size();
    p.desc.op.num_args = scratch.empty() ? 3 : 4;
    void *c = result == FSDPRT_F32 ? (void *)p.c.data() : half.data();
    void *pointers[] = {a.data(), b.data(), c, scratch.data()};
    GemmLibrary library(1);
    Status status = runOnce(library, p.desc, pointers);
    ASSERT_TRUE(status.ok()) << status.message();
    for (int64_t i = 0; i < 37; ++i)
      for (int64_t j = 0; j < 48; ++j) {
        float value = p.c[i * 48 + j];
        if (result == FSDPRT_BF16) {
          uint32_t bits = uint32_t(half[i * 48 + j]) << 16;
          std::memcpy(&value, &bits, 4);
        }
        double want = p.expected(0, 0, 0, i, j);
        double tolerance = result == FSDPRT_F32 ? 1e-5 : std::abs(want) / 256;
        ASSERT_NEAR(value, want, tolerance) << i << "," << j;
      }
  }
}

/// Tests that a bias and a residual are added, alone and together, to what is
/// accumulated too, in every batch; and that they must fit.
TEST(Gemm, AddsBiasAndResidual) {
  for (int32_t adds : {+FSDPRT_GEMM_BIAS, +FSDPRT_GEMM_RESIDUAL,
                       FSDPRT_GEMM_BIAS | FSDPRT_GEMM_RESIDUAL})
    for (int accumulate : {0, 1}) {
      constexpr int64_t batch = 3, m = 7, n = 33, k = 20;
      Product p;
      p.desc.m = m, p.desc.n = n, p.desc.k = k;
      p.desc.num_batch_dims = 1;
      p.desc.batch[0] = batch;
      p.desc.a_batch_strides[0] = m * k;
      p.desc.c_batch_strides[0] = m * n;
      p.desc.a_row_stride = k;
      p.desc.b_row_stride = p.desc.c_row_stride = n;
      p.desc.a_col_stride = p.desc.b_col_stride = 1;
      p.desc.accumulate = accumulate;
      p.finish(batch * m * k, k * n, batch * m * n);
      std::vector<float> bias(n), residual(batch * m * n), old = p.c;
      for (size_t i = 0; i < residual.size(); ++i)
        residual[i] = float(i % 11) / 4;
      for (int64_t j = 0; j < n; ++j)
        bias[j] = float(j) - 5;
      std::vector<void *> pointers = {p.a.data(), p.b.data(), p.c.data()};
      p.desc.adds = adds;
      if (adds & FSDPRT_GEMM_BIAS) {
        p.args[pointers.size()].bytes = 4 * n;
        pointers.push_back(bias.data());
      }
      if (adds & FSDPRT_GEMM_RESIDUAL) {
        p.args[pointers.size()].bytes = 4 * residual.size();
        pointers.push_back(residual.data());
      }
      std::vector<char> scratch(gemmScratchBytes(p.desc, 1));
      p.args[pointers.size()].bytes = scratch.size();
      p.desc.op.num_args = pointers.size() + !scratch.empty();
      pointers.push_back(scratch.data());
      GemmLibrary library(1);
      Status status = runOnce(library, p.desc, pointers.data());
      ASSERT_TRUE(status.ok()) << status.message();
      for (int64_t b = 0; b < batch; ++b)
        for (int64_t i = 0; i < m; ++i)
          for (int64_t j = 0; j < n; ++j) {
            int64_t at = b * m * n + i * n + j;
            double want = p.expected(b * m * k, 0, old[at], i, j);
            want += adds & FSDPRT_GEMM_BIAS ? bias[j] : 0;
            want += adds & FSDPRT_GEMM_RESIDUAL ? residual[at] : 0;
            ASSERT_NEAR(p.c[at], want, 1e-4) << b << "," << i << "," << j;
          }
      p.args[3].bytes -= 4;
      EXPECT_THAT(checkGemm(p.desc).message(),
                  HasSubstr(adds & FSDPRT_GEMM_BIAS ? "the bias takes"
                                                    : "the residual reaches"));
      p.desc.op.num_args = 2;
      EXPECT_THAT(checkGemm(p.desc).message(), HasSubstr("arguments, got 2"));
    }
}

/// Tests that the number of threads changes no bit, also where C is so small
/// and the sums so long that the library would cut them.
TEST(Gemm, ThreadsChangeNoBit) {
  const int64_t shapes[][3] = {
      {64, 64, 8192},   {16, 16, 20000}, {1, 768, 4096},   {768, 1, 4096},
      {128, 128, 5000}, {256, 300, 999}, {768, 512, 1024}, {50, 3000, 70}};
  std::vector<int32_t> dtypes = {FSDPRT_F32};
  if (hasBf16())
    dtypes.push_back(FSDPRT_BF16);
  for (int32_t dtype : dtypes)
    for (auto [m, n, k] : shapes)
      for (bool transpose : {false, true}) {
        Product p;
        p.desc.m = m, p.desc.n = n, p.desc.k = k;
        p.desc.a_row_stride = transpose ? 1 : k;
        p.desc.a_col_stride = transpose ? m : 1;
        p.desc.b_row_stride = transpose ? 1 : n;
        p.desc.b_col_stride = transpose ? k : 1;
        p.desc.c_row_stride = n;
        p.finish(m * k, k * n, m * n);
        p.desc.dtype = dtype;
        // What is planned is enough for 8 threads.
        std::vector<char> scratch(
            dtype == FSDPRT_F32 ? 0 : gemmScratchBytes(p.desc, 8));
        p.args[3].bytes = scratch.size();
        p.desc.op.num_args = scratch.empty() ? 3 : 4;
        std::vector<float> first;
        for (int threads : {1, 2, 3, 8, 16}) {
          void *pointers[] = {p.a.data(), p.b.data(), p.c.data(),
                              scratch.data()};
          GemmLibrary library(threads);
          Status status = runOnce(library, p.desc, pointers);
          ASSERT_TRUE(status.ok()) << status.message();
          if (first.empty())
            first = p.c;
          ASSERT_EQ(std::memcmp(first.data(), p.c.data(), 4 * first.size()), 0)
              << m << " x " << n << " x " << k << ", " << threads << " threads";
        }
      }
}

TEST(Gemm, RejectsWhatDoesNotFit) {
  Product p;
  p.desc.m = p.desc.n = p.desc.k = 4;
  p.desc.a_row_stride = p.desc.b_row_stride = p.desc.c_row_stride = 4;
  p.desc.a_col_stride = p.desc.b_col_stride = 1;
  p.finish(16, 15, 16);
  EXPECT_THAT(checkGemm(p.desc).message(),
              HasSubstr("matrix B reaches over 64 bytes, its argument has 60"));
  p.desc.c_dtype = FSDPRT_F64;
  EXPECT_THAT(checkGemm(p.desc).message(),
              HasSubstr("expected that of the operands, or f32"));
  p.desc.dtype = FSDPRT_F64;
  EXPECT_THAT(checkGemm(p.desc).message(), HasSubstr("no library GEMM"));
}

/// Tests that a product is made ready to run, or refused, before it has
/// operands.
TEST(Gemm, PreparesBeforeThereAreOperands) {
  Product p;
  p.desc.m = 37, p.desc.n = 48, p.desc.k = 65;
  p.desc.a_row_stride = 65;
  p.desc.b_row_stride = p.desc.c_row_stride = 48;
  p.desc.a_col_stride = p.desc.b_col_stride = 1;
  p.finish(37 * 65, 65 * 48, 37 * 48);
  EXPECT_TRUE(GemmLibrary(1).prepare(p.desc).ok());
  p.desc.k = 66;
  EXPECT_THAT(GemmLibrary(1).prepare(p.desc).message(),
              HasSubstr("matrix A reaches over"));
  p.desc.k = 65;
  p.desc.dtype = p.desc.c_dtype = FSDPRT_F16;
  EXPECT_THAT(GemmLibrary(1).prepare(p.desc).message(),
              HasSubstr("products of f16 are computed on GPUs only"));
}

/// Tests that a plan with too little scratch for this host's library, as one
/// made on another CPU may have, is refused with both numbers.
TEST(Gemm, RefusesAPlanOfAnotherHost) {
  Product p;
  p.desc.m = 70, p.desc.n = 48, p.desc.k = 3000;
  p.desc.a_row_stride = 1;
  p.desc.a_col_stride = 70;
  p.desc.b_row_stride = p.desc.c_row_stride = 48;
  p.desc.b_col_stride = 1;
  p.finish(70 * 3000, 3000 * 48, 70 * 48);
  p.desc.dtype = p.desc.c_dtype = FSDPRT_BF16;
  if (!hasBf16()) {
    EXPECT_THAT(GemmLibrary(1).prepare(p.desc).message(),
                HasSubstr("bf16 needs AVX-512"));
    return;
  }
  ASSERT_GT(gemmScratchBytes(p.desc, 1), 0);
  EXPECT_THAT(GemmLibrary(1).prepare(p.desc).message(),
              AllOf(HasSubstr("oneDNN needs a scratchpad of "),
                    HasSubstr("the plan has 0"),
                    HasSubstr("compile the program on a host like this one")));
}

/// Tests that products in bf16 are the packing GEMM's where that is faster than
/// the batch-reduce kernel that oneDNN puts first: with a result in f32, which
/// then needs no scratch, and with a long sum; not with a short one. On a host
/// with AMX, or without bf16, the library's first is taken.
TEST(Gemm, TakesThePackingGemmInBf16) {
  auto first = [](int64_t k, int32_t result) -> std::string {
    Product p;
    p.desc.m = 128, p.desc.n = 64, p.desc.k = k;
    p.desc.a_row_stride = k, p.desc.a_col_stride = 1;
    p.desc.b_row_stride = p.desc.c_row_stride = 64;
    p.desc.b_col_stride = 1;
    p.desc.dtype = FSDPRT_BF16, p.desc.c_dtype = result;
    if (!hasBf16())
      return "none";
    dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    auto found = describeGemm(p.desc).candidates(engine).front();
    return found.impl_info_str();
  };
  std::string shortSum = first(64, FSDPRT_BF16);
  bool isChosen = shortSum == "brg:avx512_core_bf16";
  for (std::string other : {first(64, FSDPRT_F32), first(1024, FSDPRT_BF16)})
    EXPECT_EQ(other, isChosen ? "gemm:jit" : shortSum);
}

/// Tests that a tile's product is right with rows wider than the matrices, in
/// every orientation, with the same bits on another thread. `T`: bits of the
/// operands, whose small whole numbers toBits() makes.
template <typename T, typename Gemm, typename ToBits>
static void checkTiles(Gemm gemm, ToBits toBits) {
  constexpr int64_t m = 9, n = 7, k = 5, wide = 11;
  auto numberA = [](int64_t i) { return float(i % 13) - 6; };
  auto numberB = [](int64_t i) { return float(i % 7) - 3; };
  std::vector<T> a(wide * wide), b(wide * wide);
  std::vector<float> before(wide * wide);
  for (int64_t i = 0; i < wide * wide; ++i) {
    a[i] = toBits(numberA(i));
    b[i] = toBits(numberB(i));
    before[i] = float(i % 5);
  }
  for (int32_t flags = 0; flags < 8; ++flags) {
    std::vector<float> c = before, other = before;
    auto multiply = [&](std::vector<float> &result) {
      return gemm(flags, m, n, k, 0.5f, a.data(), wide, b.data(), wide,
                  result.data(), wide);
    };
    ASSERT_EQ(multiply(c), 0);
    std::thread([&] { EXPECT_EQ(multiply(other), 0); }).join();
    EXPECT_EQ(c, other);
    for (int64_t i = 0; i < wide; ++i)
      for (int64_t j = 0; j < wide; ++j) {
        double sum = 0;
        for (int64_t l = 0; l < k; ++l)
          sum += double(numberA(flags & FSDPRT_TILE_TRANS_A ? l * wide + i
                                                            : i * wide + l)) *
                 numberB(flags & FSDPRT_TILE_TRANS_B ? j * wide + l
                                                     : l * wide + j);
        float old = before[i * wide + j];
        double wanted = sum / 2 + (flags & FSDPRT_TILE_ADD ? old : 0);
        EXPECT_NEAR(c[i * wide + j], i < m && j < n ? wanted : old, 1e-4);
      }
  }
}

TEST(TileGemm, EveryOrientationOnAnyThread) {
  checkTiles<float>(fsdprt_tile_gemm, [](float value) { return value; });
}

TEST(TileGemm, EveryOrientationOfBf16) {
  checkTiles<uint16_t>(fsdprt_tile_gemm_bf16, [](float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    return uint16_t(bits >> 16); // exact: few digits
  });
}

TEST(WorkerPool, CoversTheRangeOnceWhateverTheWorkers) {
  for (int workers : {1, 2, 5}) {
    WorkerPool pool(workers);
    for (int64_t extent : {0, 1, 3, 1000}) {
      std::vector<std::atomic<int>> seen(extent);
      int32_t status = pool.run(extent, workers,
                                [&](int worker, int64_t begin, int64_t end) {
                                  EXPECT_LT(worker, workers);
                                  for (int64_t i = begin; i < end; ++i)
                                    ++seen[i];
                                  return 0;
                                });
      EXPECT_EQ(status, 0);
      for (auto &count : seen)
        EXPECT_EQ(count, 1);
    }
  }
}

/// Tests that two threads at once never have one number: scratch goes by it.
TEST(WorkerPool, GivesEachThreadANumberOfItsOwn) {
  WorkerPool pool(5);
  std::atomic<int> inUse[3] = {};
  for (int loop = 0; loop < 2000; ++loop) {
    std::atomic<int64_t> sum{0};
    int32_t status =
        pool.run(10, 3, [&](int worker, int64_t begin, int64_t end) -> int32_t {
          if (worker < 0 || worker >= 3 || inUse[worker]++ != 0)
            return 1;
          for (int64_t i = begin; i < end; ++i)
            sum += i;
          std::this_thread::yield();
          --inUse[worker];
          return 0;
        });
    ASSERT_EQ(status, 0);
    ASSERT_EQ(sum, 45);
  }
}

TEST(WorkerPool, ReturnsAWorkersFailure) {
  WorkerPool pool(3);
  EXPECT_EQ(
      pool.run(100, 3,
               [](int, int64_t begin, int64_t) { return begin > 50 ? 9 : 0; }),
      9);
}

TEST(FloatEnvironment, DenormalsAreZero) {
  std::thread([] {
    setFloatEnvironment();
    volatile float tiny = 1e-38f;
    EXPECT_EQ(tiny * 0.01f, 0.0f);
  }).join();
}
