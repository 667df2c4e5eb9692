//===- Matrix.h - A few operations on matrices, in double -------*- C++ -*-===//

#ifndef FSDPRT_SELFTEST_MATRIX_H
#define FSDPRT_SELFTEST_MATRIX_H

#include "selftest/Numbers.h"

#include <vector>

namespace fsdprt::selftest {

/// A matrix where it lies; a row stride of 0 repeats one row.
struct Matrix {
  int32_t dtype;
  const char *at;
  int64_t rows, cols, rowStride, colStride;

  double get(int64_t i, int64_t j) const {
    double value;
    toDoubles(dtype, at, i * rowStride + j * colStride, 1, &value);
    return value;
  }
  Matrix transposed() const {
    return {dtype, at, cols, rows, colStride, rowStride};
  }
  Matrix columns(int64_t first, int64_t count) const {
    return {dtype,     at + first * colStride * sizeOfDType(dtype),
            rows,      count,
            rowStride, colStride};
  }
};

using Vector = std::vector<double>;

/// Calls `visit(i, j, value)` for each element, along memory.
template <typename Visit> void forEach(const Matrix &m, Visit visit) {
  withLoad(m.dtype, [&](auto load, int64_t size) {
    bool alongRows = m.colStride <= m.rowStride || m.rowStride == 0;
    int64_t outer = alongRows ? m.rows : m.cols,
            inner = alongRows ? m.cols : m.rows,
            outerStride = size * (alongRows ? m.rowStride : m.colStride),
            innerStride = size * (alongRows ? m.colStride : m.rowStride);
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < inner; ++i) {
        double value = load(m.at + o * outerStride + i * innerStride);
        alongRows ? visit(o, i, value) : visit(i, o, value);
      }
  });
}

/// M x.
inline Vector times(const Matrix &m, const Vector &x) {
  Vector y(size_t(m.rows));
  forEach(m, [&](int64_t i, int64_t j, double value) { y[i] += value * x[j]; });
  return y;
}

/// Of each row, the sum of squares.
inline Vector squares(const Matrix &m) {
  Vector sums(size_t(m.rows));
  forEach(m, [&](int64_t i, int64_t, double v) { sums[i] += v * v; });
  return sums;
}

inline Vector rowOf(const Matrix &m, int64_t i) {
  Vector row(size_t(m.cols));
  withLoad(m.dtype, [&](auto load, int64_t size) {
    const char *at = m.at + i * m.rowStride * size;
    for (int64_t j = 0; j < m.cols; ++j)
      row[j] = load(at + j * m.colStride * size);
  });
  return row;
}

inline double sumOf(const Vector &values) {
  double sum = 0;
  for (double value : values)
    sum += value;
  return sum;
}

inline Vector signs(int64_t count, uint64_t seed) {
  Vector x(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i)
    x[i] = isOdd(seed + uint64_t(i)) ? 1 : -1;
  return x;
}

} // namespace fsdprt::selftest

#endif // FSDPRT_SELFTEST_MATRIX_H
