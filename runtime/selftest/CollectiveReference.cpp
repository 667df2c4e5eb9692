//===- CollectiveReference.cpp - Collectives over the control channel -----===//

#include "selftest/Checks.h"

#include "comm/Collective.h"
#include "selftest/Numbers.h"

#include <algorithm>
#include <cmath>

using namespace fsdprt;
using namespace fsdprt::selftest;

/// Elements at a time.
static constexpr int64_t kBlock = 1024;

namespace {
class CollectiveReference : public Check {
public:
  CollectiveReference(CollectiveKind kind, const fsdprt_collective_desc &desc,
                      Control &control, int rank)
      : kind(kind), desc(desc), control(control), rank(rank) {}

  Expected<Difference> compare(const HostArguments &before,
                               const HostArguments &after) override;

private:
  bool sums() const { return kind != CollectiveKind::AllGather; }
  int result() const { return kind == CollectiveKind::AllReduce ? 0 : 1; }
  void addMagnitudes(const HostArguments &before, const HostBuffer &parts,
                     const fsdprt_segment &segment, int64_t first,
                     int64_t count, double *sums) const;
  Difference compareSegment(const HostArguments &before,
                            const HostBuffer &parts,
                            const fsdprt_segment &segment, const char *actual,
                            const char *expected) const;
  Difference compareSums(const HostArguments &before, const HostBuffer &parts,
                         const char *actual, const char *expected) const;

  const CollectiveKind kind;
  const fsdprt_collective_desc &desc;
  Control &control;
  const int rank;
};
} // namespace

/// Of elements [first, first + count) of a segment: the sums of all ranks'
/// |parts|. The rank's own is where it was, the others are in the scratch
/// (Collective.cpp).
void CollectiveReference::addMagnitudes(const HostArguments &before,
                                        const HostBuffer &parts,
                                        const fsdprt_segment &segment,
                                        int64_t first, int64_t count,
                                        double *sums) const {
  double values[kBlock];
  std::fill(sums, sums + count, 0);
  for (int part = 0; part < control.numRanks(); ++part) {
    const void *from = parts.data();
    int64_t at = part * desc.count + segment.offset + first;
    if (part == rank) {
      from = before[0].data();
      at = segment.offset + first;
      if (kind == CollectiveKind::ReduceScatter)
        at = control.numRanks() * segment.offset + rank * segment.count + first;
    }
    toDoubles(desc.dtype, from, at, count, values);
    for (int64_t i = 0; i < count; ++i)
      sums[i] += std::fabs(values[i]);
  }
}

/// A sum of N in any order, each addition rounded to the type (NCCL adds bf16
/// in bf16), errs by at most N - 1 halves of an ulp of the magnitudes' sum
/// (Higham, Accuracy and Stability, 4.2); the expected one is rounded once.
Difference CollectiveReference::compareSegment(const HostArguments &before,
                                               const HostBuffer &parts,
                                               const fsdprt_segment &segment,
                                               const char *actual,
                                               const char *expected) const {
  const double allowedOfOne =
      control.numRanks() * toleranceOf(desc.dtype).ulp / 2;
  double a[kBlock], e[kBlock], sums[kBlock];
  Difference worst;
  for (int64_t first = 0; first < segment.count; first += kBlock) {
    int64_t count = std::min(kBlock, segment.count - first);
    int64_t at = segment.offset + first;
    toDoubles(desc.dtype, actual, at, count, a);
    toDoubles(desc.dtype, expected, at, count, e);
    addMagnitudes(before, parts, segment, first, count, sums);
    for (int64_t i = 0; i < count; ++i) {
      double allowed = allowedOfOne * sums[i];
      double ratio = errorRatio(a[i], e[i], allowed);
      if (worst.element < 0 || ratio > worst.ratio)
        worst = {ratio, at + i, a[i], e[i], allowed, ""};
    }
  }
  return worst;
}

/// Segment by segment; a reduce-scatter zeroes what is between them.
Difference CollectiveReference::compareSums(const HostArguments &before,
                                            const HostBuffer &parts,
                                            const char *actual,
                                            const char *expected) const {
  const int64_t size = sizeOfDType(desc.dtype);
  Difference worst;
  int64_t end = 0;
  auto compareGap = [&](int64_t begin) {
    worst.keep(compareBytes(actual + end * size, expected + end * size,
                            (begin - end) * size));
  };
  const fsdprt_segment whole = {0, desc.count};
  const bool isWhole = desc.num_segments == 0;
  for (int64_t s = 0; s < (isWhole ? 1 : desc.num_segments); ++s) {
    const fsdprt_segment &segment = isWhole ? whole : desc.segments[s];
    compareGap(segment.offset);
    worst.keep(compareSegment(before, parts, segment, actual, expected));
    end = segment.offset + segment.count;
  }
  compareGap(desc.count);
  return worst;
}

Expected<Difference> CollectiveReference::compare(const HostArguments &before,
                                                  const HostArguments &after) {
  const int ranks = control.numRanks();
  const int64_t lineBytes = ranks * desc.count * sizeOfDType(desc.dtype);
  // As the CPU's device is given it: with scratch for the parts of a sum.
  fsdprt_collective_desc given = desc;
  std::vector<fsdprt_arg> args(desc.op.args, desc.op.args + desc.op.num_args);
  HostArguments memory;
  for (const HostBuffer &argument : before)
    memory.push_back(argument.copy());
  bool hasScratch = sums() && int(args.size()) > result() + 1;
  if (sums() && !hasScratch) {
    args.push_back({0, FSDPRT_ACCESS_SCRATCH, 0, lineBytes, -1});
    memory.emplace_back();
  }
  if (sums())
    memory.back() = HostBuffer(lineBytes);
  given.op.args = args.data();
  given.op.num_args = int32_t(args.size());
  given.comm = 0;
  auto collective =
      Collective::create(kind, given, pointersTo(memory).data(), rank, ranks);
  if (!collective.ok())
    return collective.status();
  if (ranks > 1)
    FSDPRT_RETURN_IF_ERROR(control.exchange(collective->transfers()));
  collective->finish();
  const char *actual = after[result()].data(),
             *expected = memory[result()].data();
  if (sums() && ranks > 1)
    return compareSums(before, memory.back(), actual, expected);
  return compareBytes(actual, expected, after[result()].size());
}

std::unique_ptr<Check>
selftest::checkExchange(CollectiveKind kind, const fsdprt_collective_desc &desc,
                        Control &control, int rank) {
  return std::make_unique<CollectiveReference>(kind, desc, control, rank);
}
