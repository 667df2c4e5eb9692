//===- Describe.h - What a checkpoint is, for people ------------*- C++ -*-===//

#ifndef FSDPRT_CHECKPOINT_DESCRIBE_H
#define FSDPRT_CHECKPOINT_DESCRIBE_H

#include "checkpoint/Reader.h"

namespace fsdprt {

/// A line for each complete checkpoint of a folder: step, rows, ranks, bytes,
/// model. One that cannot be read is a line that says why.
Expected<std::string> describeFolder(const std::string &folder);

/// What fsdp-ckpt show says of one.
std::string describeCheckpoint(const CheckpointReader &checkpoint);

} // namespace fsdprt

#endif // FSDPRT_CHECKPOINT_DESCRIBE_H
