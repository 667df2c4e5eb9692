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
  collective.partBytes = desc.count * info->size;
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
  std::vector<Transfer> result(size);
  for (int peer = 0; peer < size; ++peer) {
    int64_t theirs = peer * partBytes;
    switch (kind) {
    case CollectiveKind::AllGather: // shard -> line
    case CollectiveKind::AllReduce: // buffer -> scratch
      result[peer] = {args[0], args[1] + theirs, partBytes};
      break;
    case CollectiveKind::ReduceScatter: // line -> scratch
      result[peer] = {args[0] + theirs, args[2] + theirs, partBytes};
      break;
    }
  }
  return result;
}

void Collective::finish() const {
  if (partBytes == 0)
    return;
  int64_t mine = rank * partBytes;
  if (kind == CollectiveKind::AllGather) {
    if (args[1] + mine != args[0]) // a shard may stand in its line already
      std::memcpy(args[1] + mine, args[0], partBytes);
    return;
  }
  bool scatter = kind == CollectiveKind::ReduceScatter;
  char *scratch = scatter ? args[2] : args[1];
  std::vector<const void *> parts(size);
  for (int part = 0; part < size; ++part)
    parts[part] = scratch + part * partBytes;
  parts[rank] = scatter ? args[0] + mine : args[0];
  lookupDType(dtype)->sumInOrder(scatter ? args[1] : args[0], parts.data(),
                                 size, count);
}
