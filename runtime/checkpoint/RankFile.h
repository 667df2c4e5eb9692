//===- RankFile.h - A rank's file of a checkpoint ---------------*- C++ -*-===//

#ifndef FSDPRT_CHECKPOINT_RANKFILE_H
#define FSDPRT_CHECKPOINT_RANKFILE_H

#include "checkpoint/Contents.h"

#include <functional>

namespace fsdprt {

/// What a rank tells of the file that it has written.
struct WrittenFile {
  int64_t bytes = 0;
  uint64_t sum = 0;
};

/// Bytes [offset, offset + count) of an arena, as they are now.
using ReadArena = std::function<Status(int32_t arena, int64_t offset,
                                       int64_t count, void *to)>;

/// Writes and syncs `folder`/rank-R.safetensors, piece by piece of `staging`
/// bytes, in which memory is copied before it is written.
Expected<WrittenFile> writeRankFile(const std::string &folder, int rank,
                                    int64_t step,
                                    const std::vector<StoredPart> &parts,
                                    char *staging, int64_t stagingBytes,
                                    const ReadArena &read);

} // namespace fsdprt

#endif // FSDPRT_CHECKPOINT_RANKFILE_H
