//===- Collective.cpp - Collectives out of exchanges ----------------------===//

#include "comm/Collective.h"

#include "core/DType.h"

#include <cstring>

using namespace fsdprt;

/// Bytes of each argument, in parts (count elements): see fsdprt.h.
static std::vector<int64_t> expectedParts(CollectiveKind kind, int size) {
  switch (kind) {
  case CollectiveKind::AllGather:
    return {1, size};
  case CollectiveKind::ReduceScatter:
    return {size, 1, size};
  case CollectiveKind::AllReduce:
    return {1, size};
  }
  return {};
}

Status Collective::checkSegments(const fsdprt_collective_desc &desc) {
  if (desc.num_segments < 0 || (desc.num_segments > 0 && !desc.segments))
    return failure("it has ", desc.num_segments, " segments, and no list");
  int64_t end = 0;
  for (int64_t i = 0; i < desc.num_segments; ++i) {
    const fsdprt_segment &segment = desc.segments[i];
    if (segment.offset < end || segment.count < 0 ||
        segment.offset > desc.count ||
        segment.count > desc.count - segment.offset)
      return failure("segment ", i, " holds elements [", segment.offset, ", +",
                     segment.count, "), expected a part of [", end, ", ",
                     desc.count, ")");
    end = segment.offset + segment.count;
  }
  return Status();
}

Expected<Collective> Collective::create(CollectiveKind kind,
                                        const fsdprt_collective_desc &desc,
                                        void *const *args, int rank, int size) {
  const DTypeInfo *info = lookupDType(desc.dtype);
  if (!info)
    return failure("unknown dtype number ", desc.dtype);
  if (kind != CollectiveKind::AllGather && !info->sumInOrder)
    return failure("cannot sum elements of dtype ", info->name);
  if (desc.comm < 0 || desc.comm >= FSDPRT_NUM_COMMS)
    return failure("unknown communicator ", desc.comm);
  std::vector<int64_t> parts = expectedParts(kind, size);
  if (desc.count < 0 || desc.op.num_args != int32_t(parts.size()))
    return failure("expected ", parts.size(), " arguments, got ",
                   desc.op.num_args);
  Collective collective;
  collective.kind = kind;
  collective.comm = desc.comm;
  collective.rank = rank;
  collective.size = size;
  collective.dtype = desc.dtype;
  collective.count = desc.count;
  collective.elementBytes = info->size;
  collective.partBytes = desc.count * info->size;
  FSDPRT_RETURN_IF_ERROR(checkSegments(desc));
  if (desc.num_segments > 0 && kind != CollectiveKind::AllReduce)
    collective.segments.assign(desc.segments,
                               desc.segments + desc.num_segments);
  else
    collective.segments = {{0, desc.count}};
  for (size_t i = 0; i < parts.size(); ++i) {
    int64_t expected = parts[i] * collective.partBytes;
    if (desc.op.args[i].bytes != expected)
      return failure("argument ", i, " has ", desc.op.args[i].bytes,
                     " bytes, expected ", expected, " for ", desc.count, " ",
                     info->name, " elements a rank on ", size, " ranks");
    collective.args[i] = static_cast<char *>(args[i]);
  }
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
