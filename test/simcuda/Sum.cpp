//===- Sum.cpp - Sums as NCCL's kernels make them -------------------------===//

#include "test/simcuda/Sum.h"
#include "test/simcuda/Numbers.h"

using namespace fsdprt::cuda;

uint64_t simcuda::bytesOf(ncclDataType_t type) {
  switch (type) {
  case ncclInt8:
  case ncclUint8:
    return 1;
  case ncclFloat16:
  case ncclBfloat16:
    return 2;
  case ncclInt32:
  case ncclFloat32:
    return 4;
  case ncclInt64:
  case ncclFloat64:
    return 8;
  }
  return 0;
}

template <typename T, typename Add>
static void addEach(char *to, const char *from, uint64_t count, Add add) {
  for (uint64_t i = 0; i < count; ++i) {
    T a, b;
    std::memcpy(&a, to + i * sizeof(T), sizeof(T));
    std::memcpy(&b, from + i * sizeof(T), sizeof(T));
    a = add(a, b);
    std::memcpy(to + i * sizeof(T), &a, sizeof(T));
  }
}

void simcuda::addTo(char *to, const char *from, uint64_t count,
                    ncclDataType_t type) {
  auto plain = [](auto a, auto b) { return a + b; };
  switch (type) {
  case ncclInt8:
  case ncclUint8:
    return addEach<uint8_t>(to, from, count, plain);
  case ncclInt32:
    return addEach<uint32_t>(to, from, count, plain);
  case ncclInt64:
    return addEach<uint64_t>(to, from, count, plain);
  case ncclFloat32:
    return addEach<float>(to, from, count, plain);
  case ncclFloat64:
    return addEach<double>(to, from, count, plain);
  case ncclFloat16:
    return addEach<uint16_t>(to, from, count, [](uint16_t a, uint16_t b) {
      return toF16(fromF16(a) + fromF16(b));
    });
  case ncclBfloat16:
    return addEach<uint16_t>(to, from, count, [](uint16_t a, uint16_t b) {
      return toBf16(fromBf16(a) + fromBf16(b));
    });
  }
}
