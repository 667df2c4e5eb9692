//===- ProductCheck.cpp - Products without a library ----------------------===//
//
// Two independent looks at C = A B + adds, in double:
//
// - all of it: for a random vector x of +-1, C x is compared with A (B x) +
//   adds x, and x C with (x A) B + x adds (Freivalds, Probabilistic machines
//   can use less running time, 1977), over blocks of 1,024 columns or rows, so
//   that a tile that is wrong stands out of the rounding of its neighbours;
// - 4,096 elements, corners and edges among them, as sums of their own, from
//   which the precision of the sums is read.
//
// What an element may err by is
//   e = u |c| + t + s sum |a b|,
// with u half an ulp of C's type, t half of its step from 0, and s what sums in
// f32 err by: 4 2^-24 sqrt(k) (a random walk, as in Higham, Accuracy and
// Stability, 2.8); on tensor cores, which cut off instead of rounding, so that
// errors add up, also 2^-24 k / 4 (Fasi et al., Numerical behavior of NVIDIA
// tensor cores, 2021); and 2^-9 more where factors may be rounded to TF32. A
// sum of signed elements of a row then errs by more than 7 sqrt(sum e^2) with a
// probability of 2 e^-24.5 (Hoeffding).
//
//===----------------------------------------------------------------------===//

#include "selftest/Checks.h"
#include "selftest/Matrix.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>

using namespace fsdprt;
using namespace fsdprt::selftest;

static constexpr int64_t kBlock = 1024;
static constexpr int64_t kSamples = 4096;
static constexpr int kRounds = 2;
static constexpr double kDeviations = 7;

//===----------------------------------------------------------------------===//
// One product of the batch
//===----------------------------------------------------------------------===//

namespace {
/// What its parts err by.
struct Precision {
  double ofResult = 0;  // u
  double least = 0;     // t
  double ofSums = 0;    // s
  bool isExact = false; // factors of f32, not rounded

  explicit Precision(const fsdprt_gemm_desc &desc);
};

struct Product {
  Matrix a, b, c;
  std::vector<Matrix> adds;
  Precision precision;
  int64_t origin; // element of the result where C begins

  Product transposed() const;
  int64_t elementAt(int64_t i, int64_t j) const {
    return origin + i * c.rowStride + j * c.colStride;
  }
  double expected(int64_t i, int64_t j, double &allowed, double &square) const;
  Difference compare(int64_t i, int64_t j) const;
  Difference compareRow(int64_t i, int64_t first, int64_t count) const;
};
} // namespace

Precision::Precision(const fsdprt_gemm_desc &desc) {
  double k = double(desc.k);
  ofResult = toleranceOf(desc.c_dtype).ulp / 2;
  least = toleranceOf(desc.c_dtype).step / 2;
  ofSums = 0x1p-24 * 4 * std::sqrt(k);
  isExact = desc.dtype == FSDPRT_F32 && !desc.precision;
  if (!isExact)
    ofSums += 0x1p-24 * k / 4;
  if (desc.dtype == FSDPRT_F32 && desc.precision)
    ofSums += 0x1p-9;
}

/// C' = B' A'.
Product Product::transposed() const {
  Product t = *this;
  t.a = b.transposed();
  t.b = a.transposed();
  t.c = c.transposed();
  for (Matrix &added : t.adds)
    added = added.transposed();
  return t;
}

/// An element, summed in double, what it may err by, and sum (a b)^2.
double Product::expected(int64_t i, int64_t j, double &allowed,
                         double &square) const {
  double sum = 0, magnitude = 0;
  square = 0;
  const Vector left = rowOf(a, i), right = rowOf(b.transposed(), j);
  for (size_t p = 0; p < left.size(); ++p) {
    double term = left[p] * right[p];
    sum += term;
    magnitude += std::fabs(term);
    square += term * term;
  }
  for (const Matrix &added : adds) {
    double value = added.get(i, j);
    sum += value;
    magnitude += std::fabs(value);
  }
  allowed = precision.ofResult * std::fabs(sum) + precision.least +
            precision.ofSums * magnitude;
  return sum;
}

Difference Product::compare(int64_t i, int64_t j) const {
  double allowed = 0, square = 0;
  double sum = expected(i, j, allowed, square), actual = c.get(i, j);
  return {errorRatio(actual, sum, allowed),
          elementAt(i, j),
          actual,
          sum,
          allowed,
          ""};
}

/// The worst of a row's elements [first, first + count).
Difference Product::compareRow(int64_t i, int64_t first, int64_t count) const {
  Difference worst;
  for (int64_t j = first; j < first + count; ++j)
    worst.keep(compare(i, j));
  return worst;
}

/// C x beside A (B x) + adds x, over columns [first, first + count). The row
/// that is worst is looked at element by element if it is wrong.
static Difference compareSigned(const Product &p, int64_t first, int64_t count,
                                uint64_t seed) {
  const Matrix b = p.b.columns(first, count), c = p.c.columns(first, count);
  const Vector x = signs(count, seed);
  const Vector actual = times(c, x), ofC = squares(c), ofA = squares(p.a);
  Vector expected = times(p.a, times(b, x));
  Vector errors = Vector(ofC.size());
  const double ofB = sumOf(squares(b.transposed()));
  const double u = p.precision.ofResult, s = p.precision.ofSums;
  const double t = double(count) * p.precision.least * p.precision.least;
  for (size_t i = 0; i < errors.size(); ++i)
    errors[i] = 3 * (u * u * ofC[i] + t + s * s * ofA[i] * ofB);
  for (const Matrix &added : p.adds) {
    const Matrix part = added.columns(first, count);
    const Vector sums = times(part, x), ofPart = squares(part);
    for (size_t i = 0; i < errors.size(); ++i) {
      expected[i] += sums[i];
      errors[i] += 2 * s * s * ofPart[i];
    }
  }
  Difference worst;
  for (size_t i = 0; i < errors.size(); ++i) {
    double allowed = kDeviations * std::sqrt(errors[i]);
    double ratio = errorRatio(actual[i], expected[i], allowed);
    if (worst.element < 0 || ratio > worst.ratio)
      worst = {ratio,       int64_t(i), actual[i],
               expected[i], allowed,    "a signed sum of row"};
  }
  if (worst.isWrong())
    if (Difference element = p.compareRow(worst.element, first, count);
        element.isWrong())
      return element;
  return worst;
}

//===----------------------------------------------------------------------===//
// All of them
//===----------------------------------------------------------------------===//

namespace {
class ProductCheck : public Check {
public:
  ProductCheck(const fsdprt_gemm_desc &desc, const CheckContext &context)
      : desc(desc), context(context) {}

  Expected<Difference> compare(const HostArguments &before,
                               const HostArguments &after) override;

private:
  int64_t numMatrices() const;
  Product matrix(int64_t number, const HostArguments &before,
                 const HostArguments &after) const;
  Difference compareAll(const HostArguments &before,
                        const HostArguments &after) const;
  Difference compareSamples(const HostArguments &before,
                            const HostArguments &after) const;
  Difference inWorkers(int64_t count,
                       const std::function<Difference(int64_t)> &one) const;

  const fsdprt_gemm_desc &desc;
  const CheckContext context;
};
} // namespace

int64_t ProductCheck::numMatrices() const {
  int64_t count = 1;
  for (int64_t d = 0; d < desc.num_batch_dims; ++d)
    count *= desc.batch[d];
  return count;
}

Product ProductCheck::matrix(int64_t number, const HostArguments &before,
                             const HostArguments &after) const {
  int64_t inA = 0, inB = 0, inC = 0;
  for (int64_t d = desc.num_batch_dims - 1; d >= 0; --d) {
    int64_t index = number % desc.batch[d];
    number /= desc.batch[d];
    inA += index * desc.a_batch_strides[d];
    inB += index * desc.b_batch_strides[d];
    inC += index * desc.c_batch_strides[d];
  }
  auto at = [](const HostBuffer &buffer, int32_t dtype, int64_t element) {
    return buffer.data() + element * sizeOfDType(dtype);
  };
  auto likeC = [&](const HostBuffer &buffer) -> Matrix {
    return {desc.c_dtype,
            at(buffer, desc.c_dtype, inC),
            desc.m,
            desc.n,
            desc.c_row_stride,
            1};
  };
  Product p = {{desc.dtype, at(before[0], desc.dtype, inA), desc.m, desc.k,
                desc.a_row_stride, desc.a_col_stride},
               {desc.dtype, at(before[1], desc.dtype, inB), desc.k, desc.n,
                desc.b_row_stride, desc.b_col_stride},
               likeC(after[2]),
               {},
               Precision(desc),
               inC};
  int place = 3;
  if (desc.adds & FSDPRT_GEMM_BIAS)
    p.adds.push_back(
        {desc.dtype, before[place++].data(), desc.m, desc.n, 0, 1});
  if (desc.adds & FSDPRT_GEMM_RESIDUAL)
    p.adds.push_back(likeC(before[place]));
  if (desc.accumulate)
    p.adds.push_back(likeC(before[2]));
  return p;
}

/// The worst of one(0), ... one(count - 1).
Difference
ProductCheck::inWorkers(int64_t count,
                        const std::function<Difference(int64_t)> &one) const {
  std::mutex mutex;
  Difference worst;
  context.workers.run(count, context.workers.size(),
                      [&](int, int64_t begin, int64_t end) {
                        for (int64_t i = begin; i < end; ++i) {
                          Difference found = one(i);
                          std::lock_guard<std::mutex> lock(mutex);
                          worst.keep(found);
                          context.onProgress();
                        }
                        return 0;
                      });
  return worst;
}

static int64_t blocksOf(int64_t extent) {
  return (extent + kBlock - 1) / kBlock;
}

Difference ProductCheck::compareAll(const HostArguments &before,
                                    const HostArguments &after) const {
  int64_t right = blocksOf(desc.n), left = blocksOf(desc.m),
          each = kRounds * (right + left);
  return inWorkers(numMatrices() * each, [&](int64_t i) {
    Product p = matrix(i / each, before, after);
    int64_t block = i % each / kRounds;
    if (block >= right) {
      p = p.transposed();
      block -= right;
    }
    int64_t first = block * kBlock;
    return compareSigned(p, first, std::min(kBlock, p.c.cols - first),
                         mixed(uint64_t(i)));
  });
}

/// Corners first, then anywhere. Errors are also seen together: where factors
/// of f32 are rounded to TF32, their root mean square is 2^-12 of that of the
/// terms' or more, even where long sums hide a single one; in f32 it is less
/// than half of that, and grows with k at most.
Difference ProductCheck::compareSamples(const HostArguments &before,
                                        const HostArguments &after) const {
  struct Sums {
    double errors = 0, terms = 0;
  };
  std::mutex mutex;
  Sums sums;
  Difference worst = inWorkers(kSamples, [&](int64_t i) {
    uint64_t place = mixed(uint64_t(i));
    Product p =
        matrix(int64_t(mixed(place) % uint64_t(numMatrices())), before, after);
    int64_t row = int64_t(place % uint64_t(desc.m)),
            column = int64_t((place >> 20) % uint64_t(desc.n));
    if (i % 4 == 1) // an edge; twice: a corner
      row = i & 8 ? 0 : desc.m - 1;
    if (i % 8 == 1)
      column = i & 16 ? 0 : desc.n - 1;
    double allowed = 0, square = 0;
    double sum = p.expected(row, column, allowed, square),
           actual = p.c.get(row, column), error = actual - sum;
    {
      std::lock_guard<std::mutex> lock(mutex);
      sums.errors += std::isfinite(error) ? error * error : 0;
      sums.terms += std::isfinite(square) ? square : 0;
    }
    return Difference{errorRatio(actual, sum, allowed),
                      p.elementAt(row, column),
                      actual,
                      sum,
                      allowed,
                      ""};
  });
  bool addsToTerms = desc.accumulate || desc.adds;
  if (!Precision(desc).isExact || addsToTerms || sums.terms == 0)
    return worst;
  double allowed = std::max(0x1p-13, double(desc.k) * 0x1p-25);
  double actual = std::sqrt(sums.errors / sums.terms);
  worst.keep({actual / allowed, kSamples, actual, 0, allowed,
              "the relative error of sampled elements, of which there are"});
  return worst;
}

Expected<Difference> ProductCheck::compare(const HostArguments &before,
                                           const HostArguments &after) {
  Difference worst = compareSamples(before, after);
  worst.keep(compareAll(before, after));
  return worst;
}

std::unique_ptr<Check> selftest::checkProduct(const fsdprt_gemm_desc &desc,
                                              const CheckContext &context) {
  return std::make_unique<ProductCheck>(desc, context);
}
