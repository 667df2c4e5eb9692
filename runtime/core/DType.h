//===- DType.h - Element types, in one table --------------------*- C++ -*-===//

#ifndef FSDPRT_CORE_DTYPE_H
#define FSDPRT_CORE_DTYPE_H

#include "abi/fsdprt.h"
#include "core/Status.h"

#include <cstdint>
#include <string>

namespace fsdprt {

/// What the runtime knows about an element type. `parts` are `numParts` arrays
/// of `count` elements; sumInOrder adds them first to last (16-bit floats in
/// f32, rounded once at the end) and may write over one of its parts.
struct DTypeInfo {
  int32_t dtype;
  const char *name;            // in the manifest
  const char *safetensorsName; // in a checkpoint
  int64_t size;                // bytes
  bool isFloat;
  double (*load)(const void *at);
  void (*store)(void *at, double value);
  void (*sumInOrder)(void *out, const void *const *parts, int numParts,
                     int64_t count); // null: no sum for this type
};

/// Null for a number that is no dtype.
const DTypeInfo *lookupDType(int32_t dtype);
Expected<int32_t> parseDType(const std::string &name);
Expected<int32_t> parseSafetensorsDType(const std::string &name);

/// Size in bytes; 0 for a number that is no dtype.
int64_t sizeOfDType(int32_t dtype);

/// Converts `count` elements; the same dtype is a plain copy.
void convertElements(int32_t toDType, void *to, int32_t fromDType,
                     const void *from, int64_t count);

float bfloat16ToFloat(uint16_t bits);
uint16_t floatToBfloat16(float value);
float halfToFloat(uint16_t bits);
uint16_t floatToHalf(float value);

} // namespace fsdprt

#endif // FSDPRT_CORE_DTYPE_H
