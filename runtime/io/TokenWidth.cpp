//===- TokenWidth.cpp - Token files of another width ----------------------===//

#include "io/TokenWidth.h"

#include <algorithm>
#include <cstring>

using namespace fsdprt;

/// Whether all ids of `width` bytes each at the beginning are below
/// `vocabSize`, and half of them are not 0, which padding is at any width.
static bool holdsIds(const unsigned char *data, int64_t bytes, int width,
                     int64_t vocabSize) {
  int64_t others = 0;
  for (int64_t at = 0; at + width <= bytes; at += width) {
    uint64_t id = 0;
    std::memcpy(&id, data + at, width); // little-endian, as the host
    if (id >= uint64_t(vocabSize))
      return false;
    others += id != 0;
  }
  return others >= bytes / width / 2;
}

std::string fsdprt::widthHint(const unsigned char *data, int64_t bytes,
                              int tokenBytes, int64_t vocabSize) {
  constexpr int64_t fewest = 64; // bytes that tell
  int64_t sample = std::min(bytes, kBytesThatTellWidth) / 8 * 8;
  bool isTelling = sample >= fewest && bytes % 4 == 0;
  if (isTelling && bytes % 8 == 0 && holdsIds(data, sample, 8, vocabSize))
    return "it looks like 64-bit ids, numpy's int64: write them as uint32 "
           "(.u32) or uint16 (.u16)";
  if (tokenBytes == 2 && isTelling && holdsIds(data, sample, 4, vocabSize))
    return "it looks like 32-bit ids: name it .u32 if it holds them";
  if (tokenBytes == 4 && isTelling && !holdsIds(data, sample, 4, vocabSize) &&
      holdsIds(data, sample, 2, vocabSize))
    return "it looks like 16-bit ids: name it .u16 if it holds them";
  if (tokenBytes == 2 && vocabSize > int64_t(1) << 16)
    return "the vocabulary of " + std::to_string(vocabSize) +
           " does not fit into 16 bits: write ids above 65535 as .u32";
  return "";
}
