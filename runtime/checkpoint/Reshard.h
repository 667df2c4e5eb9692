//===- Reshard.h - A checkpoint of other ranks ------------------*- C++ -*-===//

#ifndef FSDPRT_CHECKPOINT_RESHARD_H
#define FSDPRT_CHECKPOINT_RESHARD_H

#include "checkpoint/Reader.h"

namespace fsdprt {

/// The index of the same checkpoint for `ranks` ranks, each with an equal part
/// of every parameter; the mesh is one axis, "shard".
CheckpointIndex dividedEqually(const CheckpointIndex &index, int ranks);

/// The same for the ranks of a program, each with the elements that it owns
/// there. Fails where the program has other parameters.
Expected<CheckpointIndex> dividedFor(const CheckpointReader &checkpoint,
                                     const Manifest &program);

/// Writes `folder`/step-N with the checkpoint's values in the files of `index`.
/// Bit for bit: only where elements stand differs. Returns the new folder.
Expected<std::string> reshard(const CheckpointReader &checkpoint,
                              CheckpointIndex index, const std::string &folder);

} // namespace fsdprt

#endif // FSDPRT_CHECKPOINT_RESHARD_H
