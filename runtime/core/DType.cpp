//===- DType.cpp - Element types, in one table ----------------------------===//

#include "core/DType.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace fsdprt;

//===----------------------------------------------------------------------===//
// 16-bit floats
//===----------------------------------------------------------------------===//

static float floatFromBits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

static uint32_t bitsOfFloat(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

float fsdprt::bfloat16ToFloat(uint16_t bits) {
  return floatFromBits(static_cast<uint32_t>(bits) << 16);
}

/// Rounds to nearest even; a NaN stays a (quiet) NaN.
uint16_t fsdprt::floatToBfloat16(float value) {
  uint32_t bits = bitsOfFloat(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u)
    return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

float fsdprt::halfToFloat(uint16_t bits) {
  uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  uint32_t exponent = (bits >> 10) & 0x1f, mantissa = bits & 0x3ff;
  if (exponent == 0) {
    float magnitude = std::ldexp(static_cast<float>(mantissa), -24);
    return sign ? -magnitude : magnitude;
  }
  if (exponent == 31)
    return floatFromBits(sign | 0x7f800000u | (mantissa << 13));
  return floatFromBits(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

uint16_t fsdprt::floatToHalf(float value) {
  uint32_t bits = bitsOfFloat(value);
  uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u)
    return sign | 0x7e00;
  if (magnitude >= 0x477ff000u) // rounds to 65536 or is infinite
    return sign | 0x7c00;
  if (magnitude < 0x38800000u) { // subnormal: units of 2^-24, ties to even
    float scaled = std::ldexp(floatFromBits(magnitude), 24);
    return sign | static_cast<uint16_t>(std::nearbyint(scaled));
  }
  uint32_t rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);
  return sign | static_cast<uint16_t>((rounded - 0x38000000u) >> 13);
}

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

namespace {

/// A stored element and the type it is summed in.
template <typename T, typename Sum = T> struct Plain {
  using Storage = T;
  using Accumulator = Sum;
  static Sum widen(T value) { return static_cast<Sum>(value); }
  static T narrow(Sum value) { return static_cast<T>(value); }
};

struct BFloat16 {
  using Storage = uint16_t;
  using Accumulator = float;
  static float widen(uint16_t bits) { return bfloat16ToFloat(bits); }
  static uint16_t narrow(float value) { return floatToBfloat16(value); }
};

struct Half {
  using Storage = uint16_t;
  using Accumulator = float;
  static float widen(uint16_t bits) { return halfToFloat(bits); }
  static uint16_t narrow(float value) { return floatToHalf(value); }
};

template <typename Traits> double loadElement(const void *at) {
  typename Traits::Storage value;
  std::memcpy(&value, at, sizeof(value));
  return static_cast<double>(Traits::widen(value));
}

template <typename Traits> void storeElement(void *at, double value) {
  auto narrowed =
      Traits::narrow(static_cast<typename Traits::Accumulator>(value));
  std::memcpy(at, &narrowed, sizeof(narrowed));
}

/// Works in blocks that stay in cache; a block is read from every part before
/// it is written, so `out` may be one of the parts.
template <typename Traits>
void sumParts(void *out, const void *const *parts, int numParts,
              int64_t count) {
  using Storage = typename Traits::Storage;
  constexpr int64_t blockSize = 2048;
  typename Traits::Accumulator sums[blockSize];
  for (int64_t begin = 0; begin < count; begin += blockSize) {
    int64_t size = std::min(blockSize, count - begin);
    const Storage *first = static_cast<const Storage *>(parts[0]) + begin;
    for (int64_t i = 0; i < size; ++i)
      sums[i] = Traits::widen(first[i]);
    for (int part = 1; part < numParts; ++part) {
      const Storage *next = static_cast<const Storage *>(parts[part]) + begin;
      for (int64_t i = 0; i < size; ++i)
        sums[i] += Traits::widen(next[i]);
    }
    Storage *to = static_cast<Storage *>(out) + begin;
    for (int64_t i = 0; i < size; ++i)
      to[i] = Traits::narrow(sums[i]);
  }
}

template <typename Traits>
constexpr DTypeInfo entry(int32_t dtype, const char *name,
                          const char *safetensorsName, bool isFloat,
                          bool canSum) {
  return {dtype,
          name,
          safetensorsName,
          sizeof(typename Traits::Storage),
          isFloat,
          loadElement<Traits>,
          storeElement<Traits>,
          canSum ? sumParts<Traits> : nullptr};
}

const DTypeInfo table[] = {
    entry<Plain<float>>(FSDPRT_F32, "f32", "F32", true, true),
    entry<Plain<double>>(FSDPRT_F64, "f64", "F64", true, true),
    entry<BFloat16>(FSDPRT_BF16, "bf16", "BF16", true, true),
    entry<Half>(FSDPRT_F16, "f16", "F16", true, true),
    entry<Plain<int64_t>>(FSDPRT_I64, "i64", "I64", false, true),
    entry<Plain<int32_t>>(FSDPRT_I32, "i32", "I32", false, true),
    entry<Plain<int8_t>>(FSDPRT_I8, "i8", "I8", false, false),
    entry<Plain<uint8_t>>(FSDPRT_BOOL, "bool", "BOOL", false, false),
};

} // namespace

const DTypeInfo *fsdprt::lookupDType(int32_t dtype) {
  for (const DTypeInfo &info : table)
    if (info.dtype == dtype)
      return &info;
  return nullptr;
}

Expected<int32_t> fsdprt::parseDType(const std::string &name) {
  for (const DTypeInfo &info : table)
    if (name == info.name)
      return info.dtype;
  return failure("unknown dtype '", name,
                 "', expected one of f32, f64, bf16, f16, i64, i32, i8, bool");
}

Expected<int32_t> fsdprt::parseSafetensorsDType(const std::string &name) {
  for (const DTypeInfo &info : table)
    if (name == info.safetensorsName)
      return info.dtype;
  return failure("unsupported dtype '", name,
                 "', expected one of F32, F64, BF16, F16, I64, I32, I8, BOOL");
}

int64_t fsdprt::sizeOfDType(int32_t dtype) {
  const DTypeInfo *info = lookupDType(dtype);
  return info ? info->size : 0;
}

void fsdprt::convertElements(int32_t toDType, void *to, int32_t fromDType,
                             const void *from, int64_t count) {
  const DTypeInfo *toInfo = lookupDType(toDType);
  const DTypeInfo *fromInfo = lookupDType(fromDType);
  if (toDType == fromDType) {
    std::memcpy(to, from, count * toInfo->size);
    return;
  }
  for (int64_t i = 0; i < count; ++i)
    toInfo->store(
        static_cast<char *>(to) + i * toInfo->size,
        fromInfo->load(static_cast<const char *>(from) + i * fromInfo->size));
}
