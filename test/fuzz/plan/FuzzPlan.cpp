//===- FuzzPlan.cpp - Fuzzes what fsdp-compile does with plan.mlir --------===//
#include "test/fuzz/plan/Check.h"
#include "test/fuzz/plan/Mutation.h"

#include <cstring>

using namespace fsdp::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static auto *checker = new PlanChecker();
  checker->check(std::string(reinterpret_cast<const char *>(data), size));
  return 0;
}

static size_t mutate(std::string_view text, std::string_view other,
                     uint8_t *data, size_t maxSize, unsigned seed) {
  Random random(seed);
  std::string changed = mutateText(text, other, random);
  size_t size = std::min(changed.size(), maxSize);
  std::memcpy(data, changed.data(), size);
  return size;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size,
                                          size_t maxSize, unsigned seed) {
  return mutate({reinterpret_cast<char *>(data), size}, "", data, maxSize,
                seed);
}

extern "C" size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1,
                                            const uint8_t *data2, size_t size2,
                                            uint8_t *out, size_t maxSize,
                                            unsigned seed) {
  return mutate({reinterpret_cast<const char *>(data1), size1},
                {reinterpret_cast<const char *>(data2), size2}, out, maxSize,
                seed);
}
