//===- LoadStates.h - The optimizer's states of a checkpoint ----*- C++ -*-===//

#ifndef FSDPRT_CHECKPOINT_LOADSTATES_H
#define FSDPRT_CHECKPOINT_LOADSTATES_H

#include "checkpoint/Reader.h"

namespace fsdprt {

/// Writes bytes [offset, offset + count) of an arena.
using WriteArena = std::function<Status(int32_t arena, int64_t offset,
                                        int64_t count, const void *from)>;

/// Fills the rank's states of all lines, as checkSameRun has found them; what
/// is no parameter's (padding) stays.
Status loadStates(const CheckpointReader &checkpoint, const Manifest &manifest,
                  int rank, const WriteArena &write);

} // namespace fsdprt

#endif // FSDPRT_CHECKPOINT_LOADSTATES_H
