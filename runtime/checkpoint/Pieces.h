//===- Pieces.h - Whole planes in bounded memory ----------------*- C++ -*-===//

#ifndef FSDPRT_CHECKPOINT_PIECES_H
#define FSDPRT_CHECKPOINT_PIECES_H

#include "checkpoint/Reader.h"

#include <functional>

namespace fsdprt {

/// Elements that are in memory at once.
constexpr int64_t kElementsOfPiece = int64_t(1) << 20;

/// Where the values of a parameter are: kBufferPlane of one that is compiled
/// in.
const char *valuesPlane(const CheckpointParameter &parameter);

/// The same, or with `averaged` the average of one that has it.
const char *exportedPlane(const CheckpointParameter &parameter, bool averaged);

/// Fails unless some parameter has an average.
Status checkHasAverages(const CheckpointIndex &index);

/// All planes of a parameter: its values, then its states.
std::vector<CheckpointState> planesOf(const CheckpointParameter &parameter);

/// Hands over all elements of a plane, as `dtype`, piece by piece: `take(at,
/// data, bytes)`, `at` in bytes.
Status inPieces(const CheckpointReader &checkpoint, const std::string &plane,
                const CheckpointParameter &parameter, int32_t dtype,
                const std::function<Status(int64_t at, const void *data,
                                           int64_t bytes)> &take);

} // namespace fsdprt

#endif // FSDPRT_CHECKPOINT_PIECES_H
