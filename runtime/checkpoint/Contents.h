//===- Contents.h - What of a rank's memory is saved ------------*- C++ -*-===//
//
// A checkpoint is taken at the end of a step: then shards and the optimizer's
// states are all that there is. FORMAT.md says what the files look like.
//
//===----------------------------------------------------------------------===//

#ifndef FSDPRT_CHECKPOINT_CONTENTS_H
#define FSDPRT_CHECKPOINT_CONTENTS_H

#include "checkpoint/Index.h"
#include "core/Manifest.h"

namespace fsdprt {

/// A rank's elements of one plane of one parameter, where they are: in an
/// arena, or in the manifest.
struct StoredPart {
  std::string name; // of the tensor: "exp_avg/wte.weight"
  int32_t dtype = 0;
  int64_t elements = 0;
  int32_t arena = -1; // -1: `data`
  int64_t offset = 0; // bytes in the arena
  const char *data = nullptr;

  int64_t bytes() const;
};

/// In the order of its file: lines as they are likely to be updated next.
std::vector<StoredPart> partsOfRank(const Manifest &manifest, int rank);

/// The parameters with their states, and which elements each rank's file has.
std::vector<CheckpointParameter> describeParameters(const Manifest &manifest);

/// "flat", "dim0", or "mixed".
std::string placementOf(const Manifest &manifest);

} // namespace fsdprt

#endif // FSDPRT_CHECKPOINT_CONTENTS_H
