//===- BlasLtTest.cpp - The simulated product library ---------------------===//

#include "cuda/BlasLt.h"
#include "test/simcuda/Numbers.h"
#include "test/simcuda/TestBase.h"

#include <dlfcn.h>
#include <random>

using namespace simcuda::test;
using ::testing::HasSubstr;

namespace {
/// One product; matrices are dense, in columns.
struct Problem {
  uint64_t m = 5, n = 4, k = 12;
  cublasOperation_t transA = CUBLAS_OP_N, transB = CUBLAS_OP_N;
  cudaDataType type = CUDA_R_32F, resultType = CUDA_R_32F;
  int32_t batch = 1;
  float alpha = 1, beta = 0;
  bool bias = false;
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  size_t pad = 0; ///< of the leading dimensions
};

class BlasLtTest : public SimulatedTest {
protected:
  void SetUp() override {
    SimulatedTest::SetUp();
    ASSERT_TRUE(
        ::dlopen(SIMCUDA_FOLDER "/libcublasLt.so.13", RTLD_NOW | RTLD_LOCAL))
        << ::dlerror();
    auto table = BlasLt::load(13000);
    ASSERT_TRUE(table.ok()) << table.status().message();
    blas = *table;
  }

  float round(float value, cudaDataType type) {
    if (type == CUDA_R_32F)
      return value;
    return type == CUDA_R_16BF ? simcuda::fromBf16(simcuda::toBf16(value))
                               : simcuda::fromF16(simcuda::toF16(value));
  }

  std::vector<float> draw(size_t count, cudaDataType type) {
    std::vector<float> values(count);
    for (float &value : values)
      value = round(std::uniform_real_distribution<float>(-1, 1)(random), type);
    return values;
  }

  /// Uploads the values as `type`.
  CUdeviceptr put(const std::vector<float> &values, cudaDataType type) {
    if (type == CUDA_R_32F)
      return upload(values);
    std::vector<float> packed((values.size() + 1) / 2);
    auto *half = reinterpret_cast<uint16_t *>(packed.data());
    for (size_t i = 0; i < values.size(); ++i)
      half[i] = type == CUDA_R_16BF ? simcuda::toBf16(values[i])
                                    : simcuda::toF16(values[i]);
    return upload(packed);
  }

  std::vector<float> get(CUdeviceptr at, size_t count, cudaDataType type) {
    if (type == CUDA_R_32F)
      return download(at, count);
    std::vector<float> packed = download(at, (count + 1) / 2), values(count);
    auto *half = reinterpret_cast<uint16_t *>(packed.data());
    for (size_t i = 0; i < count; ++i)
      values[i] = type == CUDA_R_16BF ? simcuda::fromBf16(half[i])
                                      : simcuda::fromF16(half[i]);
    return values;
  }

  cublasLtMatrixLayout_t layout(cudaDataType type, uint64_t rows, uint64_t cols,
                                const Problem &p) {
    cublasLtMatrixLayout_t one;
    int64_t ld = rows + p.pad, stride = ld * cols;
    EXPECT_EQ(blas.cublasLtMatrixLayoutCreate(&one, type, rows, cols, ld),
              CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(blas.cublasLtMatrixLayoutSetAttribute(
                  one, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &p.batch, 4),
              CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(blas.cublasLtMatrixLayoutSetAttribute(
                  one, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, 8),
              CUBLAS_STATUS_SUCCESS);
    return one;
  }

  struct Made {
    cublasLtHandle_t handle;
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t a, b, d;
    std::vector<float> aValues, bValues, cValues, biasValues;
    CUdeviceptr aAt, bAt, cAt, dAt, biasAt = 0;
  };

  template <typename T>
  void set(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t attribute,
           T value) {
    EXPECT_EQ(blas.cublasLtMatmulDescSetAttribute(desc, attribute, &value,
                                                  sizeof value),
              CUBLAS_STATUS_SUCCESS);
  }

  Made make(const Problem &p) {
    Made x;
    EXPECT_EQ(blas.cublasLtCreate(&x.handle), CUBLAS_STATUS_SUCCESS);
    blas.cublasLtMatmulDescCreate(&x.desc, p.compute, CUDA_R_32F);
    set(x.desc, CUBLASLT_MATMUL_DESC_TRANSA, p.transA);
    set(x.desc, CUBLASLT_MATMUL_DESC_TRANSB, p.transB);
    bool plainA = p.transA == CUBLAS_OP_N, plainB = p.transB == CUBLAS_OP_N;
    x.a = layout(p.type, plainA ? p.m : p.k, plainA ? p.k : p.m, p);
    x.b = layout(p.type, plainB ? p.k : p.n, plainB ? p.n : p.k, p);
    x.d = layout(p.resultType, p.m, p.n, p);
    auto size = [&](uint64_t rows, uint64_t cols) {
      return (rows + p.pad) * cols * p.batch;
    };
    x.aValues = draw(plainA ? size(p.m, p.k) : size(p.k, p.m), p.type);
    x.bValues = draw(plainB ? size(p.k, p.n) : size(p.n, p.k), p.type);
    x.cValues = draw(size(p.m, p.n), p.resultType);
    x.biasValues = draw(p.m, p.resultType);
    x.aAt = put(x.aValues, p.type);
    x.bAt = put(x.bValues, p.type);
    x.cAt = put(x.cValues, p.resultType);
    x.dAt = put(x.cValues, p.resultType);
    if (p.bias) {
      x.biasAt = put(x.biasValues, p.resultType);
      set(x.desc, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
      set(x.desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, x.biasAt);
    }
    return x;
  }

  std::vector<cublasLtMatmulHeuristicResult_t>
  heuristics(const Made &x, size_t workspace, uint32_t schemes = 7) {
    cublasLtMatmulPreference_t preference;
    blas.cublasLtMatmulPreferenceCreate(&preference);
    uint64_t bytes = workspace;
    blas.cublasLtMatmulPreferenceSetAttribute(
        preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes, 8);
    blas.cublasLtMatmulPreferenceSetAttribute(
        preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes, 4);
    std::vector<cublasLtMatmulHeuristicResult_t> results(8);
    int count = 0;
    EXPECT_EQ(blas.cublasLtMatmulAlgoGetHeuristic(
                  x.handle, x.desc, x.a, x.b, x.d, x.d, preference,
                  results.size(), results.data(), &count),
              CUBLAS_STATUS_SUCCESS);
    results.resize(count);
    blas.cublasLtMatmulPreferenceDestroy(preference);
    return results;
  }

  cublasStatus_t multiply(const Made &x, const Problem &p,
                          const cublasLtMatmulAlgo_t *algo, CUstream s,
                          CUdeviceptr workspace = 0, size_t bytes = 0) {
    auto at = [](CUdeviceptr address) {
      return reinterpret_cast<void *>(address);
    };
    return blas.cublasLtMatmul(x.handle, x.desc, &p.alpha, at(x.aAt), x.a,
                               at(x.bAt), x.b, &p.beta, at(x.cAt), x.d,
                               at(x.dAt), x.d, algo, at(workspace), bytes, s);
  }

  /// The formula, in double.
  double expected(const Made &x, const Problem &p, int32_t batch, uint64_t i,
                  uint64_t j) {
    auto entry = [&](const std::vector<float> &values, uint64_t rows,
                     uint64_t cols, uint64_t row, uint64_t col) {
      return values[batch * (rows + p.pad) * cols + col * (rows + p.pad) + row];
    };
    double sum = 0;
    for (uint64_t q = 0; q < p.k; ++q) {
      double a = p.transA == CUBLAS_OP_N ? entry(x.aValues, p.m, p.k, i, q)
                                         : entry(x.aValues, p.k, p.m, q, i);
      double b = p.transB == CUBLAS_OP_N ? entry(x.bValues, p.k, p.n, q, j)
                                         : entry(x.bValues, p.n, p.k, j, q);
      sum += a * b;
    }
    return p.alpha * sum +
           (p.beta != 0 ? p.beta * entry(x.cValues, p.m, p.n, i, j) : 0) +
           (p.bias ? x.biasValues[i] : 0);
  }

  void checkProduct(const Problem &p, double tolerance) {
    Made x = make(p);
    CUstream s = stream();
    std::vector<float> before = x.cValues;
    auto found = heuristics(x, 0, /*schemes=*/0);
    ASSERT_FALSE(found.empty());
    ASSERT_EQ(multiply(x, p, &found.front().algo, s), CUBLAS_STATUS_SUCCESS);
    ASSERT_CUDA(d.cuStreamSynchronize(s));
    std::vector<float> result = get(x.dAt, before.size(), p.resultType);
    uint64_t ld = p.m + p.pad;
    for (int32_t b = 0; b < p.batch; ++b)
      for (uint64_t j = 0; j < p.n; ++j)
        for (uint64_t i = 0; i < ld; ++i) {
          float got = result[b * ld * p.n + j * ld + i];
          if (i < p.m)
            EXPECT_NEAR(got, expected(x, p, b, i, j), tolerance);
          else
            EXPECT_EQ(got, before[b * ld * p.n + j * ld + i]);
        }
  }

  BlasLt blas;
  std::mt19937 random{7};
};
} // namespace

TEST_F(BlasLtTest, MultipliesTransposesBatchesAndAdds) {
  for (cublasOperation_t transA : {CUBLAS_OP_N, CUBLAS_OP_T})
    for (cublasOperation_t transB : {CUBLAS_OP_N, CUBLAS_OP_T})
      for (bool more : {false, true}) {
        Problem p;
        p.transA = transA;
        p.transB = transB;
        if (more) {
          p.alpha = 0.5f;
          p.beta = -2;
          p.bias = true;
          p.batch = 3;
          p.pad = 3;
        }
        checkProduct(p, 1e-5);
      }
}

TEST_F(BlasLtTest, HasHalfPrecision) {
  for (cudaDataType type : {CUDA_R_16BF, CUDA_R_16F})
    for (cudaDataType result : {type, CUDA_R_32F}) {
      Problem p;
      p.type = type;
      p.resultType = result;
      p.beta = 1;
      checkProduct(p, result == CUDA_R_32F ? 1e-5 : 0.02);
    }
}

/// A product of 1 + 2^-12 with 1 is 1 in TF32, and nothing else in f32.
TEST_F(BlasLtTest, Tf32RoundsItsFactors) {
  for (bool tf32 : {false, true}) {
    Problem p;
    p.m = p.n = p.k = 1;
    p.compute = tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    Made x = make(p);
    x.aAt = upload({1 + 0x1p-12f});
    x.bAt = upload({1});
    CUstream s = stream();
    EXPECT_EQ(multiply(x, p, nullptr, s), CUBLAS_STATUS_SUCCESS);
    EXPECT_CUDA(d.cuStreamSynchronize(s));
    EXPECT_EQ(download(x.dAt, 1)[0], tf32 ? 1 : 1 + 0x1p-12f);
  }
}

TEST_F(BlasLtTest, OffersAnAlgorithmWhoseOrderVariesFirst) {
  Problem p;
  p.k = 4096;
  p.m = p.n = 32;
  Made x = make(p);
  auto found = heuristics(x, 1 << 20);
  ASSERT_GE(found.size(), 3u);
  uint32_t scheme = 0;
  size_t written = 0;
  EXPECT_EQ(blas.cublasLtMatmulAlgoConfigGetAttribute(
                &found[0].algo, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, &scheme,
                sizeof scheme, &written),
            CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(scheme, CUBLASLT_REDUCTION_SCHEME_INPLACE);
  EXPECT_EQ(written, 4u);
  auto bits = [&](const cublasLtMatmulHeuristicResult_t &one) {
    CUstream s = stream();
    CUdeviceptr workspace = device(one.workspaceSize + 16);
    EXPECT_EQ(multiply(x, p, &one.algo, s, workspace, one.workspaceSize),
              CUBLAS_STATUS_SUCCESS);
    EXPECT_CUDA(d.cuStreamSynchronize(s));
    return download(x.dAt, x.cValues.size());
  };
  auto varies = [&](const cublasLtMatmulHeuristicResult_t &one) {
    std::vector<float> first = bits(one);
    for (int i = 0; i < 10; ++i)
      if (bits(one) != first)
        return true;
    return false;
  };
  EXPECT_TRUE(varies(found[0]));
  for (size_t i = 1; i < found.size(); ++i)
    EXPECT_FALSE(varies(found[i])) << i;
  EXPECT_GT(found[1].workspaceSize, 0u);
  for (const auto &one : heuristics(x, 0, /*schemes=*/0))
    EXPECT_FALSE(varies(one));
}

TEST_F(BlasLtTest, AlgorithmsAreCheckedForTheShape) {
  Problem p;
  Made x = make(p);
  cublasLtMatmulHeuristicResult_t result;
  auto found = heuristics(x, 1 << 20);
  EXPECT_EQ(blas.cublasLtMatmulAlgoCheck(x.handle, x.desc, x.a, x.b, x.d, x.d,
                                         &found[1].algo, &result),
            CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(result.workspaceSize, found[1].workspaceSize);
  cublasLtMatmulAlgo_t other = {};
  EXPECT_EQ(blas.cublasLtMatmulAlgoCheck(x.handle, x.desc, x.a, x.b, x.d, x.d,
                                         &other, &result),
            CUBLAS_STATUS_INVALID_VALUE);
  CUstream s = stream();
  stderrOf([&] {
    EXPECT_EQ(multiply(x, p, &found[1].algo, s), CUBLAS_STATUS_INVALID_VALUE);
    EXPECT_EQ(blas.cublasLtMatmulAlgoCheck(x.handle, x.desc, x.b, x.b, x.d, x.d,
                                           &found[0].algo, &result),
              CUBLAS_STATUS_INVALID_VALUE);
  });
}

TEST_F(BlasLtTest, TheWorkspaceBecomesGarbage) {
  Problem p;
  Made x = make(p);
  auto found = heuristics(x, 1 << 20);
  CUdeviceptr workspace = upload(std::vector<float>(256, 1));
  ASSERT_LE(found[1].workspaceSize, 1024u);
  CUstream s = stream();
  EXPECT_EQ(multiply(x, p, &found[1].algo, s, workspace, 1024),
            CUBLAS_STATUS_SUCCESS);
  EXPECT_CUDA(d.cuStreamSynchronize(s));
  EXPECT_THAT(stderrOf([&] {
                float *to = pinned(1);
                d.cuMemcpyDtoHAsync(to, workspace, 4, s);
                d.cuStreamSynchronize(s);
              }),
              HasSubstr("reads what was never written"));
}

TEST_F(BlasLtTest, ProductsRaceAndAreAnnounced) {
  Problem p;
  Made x = make(p);
  CUstream s = stream(), t = stream();
  int64_t aBytes = p.m * p.k * 4, bBytes = p.k * p.n * 4,
          dBytes = p.m * p.n * 4;
  announce("fc", {{x.aAt, aBytes, FSDPRT_ACCESS_READ, 0},
                  {x.bAt, bBytes, FSDPRT_ACCESS_READ, 0},
                  {x.dAt, dBytes, FSDPRT_ACCESS_WRITE, 0}});
  EXPECT_EQ(multiply(x, p, nullptr, s), CUBLAS_STATUS_SUCCESS);
  EXPECT_THAT(stderrOf([&] { d.cuMemsetD8Async(x.aAt, 0, 4, t); }),
              HasSubstr("and 'fc' on stream"));
  restart({});
  x = make(p);
  EXPECT_THAT(stderrOf([&] {
                announce("fc", {{x.aAt, aBytes, FSDPRT_ACCESS_READ, 0},
                                {x.bAt, bBytes - 4, FSDPRT_ACCESS_READ, 0},
                                {x.dAt, dBytes, FSDPRT_ACCESS_WRITE, 0}});
                EXPECT_EQ(multiply(x, p, nullptr, stream()),
                          CUBLAS_STATUS_EXECUTION_FAILED);
              }),
              HasSubstr("cublasLtMatmul of 'fc' reads"));
}

TEST_F(BlasLtTest, ALibraryThatIsTooOldIsRefused) {
  restart({{"SIMCUDA_BLAS_VERSION", "111103"}});
  auto old = BlasLt::load(13000);
  ASSERT_FALSE(old.ok());
  EXPECT_THAT(old.status().message(),
              HasSubstr("says version 111103, and 120000 (12.0) or later"));
}

TEST(Numbers, HalvesRoundToEven) {
  using namespace simcuda;
  EXPECT_EQ(toBf16(1 + 0x1p-8f), 0x3f80);
  EXPECT_EQ(toBf16(1 + 0x1.8p-7f), 0x3f82);
  EXPECT_EQ(toF16(1), 0x3c00);
  EXPECT_EQ(toF16(65504), 0x7bff);
  EXPECT_EQ(toF16(65520), 0x7c00);
  EXPECT_EQ(toF16(0x1p-24f), 1);
  EXPECT_EQ(toF16(0x1.ffcp-15f), 0x0400); // rounds up to a normal number
  for (uint32_t bits = 0; bits < 0x7c00; ++bits)
    EXPECT_EQ(toF16(fromF16(bits)), bits);
}
