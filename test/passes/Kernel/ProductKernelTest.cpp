//===- ProductKernelTest.cpp - Products that the library has not ----------===//
//
// Tests that products of halves, tile by tile, are those in double but for sums
// in f32 and one rounding: remainders of tiles in each dimension, every
// transposition, batches of each kind, results in f32 and in bf16.
//
//===----------------------------------------------------------------------===//
#include "test/passes/Kernel/KernelTestBase.h"

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;

namespace {
struct ProductShape {
  std::string name;
  std::vector<int64_t> batchA, batchB, batchC;
  int64_t m, n, k;
};

class HalfProduct : public KernelTest,
                    public ::testing::WithParamInterface<ProductShape> {
protected:
  static std::vector<int64_t> matrix(std::vector<int64_t> batch, int64_t rows,
                                     int64_t columns, bool transposed) {
    batch.push_back(transposed ? columns : rows);
    batch.push_back(transposed ? rows : columns);
    return batch;
  }

  static int64_t count(llvm::ArrayRef<int64_t> shape) {
    int64_t product = 1;
    for (int64_t extent : shape)
      product *= extent;
    return product;
  }

  /// Number of the operand's matrix for matrix `index` of C.
  static int64_t matrixOf(llvm::ArrayRef<int64_t> batch,
                          llvm::ArrayRef<int64_t> batchC, int64_t index) {
    int64_t number = 0, step = 1;
    for (size_t d = batchC.size(); d-- > 0; index /= batchC[d]) {
      if (d + batch.size() < batchC.size())
        continue;
      int64_t extent = batch[d + batch.size() - batchC.size()];
      number += extent == 1 ? 0 : index % batchC[d] * step;
      step *= extent;
    }
    return number;
  }

  static Values multiply(const ProductShape &s, const Values &a,
                         const Values &b, bool transA, bool transB) {
    Values c(count(s.batchC) * s.m * s.n);
    for (int64_t z = 0; z < count(s.batchC); ++z) {
      const double *left = &a[matrixOf(s.batchA, s.batchC, z) * s.m * s.k];
      const double *right = &b[matrixOf(s.batchB, s.batchC, z) * s.k * s.n];
      for (int64_t i = 0; i < s.m; ++i)
        for (int64_t j = 0; j < s.n; ++j)
          for (int64_t l = 0; l < s.k; ++l)
            c[(z * s.m + i) * s.n + j] +=
                left[transA ? l * s.m + i : i * s.k + l] *
                right[transB ? j * s.k + l : l * s.n + j];
    }
    return c;
  }

  void check(bool transA, bool transB) {
    const ProductShape &s = GetParam();
    std::vector<int64_t> shapeA = matrix(s.batchA, s.m, s.k, transA);
    std::vector<int64_t> shapeB = matrix(s.batchB, s.k, s.n, transB);
    std::vector<int64_t> shapeC = matrix(s.batchC, s.m, s.n, false);
    std::string a = type(shapeA, "bf16"), b = type(shapeB, "bf16");
    std::string c = type(shapeC, "bf16"), wide = type(shapeC, "f32");
    std::string product = std::string("onnx.matmul %a, %b {") +
                          (transA ? "transA" : "") +
                          (transA && transB ? ", " : "") +
                          (transB ? "transB" : "") + "} : " + a + ", " + b;
    Values x = halves(count(shapeA), -1, 1), y = halves(count(shapeB), -1, 1);
    auto results = run(
        "(%a: " + a + ", %b: " + b + ") -> (" + c + ", " + wide + ")",
        "%c = " + product + " -> " + c + "\n%d = " + product + " -> " + wide,
        "%c, %d : " + c + ", " + wide, {x, y});
    Values wanted = multiply(s, x, y, transA, transB);
    expectRounded(results[0], wanted, 4e-6);
    expectNear(results[1], wanted, 4e-6);
  }
};

TEST_P(HalfProduct, MatchesInEveryOrientation) {
  for (bool transA : {false, true})
    for (bool transB : {false, true})
      check(transA, transB);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, HalfProduct,
    ::testing::Values(ProductShape{"small", {}, {}, {}, 5, 7, 33},
                      ProductShape{"vector", {}, {}, {}, 1, 1, 1},
                      ProductShape{"rows", {}, {}, {}, 259, 6, 5},
                      ProductShape{"columns", {}, {}, {}, 3, 1030, 4},
                      ProductShape{"depth", {}, {}, {}, 3, 4, 515},
                      ProductShape{"all", {}, {}, {}, 129, 513, 257},
                      ProductShape{"heads", {2, 3}, {2, 3}, {2, 3}, 4, 5, 6},
                      ProductShape{"weight", {3, 50}, {}, {3, 50}, 2, 5, 6},
                      ProductShape{"one", {2, 3}, {1}, {2, 3}, 4, 5, 6},
                      ProductShape{"shared", {3}, {2, 1}, {2, 3}, 4, 5, 6},
                      ProductShape{"outer", {2, 1}, {3}, {2, 3}, 4, 5, 6}),
    [](const auto &info) { return info.param.name; });
} // namespace
