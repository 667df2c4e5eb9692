//===- Difference.h - How far two checkpoints are apart ---------*- C++ -*-===//

#ifndef FSDPRT_CHECKPOINT_DIFFERENCE_H
#define FSDPRT_CHECKPOINT_DIFFERENCE_H

#include "checkpoint/Reader.h"

namespace fsdprt {

/// Of one plane of one parameter.
struct PlaneDifference {
  std::string name; // "exp_avg/wte.weight"
  /// The largest |a - b|, divided by the largest |a| or |b|; infinite where one
  /// has NaN or an infinity that the other has not.
  double relative = 0;
  int64_t different = 0; // elements that are not equal
};

/// All planes that both have, in the order of `a`. Fails where one has a
/// parameter or a state that the other has not, or another shape.
Expected<std::vector<PlaneDifference>>
compareCheckpoints(const CheckpointReader &a, const CheckpointReader &b);

} // namespace fsdprt

#endif // FSDPRT_CHECKPOINT_DIFFERENCE_H
