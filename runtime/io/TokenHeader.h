//===- TokenHeader.h - Where a file's tokens begin --------------*- C++ -*-===//

#ifndef FSDPRT_IO_TOKENHEADER_H
#define FSDPRT_IO_TOKENHEADER_H

#include "io/Safetensors.h"

namespace fsdprt {

/// How the tokens of a file stand in it: little-endian numbers, one after the
/// other up to its end.
struct TokenLayout {
  int tokenBytes = 1;      // 1, 2, 4 or 8
  int64_t dataOffset = 0;  // bytes in the file
  bool isDeclared = false; // a header says it, not the name alone
};

/// Whether the file begins as numpy's files do.
bool isNpy(const InputFile &file);

/// Of numpy's .npy (versions 1.0 to 3.0): one dimension of unsigned integers in
/// C order, and as many bytes as the shape says; anything else is refused.
Expected<TokenLayout> layoutOfNpy(const InputFile &file);

/// Of a .bin: 16-bit tokens, alone as nanoGPT writes them, or behind
/// modded-nanogpt's header of 256 int32 (20240520, version 1, the number of
/// tokens), which must agree with the file's size.
Expected<TokenLayout> layoutOfBin(const InputFile &file);

} // namespace fsdprt

#endif // FSDPRT_IO_TOKENHEADER_H
