//===- Mixture.h - Rows of several sources by weight ------------*- C++ -*-===//

#ifndef FSDPRT_IO_MIXTURE_H
#define FSDPRT_IO_MIXTURE_H

#include "core/Status.h"

#include <cstdint>
#include <vector>

namespace fsdprt {

/// Says of each row of a run, counted over all ranks, which source it is from
/// and how many rows of that source were before it. Of every sum-of-weights
/// rows in turn each source gives as many as its weight, spread as evenly as
/// can be (smooth weighted round robin: the source that is furthest behind is
/// next), so that any rank knows it without the others and without chance.
class Mixture {
public:
  struct Place {
    size_t source;
    int64_t row; // of the source
  };

  /// Weights are positive, their sum at most kMostWeight.
  explicit Mixture(std::vector<int64_t> weights);

  Place operator()(int64_t row) const {
    int64_t period = int64_t(turns.size());
    const Place &turn = turns[size_t(row % period)];
    return {turn.source, row / period * weights[turn.source] + turn.row};
  }
  size_t numSources() const { return weights.size(); }
  /// Rows of a source among the first `rows` of the run.
  int64_t rowsOf(size_t source, int64_t rows) const;

  static constexpr int64_t kMostWeight = 10000;

private:
  std::vector<int64_t> weights;
  std::vector<Place> turns; // one period
};

/// "2,1": whole numbers above 0, as many as there are sources.
Expected<std::vector<int64_t>> parseWeights(const std::string &text,
                                            size_t numSources);

} // namespace fsdprt

#endif // FSDPRT_IO_MIXTURE_H
