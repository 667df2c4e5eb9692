//===- CollectiveCheck.cpp - Whether a collective fits --------------------===//

#include "comm/CollectiveCheck.h"

#include "comm/Communicator.h"
#include "core/DType.h"

#include <vector>

using namespace fsdprt;

/// Bytes of each argument, in parts (count elements): see fsdprt.h.
static std::vector<int64_t> expectedParts(CollectiveKind kind, int size,
                                          bool sumsNeedScratch) {
  std::vector<int64_t> parts;
  switch (kind) {
  case CollectiveKind::AllGather:
    return {1, size};
  case CollectiveKind::ReduceScatter:
    parts = {size, 1};
    break;
  case CollectiveKind::AllReduce:
    parts = {1};
    break;
  }
  if (sumsNeedScratch)
    parts.push_back(size);
  return parts;
}

static Status checkSegments(const fsdprt_collective_desc &desc) {
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

Status fsdprt::checkCollective(CollectiveKind kind,
                               const fsdprt_collective_desc &desc, int size,
                               bool sumsNeedScratch) {
  const DTypeInfo *info = lookupDType(desc.dtype);
  if (!info)
    return failure("unknown dtype number ", desc.dtype);
  if (kind != CollectiveKind::AllGather && !info->sumInOrder)
    return failure("cannot sum elements of dtype ", info->name);
  if (desc.comm < 0)
    return failure("unknown communicator ", desc.comm);
  std::vector<int64_t> parts = expectedParts(kind, size, sumsNeedScratch);
  if (desc.count < 0 || desc.op.num_args != int32_t(parts.size()))
    return failure("expected ", parts.size(), " arguments, got ",
                   desc.op.num_args);
  FSDPRT_RETURN_IF_ERROR(checkSegments(desc));
  for (size_t i = 0; i < parts.size(); ++i) {
    int64_t expected = parts[i] * desc.count * info->size;
    if (desc.op.args[i].bytes != expected)
      return failure("argument ", i, " has ", desc.op.args[i].bytes,
                     " bytes, expected ", expected, " for ", desc.count, " ",
                     info->name, " elements a rank on ", size, " ranks");
  }
  return Status();
}
