//===- Numbers.h - Elements as doubles, and chance --------------*- C++ -*-===//

#ifndef FSDPRT_SELFTEST_NUMBERS_H
#define FSDPRT_SELFTEST_NUMBERS_H

#include "core/DType.h"

#include <cstring>

namespace fsdprt::selftest {

/// Bits of `number` mixed (the finaliser of SplitMix64): as good as random, and
/// the same on every rank and run.
inline uint64_t mixed(uint64_t number) {
  number += 0x9e3779b97f4a7c15;
  number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9;
  number = (number ^ (number >> 27)) * 0x94d049bb133111eb;
  return number ^ (number >> 31);
}
inline bool isOdd(uint64_t number) { return mixed(number) & 1; }

/// How elements of a type are read fast; all others by their DTypeInfo.
struct LoadF32 {
  static constexpr int64_t size = 4;
  double operator()(const char *at) const {
    float value;
    std::memcpy(&value, at, sizeof(value));
    return value;
  }
};
struct LoadBf16 {
  static constexpr int64_t size = 2;
  double operator()(const char *at) const {
    uint16_t bits;
    std::memcpy(&bits, at, sizeof(bits));
    return bfloat16ToFloat(bits);
  }
};

/// `run(load, bytes of an element)`, with what reads elements of `dtype`.
template <typename Run> void withLoad(int32_t dtype, Run run) {
  if (dtype == FSDPRT_F32)
    return run(LoadF32(), LoadF32::size);
  if (dtype == FSDPRT_BF16)
    return run(LoadBf16(), LoadBf16::size);
  const DTypeInfo *info = lookupDType(dtype);
  run([info](const char *at) { return info->load(at); }, info->size);
}

/// Elements [first, first + count).
inline void toDoubles(int32_t dtype, const void *elements, int64_t first,
                      int64_t count, double *doubles) {
  withLoad(dtype, [&](auto load, int64_t size) {
    const char *at = static_cast<const char *>(elements) + first * size;
    for (int64_t i = 0; i < count; ++i)
      doubles[i] = load(at + i * size);
  });
}

} // namespace fsdprt::selftest

#endif // FSDPRT_SELFTEST_NUMBERS_H
