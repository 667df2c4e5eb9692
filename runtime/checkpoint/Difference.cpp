//===- Difference.cpp - How far two checkpoints are apart -----------------===//

#include "checkpoint/Difference.h"

#include "checkpoint/Pieces.h"
#include "core/DType.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace fsdprt;

/// Whether `b` has the same of a parameter of `a`.
static Status checkCounterpart(const CheckpointReader &a,
                               const CheckpointParameter &parameter,
                               const CheckpointReader &b) {
  const CheckpointParameter *other = b.find(parameter.names[0]);
  if (!other)
    return failure("'", b.folder(), "' has no parameter '", parameter.names[0],
                   "', which '", a.folder(), "' has");
  if (other->shape != parameter.shape)
    return failure("parameter '", parameter.names[0], "' has shape ",
                   shapeString(parameter.shape), " in '", a.folder(), "' and ",
                   shapeString(other->shape), " in '", b.folder(), "'");
  auto namesOf = [](const CheckpointParameter &one) {
    std::string names;
    for (const CheckpointState &state : one.states)
      names += (names.empty() ? "" : ", ") + state.name +
               (state.elements < 0
                    ? ""
                    : " of " + std::to_string(state.elements) + " elements");
    return names.empty() ? "none" : names;
  };
  if (namesOf(parameter) != namesOf(*other))
    return failure("parameter '", parameter.names[0], "' has the states ",
                   namesOf(parameter), " in '", a.folder(), "' and ",
                   namesOf(*other), " in '", b.folder(), "'");
  return Status();
}

namespace {
/// What pieces of two planes add up to.
struct Extremes {
  double difference = 0, value = 0;
  int64_t different = 0;

  void add(double x, double y) {
    if (x == y || (std::isnan(x) && std::isnan(y))) {
      value = std::isfinite(x) ? std::max(value, std::fabs(x)) : value;
      return;
    }
    ++different;
    value = std::max({value, std::fabs(x), std::fabs(y)});
    double apart = std::fabs(x - y);
    difference = std::isfinite(apart) ? std::max(difference, apart)
                                      : std::numeric_limits<double>::infinity();
  }
  double relative() const {
    return std::isfinite(difference) && value > 0 ? difference / value
                                                  : difference;
  }
};
} // namespace

/// One plane, which both have.
static Status addPlane(Extremes &extremes, const CheckpointReader &a,
                       const CheckpointParameter &inA,
                       const std::string &planeA, const CheckpointReader &b,
                       const CheckpointParameter &inB,
                       const std::string &planeB) {
  std::vector<double> values;
  return inPieces(
      a, planeA, inA, FSDPRT_F64,
      [&](int64_t at, const void *data, int64_t bytes) {
        int64_t first = at / int64_t(sizeof(double));
        int64_t count = bytes / int64_t(sizeof(double));
        values.resize(size_t(count));
        FSDPRT_RETURN_IF_ERROR(b.read(planeB, inB, first, first + count,
                                      FSDPRT_F64, values.data()));
        for (int64_t i = 0; i < count; ++i)
          extremes.add(static_cast<const double *>(data)[i], values[size_t(i)]);
        return Status();
      });
}

Expected<std::vector<PlaneDifference>>
fsdprt::compareCheckpoints(const CheckpointReader &a,
                           const CheckpointReader &b) {
  for (auto [one, other] : {std::make_pair(&a, &b), std::make_pair(&b, &a)})
    for (const CheckpointParameter &parameter : one->index().parameters)
      FSDPRT_RETURN_IF_ERROR(checkCounterpart(*one, parameter, *other));
  std::vector<PlaneDifference> found;
  for (const CheckpointParameter &inA : a.index().parameters) {
    const CheckpointParameter &inB = *b.find(inA.names[0]);
    std::vector<CheckpointState> planesA = planesOf(inA),
                                 planesB = planesOf(inB);
    for (size_t i = 0; i < planesA.size(); ++i) {
      Extremes extremes;
      FSDPRT_RETURN_IF_ERROR(
          addPlane(extremes, a, inA, planesA[i].name, b, inB, planesB[i].name));
      found.push_back({planesA[i].name + "/" + inA.names[0],
                       extremes.relative(), extremes.different});
    }
  }
  return found;
}
