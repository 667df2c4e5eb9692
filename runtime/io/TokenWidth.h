//===- TokenWidth.h - Token files of another width --------------*- C++ -*-===//

#ifndef FSDPRT_IO_TOKENWIDTH_H
#define FSDPRT_IO_TOKENWIDTH_H

#include <cstdint>
#include <string>

namespace fsdprt {

/// How many bytes of a file are looked at, at most.
constexpr int64_t kBytesThatTellWidth = 1 << 16;

/// What a token file looks like, if not like ids of `tokenBytes` each, which
/// its name says: that its beginning is ids of the vocabulary when it is read
/// as 64-bit, as 32-bit (of a .u16) or as 16-bit ones (of a .u32, which then
/// has an id beyond the vocabulary), or that 16 bits do not hold the
/// vocabulary. "" if nothing is to be said. `data` is the file's beginning,
/// `bytes` its size.
std::string widthHint(const unsigned char *data, int64_t bytes, int tokenBytes,
                      int64_t vocabSize);

} // namespace fsdprt

#endif // FSDPRT_IO_TOKENWIDTH_H
