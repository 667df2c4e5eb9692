//===- LoadStates.cpp - The optimizer's states of a checkpoint ------------===//

#include "checkpoint/LoadStates.h"

#include "core/DType.h"

#include <algorithm>

using namespace fsdprt;

/// What of a state of `parameter` this rank has.
static OwnedElements ownedOf(const Manifest &manifest, int rank,
                             const ParameterSpec &parameter,
                             const StateSpec &state) {
  if (state.parameter < 0)
    return manifest.ownedElements(parameter, rank);
  OwnedElements all;
  all.end = productOf(state.place.shape);
  return all;
}

/// Piece by piece: a state may be as large as the memory that is left.
static Status loadState(const CheckpointReader &checkpoint,
                        const Manifest &manifest, int rank,
                        const ParameterSpec &parameter, const StateSpec &state,
                        std::vector<char> &staging, const WriteArena &write) {
  const CheckpointParameter *saved = checkpoint.find(parameter.names[0]);
  OwnedElements owned = ownedOf(manifest, rank, parameter, state);
  int64_t size = sizeOfDType(state.place.dtype);
  int64_t piece = int64_t(staging.size()) / size;
  for (int64_t at = owned.begin; at < owned.end; at += piece) {
    int64_t end = std::min(at + piece, owned.end);
    FSDPRT_RETURN_IF_ERROR(checkpoint.read(state.name, *saved, at, end,
                                           state.place.dtype, staging.data()));
    FSDPRT_RETURN_IF_ERROR(
        write(state.place.arena,
              state.place.offset + (owned.inShard + at - owned.begin) * size,
              (end - at) * size, staging.data()));
  }
  return Status();
}

Status fsdprt::loadStates(const CheckpointReader &checkpoint,
                          const Manifest &manifest, int rank,
                          const WriteArena &write) {
  std::vector<char> staging(4 << 20);
  for (const UnitSpec &unit : manifest.units)
    for (const LineSpec &line : unit.lines)
      for (const StateSpec &state : line.states)
        for (int index : line.parameters)
          if (state.isOf(index))
            FSDPRT_RETURN_IF_ERROR(loadState(checkpoint, manifest, rank,
                                             manifest.parameters[index], state,
                                             staging, write));
  return Status();
}
