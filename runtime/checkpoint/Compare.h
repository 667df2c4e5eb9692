//===- Compare.h - May a run go on from a checkpoint ------------*- C++ -*-===//

#ifndef FSDPRT_CHECKPOINT_COMPARE_H
#define FSDPRT_CHECKPOINT_COMPARE_H

#include "checkpoint/Reader.h"

namespace fsdprt {

/// Fails, with what differs, unless model, optimizer, vocabulary, data, their
/// order and its seed are those of the checkpoint. Mesh, placement and schedule
/// may be others.
Status checkSameRun(const CheckpointReader &checkpoint,
                    const CheckpointIndex &run);

/// The same of model, optimizer and vocabulary alone.
Status checkSameStates(const CheckpointReader &checkpoint,
                       const CheckpointIndex &program);

} // namespace fsdprt

#endif // FSDPRT_CHECKPOINT_COMPARE_H
