//===- CollectiveCheck.h - Whether a collective fits ------------*- C++ -*-===//

#ifndef FSDPRT_COMM_COLLECTIVECHECK_H
#define FSDPRT_COMM_COLLECTIVECHECK_H

#include "abi/fsdprt.h"
#include "core/Status.h"

namespace fsdprt {

enum class CollectiveKind { AllGather, ReduceScatter, AllReduce };

/// What holds for a collective on any device: its arguments have the bytes that
/// count and dtype ask for on `size` ranks, its segments lie in the shard.
/// Where sums need memory (the CPU) they have one more argument.
Status checkCollective(CollectiveKind kind, const fsdprt_collective_desc &desc,
                       int size, bool sumsNeedScratch);

} // namespace fsdprt

#endif // FSDPRT_COMM_COLLECTIVECHECK_H
