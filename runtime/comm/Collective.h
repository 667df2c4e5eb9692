//===- Collective.h - Collectives out of exchanges --------------*- C++ -*-===//

#ifndef FSDPRT_COMM_COLLECTIVE_H
#define FSDPRT_COMM_COLLECTIVE_H

#include "comm/CollectiveCheck.h"
#include "comm/Communicator.h"

namespace fsdprt {

/// One collective on the memory of one rank. The transfers are all there is to
/// communicate; finish() then copies the own part and sums in rank order, so
/// the bits do not depend on transport or timing.
class Collective {
public:
  /// `args` are the resolved arguments of `desc`, which is checked.
  static Expected<Collective> create(CollectiveKind kind,
                                     const fsdprt_collective_desc &desc,
                                     void *const *args, int rank, int size);

  std::vector<Transfer> transfers() const;
  void finish() const;
  int channel() const { return comm; }

private:
  void sum(const fsdprt_segment &segment) const;
  void zeroRest() const;

  CollectiveKind kind;
  int comm = 0, rank = 0, size = 1;
  int32_t dtype = 0;
  int64_t count = 0, elementBytes = 0, partBytes = 0;
  std::vector<fsdprt_segment> segments; // one of the whole shard, if no others
  char *args[3] = {nullptr, nullptr, nullptr};
};

} // namespace fsdprt

#endif // FSDPRT_COMM_COLLECTIVE_H
