//===- Numbers.h - Floats of 16, 19 and 32 bits -----------------*- C++ -*-===//

#ifndef SIMCUDA_NUMBERS_H
#define SIMCUDA_NUMBERS_H

#include <cmath>
#include <cstdint>
#include <cstring>

namespace simcuda {

inline uint32_t bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float floatOf(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// Keeps the upper bits of the mantissa; to nearest, ties to even.
inline float roundMantissa(float value, int dropped) {
  uint32_t bits = bitsOf(value);
  if (std::isnan(value))
    return floatOf(bits | 0x00400000);
  if (std::isinf(value))
    return value;
  uint32_t half = (1u << (dropped - 1)) - 1 + ((bits >> dropped) & 1);
  return floatOf((bits + half) >> dropped << dropped);
}

/// TF32 has bfloat16's exponent and float16's mantissa.
inline float roundToTf32(float value) { return roundMantissa(value, 13); }

inline float fromBf16(uint16_t bits) { return floatOf(uint32_t(bits) << 16); }
inline uint16_t toBf16(float value) {
  return bitsOf(roundMantissa(value, 16)) >> 16;
}

inline float fromF16(uint16_t bits) {
  int exponent = (bits >> 10) & 31;
  float mantissa = bits & 1023;
  float value = exponent == 31  ? (mantissa ? NAN : INFINITY)
                : exponent == 0 ? std::ldexp(mantissa, -24)
                                : std::ldexp(mantissa + 1024, exponent - 25);
  return bits & 0x8000 ? -value : value;
}

inline uint16_t toF16(float value) {
  uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  float size = std::fabs(value);
  if (std::isnan(value))
    return sign | 0x7e00;
  if (size >= 65520) // half way from the largest number to the next
    return sign | 0x7c00;
  int exponent = size < 0x1p-14f ? -14 : std::ilogb(size);
  // nearbyint rounds to even, and carries into the exponent as it should.
  auto mantissa = uint16_t(std::nearbyint(std::ldexp(size, 10 - exponent)));
  if (mantissa < 1024)
    return sign | mantissa; // subnormal
  return sign | (((exponent + 14) << 10) + mantissa);
}

} // namespace simcuda

#endif // SIMCUDA_NUMBERS_H
