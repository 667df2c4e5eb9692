//===- Permutation.h - A shuffle that needs no table ------------*- C++ -*-===//

#ifndef FSDPRT_IO_PERMUTATION_H
#define FSDPRT_IO_PERMUTATION_H

#include "io/Philox.h"

namespace fsdprt {

/// A permutation of [0, size) chosen by a seed, and by which of several it is:
/// a four-round Feistel network over the next even power of two, walked until
/// it falls inside (at most four steps on average). Any rank can ask for any
/// place without the others.
class Permutation {
public:
  Permutation(uint64_t size, uint64_t seed, uint32_t epoch = 0,
              uint32_t source = 0)
      : size(size), seed(seed), epoch(epoch), source(source) {
    while (halfBits < 31 && (uint64_t(1) << (2 * halfBits)) < size)
      ++halfBits;
  }

  uint64_t operator()(uint64_t index) const {
    do
      index = scramble(index);
    while (index >= size);
    return index;
  }

private:
  uint64_t scramble(uint64_t index) const {
    uint32_t mask = uint32_t((uint64_t(1) << halfBits) - 1);
    uint32_t left = uint32_t(index >> halfBits) & mask;
    uint32_t right = uint32_t(index) & mask;
    for (uint32_t round = 0; round < 4; ++round) {
      uint32_t mixed =
          philox({right, round, epoch, 0x7065726d + source}, seed)[0] & mask;
      uint32_t next = left ^ mixed;
      left = right;
      right = next;
    }
    return (uint64_t(left) << halfBits) | right;
  }

  uint64_t size, seed;
  uint32_t epoch, source;
  int halfBits = 1;
};

} // namespace fsdprt

#endif // FSDPRT_IO_PERMUTATION_H
