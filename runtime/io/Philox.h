//===- Philox.h - Counter-based random numbers ------------------*- C++ -*-===//

#ifndef FSDPRT_IO_PHILOX_H
#define FSDPRT_IO_PHILOX_H

#include <array>
#include <cmath>
#include <cstdint>
#include <string>

namespace fsdprt {

/// Philox4x32-10 (Salmon et al., SC 2011): 128 random bits from a 128-bit
/// counter and a 64-bit key, no state.
inline std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter,
                                      uint64_t seed) {
  uint32_t key0 = uint32_t(seed), key1 = uint32_t(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    uint64_t product0 = uint64_t(0xD2511F53u) * counter[0];
    uint64_t product1 = uint64_t(0xCD9E8D57u) * counter[2];
    counter = {uint32_t(product1 >> 32) ^ counter[1] ^ key0, uint32_t(product1),
               uint32_t(product0 >> 32) ^ counter[3] ^ key1,
               uint32_t(product0)};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

/// FNV-1a, 64 bits: the stream number of a parameter is its name's.
inline uint64_t hashName(const std::string &name) {
  uint64_t hash = 0xcbf29ce484222325ull;
  for (unsigned char c : name)
    hash = (hash ^ c) * 0x100000001b3ull;
  return hash;
}

/// The four random words that elements [4 * group, 4 * group + 4) share.
inline std::array<uint32_t, 4> philoxOf(uint64_t seed, uint64_t stream,
                                        uint64_t group) {
  return philox({uint32_t(group), uint32_t(group >> 32), uint32_t(stream),
                 uint32_t(stream >> 32)},
                seed);
}

/// Four standard normal numbers (Box-Muller) from four words.
inline std::array<double, 4> normals(const std::array<uint32_t, 4> &words) {
  std::array<double, 4> result;
  for (int pair = 0; pair < 2; ++pair) {
    // (0, 1]: the logarithm is finite.
    double u = (words[2 * pair] + 1.0) * 0x1p-32;
    double angle = words[2 * pair + 1] * (0x1p-32 * 6.283185307179586);
    double radius = std::sqrt(-2.0 * std::log(u));
    result[2 * pair] = radius * std::cos(angle);
    result[2 * pair + 1] = radius * std::sin(angle);
  }
  return result;
}

} // namespace fsdprt

#endif // FSDPRT_IO_PHILOX_H
