//===- SampledSum.h - A sum that tells one file from another ----*- C++ -*-===//
//
// The compiler writes it into the manifest, the runtime compares it when it
// loads. Of large parameters only samples are read, so that it costs next to
// nothing for a file of 100 GB: another model's weights differ in all samples,
// a few bytes changed between them go unseen.
//
//===----------------------------------------------------------------------===//
#ifndef FSDPRT_ABI_SAMPLEDSUM_H
#define FSDPRT_ABI_SAMPLEDSUM_H

#include <cstdint>
#include <vector>

namespace fsdprt {
/// 64-bit FNV-1a over the length and the bytes of a parameter: all of up to
/// 256 KiB, else 64 blocks of 4 KiB spread evenly, the first and last ones
/// among them. `read(offset, count, to)` gives the bytes.
template <typename Read> uint64_t sampledSum(int64_t bytes, Read read) {
  constexpr int64_t block = 4096, blocks = 64;
  uint64_t sum = 0xcbf29ce484222325;
  auto add = [&](const char *data, int64_t count) {
    for (int64_t i = 0; i < count; ++i)
      sum = (sum ^ uint8_t(data[i])) * 0x100000001b3;
  };
  add(reinterpret_cast<const char *>(&bytes), sizeof(bytes));
  bool whole = bytes <= block * blocks;
  std::vector<char> data(block);
  for (int64_t i = 0; i < blocks; ++i) {
    int64_t begin = whole ? i * block : (bytes - block) / (blocks - 1) * i;
    if (!whole && i == blocks - 1)
      begin = bytes - block;
    int64_t count = bytes - begin < block ? bytes - begin : block;
    if (count <= 0)
      break;
    read(begin, count, data.data());
    add(data.data(), count);
  }
  return sum;
}
} // namespace fsdprt

#endif // FSDPRT_ABI_SAMPLEDSUM_H
