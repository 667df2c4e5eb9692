//===- Difference.h - How far two results are apart -------------*- C++ -*-===//

#ifndef FSDPRT_SELFTEST_DIFFERENCE_H
#define FSDPRT_SELFTEST_DIFFERENCE_H

#include <cstdint>
#include <string>

namespace fsdprt::selftest {

/// The worst element of a comparison: its error beside what rounding may do.
struct Difference {
  double ratio = 0; // of the error to what is allowed; infinite for NaN
  int64_t element = -1;
  double actual = 0, expected = 0, allowed = 0;
  std::string where; // what `element` counts, "element" of the result if empty

  bool isWrong() const { return !(ratio <= 1); }
  /// Keeps the worse of the two.
  void keep(const Difference &other);
  /// "element 5123 is 0.25, expected 0.5 (allowed 1e-05)".
  std::string describe() const;
};

/// Of an error to what is allowed; infinite where one of the two is NaN, or an
/// infinity that the other is not.
double errorRatio(double actual, double expected, double allowed);

/// What may differ between two correct computations of a type's numbers.
struct Tolerance {
  double ulp;       // from 1 to the next number
  double step;      // from 0 to the next one, where that is not flushed to 0
  double ulps;      // of the largest number nearby
  double spread;    // times what a change of the operands by one ulp changes
  bool isPerturbed; // whether operands of the type are changed so
};

/// Tolerance.ulp is 0 for what is no float: there results are equal.
const Tolerance &toleranceOf(int32_t dtype);

/// Changes the elements by one ulp, up or down as the element's number says;
/// false, and nothing, for types that are not.
bool perturb(int32_t dtype, void *elements, int64_t count);

/// What is compared: elements of one type, and the reference's of operands
/// that perturb() has changed (may be the same array).
struct Elements {
  int32_t dtype = 0;
  int64_t count = 0;
  int64_t terms = 1; // of the longest sum that an element may be
  const void *actual = nullptr, *expected = nullptr, *perturbed = nullptr;
};

/// Allowed is, with the largest |expected| and |perturbed - expected| of 64
/// neighbours,
///   ulps step + (ulps ulp + sqrt(terms) 2^-24) |expected|
///   + (spread + sqrt(terms) / 8) |perturbed - expected|.
/// The first is rounding of the result and of sums in f32, whose errors grow as
/// a random walk (Higham, Accuracy and Stability, 2.8 and 4.2); the second is
/// the condition of the problem, measured: a backward stable computation is the
/// exact one of operands changed a little. Neighbours lend each other their
/// scale, since a single element may cancel by chance. Where the expected is
/// NaN or infinite, so must the actual be. Integers are equal, but where
/// rounding of operands decides them.
Difference compareElements(const Elements &elements);

/// Equal bytes.
Difference compareBytes(const void *actual, const void *expected,
                        int64_t bytes);

} // namespace fsdprt::selftest

#endif // FSDPRT_SELFTEST_DIFFERENCE_H
