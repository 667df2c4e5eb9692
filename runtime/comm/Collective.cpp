//===- Collective.cpp - Collectives out of exchanges ----------------------===//

#include "comm/Collective.h"

#include "core/DType.h"

#include <cstring>

using namespace fsdprt;

Expected<Collective> Collective::create(CollectiveKind kind,
                                        const fsdprt_collective_desc &desc,
                                        void *const *args, int rank, int size) {
  FSDPRT_RETURN_IF_ERROR(
      checkCollective(kind, desc, size, /*sumsNeedScratch=*/true));
  if (desc.comm >= FSDPRT_MAX_COMMS)
    return failure("unknown communicator ", desc.comm, ": the CPU has ",
                   FSDPRT_MAX_COMMS);
  Collective collective;
  collective.kind = kind;
  collective.comm = desc.comm;
  collective.rank = rank;
  collective.size = size;
  collective.dtype = desc.dtype;
  collective.count = desc.count;
  collective.elementBytes = sizeOfDType(desc.dtype);
  collective.partBytes = desc.count * collective.elementBytes;
  if (desc.num_segments > 0 && kind != CollectiveKind::AllReduce)
    collective.segments.assign(desc.segments,
                               desc.segments + desc.num_segments);
  else
    collective.segments = {{0, desc.count}};
  for (int32_t i = 0; i < desc.op.num_args; ++i)
    collective.args[i] = static_cast<char *>(args[i]);
  return collective;
}

std::vector<Transfer> Collective::transfers() const {
  std::vector<Transfer> result;
  result.reserve(segments.size() * size);
  for (const fsdprt_segment &segment : segments)
    for (int peer = 0; peer < size; ++peer) {
      int64_t inShard = segment.offset * elementBytes;
      int64_t bytes = segment.count * elementBytes;
      int64_t inLine = inShard * size + peer * bytes;
      switch (kind) {
      case CollectiveKind::AllGather: // shard -> line
        result.push_back({args[0] + inShard, args[1] + inLine, bytes});
        break;
      case CollectiveKind::AllReduce: // buffer -> scratch
        result.push_back({args[0], args[1] + inLine, bytes});
        break;
      case CollectiveKind::ReduceScatter: // line -> scratch, a shard a rank
        result.push_back(
            {args[0] + inLine, args[2] + peer * partBytes + inShard, bytes});
        break;
      }
    }
  return result;
}

/// Sums the ranks' parts of a segment, in rank order. The own one is where it
/// was, the others are in the scratch.
void Collective::sum(const fsdprt_segment &segment) const {
  bool scatter = kind == CollectiveKind::ReduceScatter;
  int64_t inShard = segment.offset * elementBytes;
  int64_t bytes = segment.count * elementBytes;
  char *scratch = scatter ? args[2] : args[1];
  char *result = (scatter ? args[1] : args[0]) + inShard;
  std::vector<const void *> parts(size);
  for (int part = 0; part < size; ++part)
    parts[part] = scratch + part * partBytes + inShard;
  parts[rank] = args[0] + (scatter ? inShard * size + rank * bytes : 0);
  lookupDType(dtype)->sumInOrder(result, parts.data(), size, segment.count);
}

/// Zeroes what no segment holds of the reduced shard.
void Collective::zeroRest() const {
  int64_t end = 0;
  auto zeroUpTo = [&](int64_t begin) {
    std::memset(args[1] + end * elementBytes, 0, (begin - end) * elementBytes);
  };
  for (const fsdprt_segment &segment : segments) {
    zeroUpTo(segment.offset);
    end = segment.offset + segment.count;
  }
  zeroUpTo(count);
}

void Collective::finish() const {
  if (partBytes == 0)
    return;
  for (const fsdprt_segment &segment : segments) {
    if (kind != CollectiveKind::AllGather) {
      sum(segment);
      continue;
    }
    int64_t inShard = segment.offset * elementBytes;
    int64_t bytes = segment.count * elementBytes;
    char *from = args[0] + inShard;
    char *to = args[1] + inShard * size + rank * bytes;
    if (to != from) // a shard may stand in its line already
      std::memcpy(to, from, bytes);
  }
  if (kind == CollectiveKind::ReduceScatter)
    zeroRest();
}
