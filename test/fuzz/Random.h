//===- Random.h - The choices of a mutation ---------------------*- C++ -*-===//
#ifndef FSDP_TEST_FUZZ_RANDOM_H
#define FSDP_TEST_FUZZ_RANDOM_H

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <string>

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

namespace fsdp::fuzz {
/// The choices of one mutation, from libFuzzer's seed alone.
class Random {
public:
  explicit Random(unsigned seed) : engine(seed) {}
  /// A number in [0, count); 0 where there is nothing to choose from.
  int below(int count) { return count > 1 ? int(engine() % count) : 0; }
  bool oneIn(int count) { return below(count) == 0; }
  template <typename T, size_t N> const T &of(const T (&table)[N]) {
    return table[below(N)];
  }
  template <typename Field> auto *in(Field *field) {
    return field->empty() ? nullptr : field->Mutable(below(field->size()));
  }

private:
  std::minstd_rand engine;
};

/// Numbers at which axes, extents, counts and offsets go wrong.
inline constexpr int64_t interesting[] = {0,
                                          1,
                                          -1,
                                          2,
                                          -2,
                                          3,
                                          4,
                                          -5,
                                          7,
                                          8,
                                          64,
                                          -100,
                                          255,
                                          1000,
                                          1 << 16,
                                          (int64_t(1) << 31) - 1,
                                          int64_t(1) << 31,
                                          -(int64_t(1) << 31),
                                          int64_t(1) << 32,
                                          int64_t(1) << 40,
                                          int64_t(1) << 62,
                                          std::numeric_limits<int64_t>::max(),
                                          std::numeric_limits<int64_t>::min()};

/// `text` with bytes changed by libFuzzer.
inline std::string changedText(std::string text, size_t longest = 4096) {
  size_t size = std::min(text.size(), longest);
  text.resize(longest);
  auto *data = reinterpret_cast<uint8_t *>(text.data());
  text.resize(LLVMFuzzerMutate(data, size, longest));
  return text;
}
} // namespace fsdp::fuzz

#endif // FSDP_TEST_FUZZ_RANDOM_H
