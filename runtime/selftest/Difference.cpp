//===- Difference.cpp - How far two results are apart ---------------------===//

#include "selftest/Difference.h"

#include "core/DType.h"
#include "selftest/Numbers.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

using namespace fsdprt;
using namespace fsdprt::selftest;

static constexpr double kInfinity = std::numeric_limits<double>::infinity();
static constexpr int64_t kNeighbours = 64;

void Difference::keep(const Difference &other) {
  if (element < 0 || other.ratio > ratio || (other.isWrong() && !isWrong()))
    *this = other;
}

std::string Difference::describe() const {
  char numbers[128];
  std::snprintf(numbers, sizeof(numbers), " is %.9g, expected %.9g", actual,
                expected);
  std::string text = (where.empty() ? "element" : where) + " " +
                     std::to_string(element) + numbers;
  if (allowed == 0)
    return text;
  std::snprintf(numbers, sizeof(numbers), " (allowed %.3g)", allowed);
  return text + numbers;
}

/// Functions are the same polynomials on CPU and GPU, exact to 4 ulp at most,
/// and fused multiply-adds may stand elsewhere: 8 ulp in f32. Half precision is
/// computed in f32 and rounded, once or twice in a chain: the two roundings may
/// fall to different sides.
const Tolerance &selftest::toleranceOf(int32_t dtype) {
  static const Tolerance f32 = {0x1p-23, 0x1p-126, 8, 16, true},
                         f64 = {0x1p-52, 0x1p-1022, 8, 16, true},
                         bf16 = {0x1p-7, 0x1p-126, 1.5, 1, false},
                         f16 = {0x1p-10, 0x1p-24, 1.5, 1, false},
                         exact = {0, 0, 0, 0, false};
  switch (dtype) {
  case FSDPRT_F32:
    return f32;
  case FSDPRT_F64:
    return f64;
  case FSDPRT_BF16:
    return bf16;
  case FSDPRT_F16:
    return f16;
  default:
    return exact;
  }
}

template <typename T>
static void perturbAs(void *elements, int64_t count, double ulp) {
  auto *values = static_cast<T *>(elements);
  for (int64_t i = 0; i < count; ++i)
    values[i] *= T(1 + (isOdd(uint64_t(i)) ? ulp : -ulp));
}

bool selftest::perturb(int32_t dtype, void *elements, int64_t count) {
  const Tolerance &tolerance = toleranceOf(dtype);
  if (!tolerance.isPerturbed)
    return false;
  if (dtype == FSDPRT_F32)
    perturbAs<float>(elements, count, tolerance.ulp);
  else
    perturbAs<double>(elements, count, tolerance.ulp);
  return true;
}

namespace {
/// Neighbours, as doubles.
struct Group {
  double actual[kNeighbours], expected[kNeighbours], perturbed[kNeighbours];
  int64_t first = 0, count = 0;

  Group(const Elements &elements, int64_t first);
  double allowed(const Tolerance &tolerance, double terms) const;
  Difference worst(double allowed) const;
  /// Of integers: equal where the two references are.
  Difference unequal() const;
};
} // namespace

Group::Group(const Elements &elements, int64_t first)
    : first(first), count(std::min(kNeighbours, elements.count - first)) {
  toDoubles(elements.dtype, elements.actual, first, count, actual);
  toDoubles(elements.dtype, elements.expected, first, count, expected);
  toDoubles(elements.dtype, elements.perturbed, first, count, perturbed);
}

double Group::allowed(const Tolerance &tolerance, double terms) const {
  double scale = 0, spread = 0;
  for (int64_t i = 0; i < count; ++i) {
    double change = std::fabs(perturbed[i] - expected[i]);
    if (std::isfinite(expected[i]))
      scale = std::max(scale, std::fabs(expected[i]));
    if (std::isfinite(change))
      spread = std::max(spread, change);
  }
  double walk = std::sqrt(terms);
  return tolerance.ulps * tolerance.step +
         (tolerance.ulps * tolerance.ulp + walk * 0x1p-24) * scale +
         (tolerance.spread + walk / 8) * spread;
}

/// Denormals are zero on one side or both.
double selftest::errorRatio(double actual, double expected, double allowed) {
  if (!std::isfinite(expected) || !std::isfinite(actual)) {
    bool same = std::isnan(expected) ? std::isnan(actual) : actual == expected;
    return same ? 0 : kInfinity;
  }
  double error = std::fabs(actual - expected);
  constexpr double denormal = std::numeric_limits<float>::min();
  return error == 0 ? 0 : error / std::max(allowed, denormal);
}

Difference Group::worst(double allowed) const {
  Difference worst;
  for (int64_t i = 0; i < count; ++i) {
    double ratio = errorRatio(actual[i], expected[i], allowed);
    if (worst.element < 0 || ratio > worst.ratio)
      worst = {ratio, first + i, actual[i], expected[i], allowed, ""};
  }
  return worst;
}

Difference Group::unequal() const {
  Difference worst = {0, first, actual[0], expected[0], 0, ""};
  for (int64_t i = 0; i < count; ++i)
    if (actual[i] != expected[i] && actual[i] != perturbed[i])
      return {kInfinity, first + i, actual[i], expected[i], 0, ""};
  return worst;
}

Difference selftest::compareElements(const Elements &elements) {
  const Tolerance &tolerance = toleranceOf(elements.dtype);
  Difference worst;
  for (int64_t first = 0; first < elements.count; first += kNeighbours) {
    Group group(elements, first);
    worst.keep(tolerance.ulp == 0 ? group.unequal()
                                  : group.worst(group.allowed(
                                        tolerance, double(elements.terms))));
  }
  return worst;
}

Difference selftest::compareBytes(const void *actual, const void *expected,
                                  int64_t bytes) {
  auto *a = static_cast<const uint8_t *>(actual),
       *e = static_cast<const uint8_t *>(expected);
  if (bytes == 0 || std::memcmp(a, e, size_t(bytes)) == 0)
    return Difference();
  int64_t at = std::mismatch(a, a + bytes, e).first - a;
  return {kInfinity, at, double(a[at]), double(e[at]), 0, "byte"};
}
