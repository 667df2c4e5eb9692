//===- Reshard.cpp - A checkpoint of other ranks --------------------------===//

#include "checkpoint/Reshard.h"

#include "checkpoint/Contents.h"
#include "checkpoint/Folder.h"
#include "checkpoint/NewFile.h"
#include "checkpoint/Pieces.h"
#include "checkpoint/RankFile.h"
#include "checkpoint/Sum.h"
#include "core/DType.h"

#include <algorithm>

using namespace fsdprt;

CheckpointIndex fsdprt::dividedEqually(const CheckpointIndex &index,
                                       int ranks) {
  CheckpointIndex divided = index;
  divided.mesh = {{"shard", ranks}};
  divided.placement = "mixed";
  for (CheckpointParameter &parameter : divided.parameters) {
    int64_t elements = parameter.numElements();
    int64_t part =
        parameter.isCompiled ? elements : (elements + ranks - 1) / ranks;
    parameter.parts.clear();
    for (int rank = 0; rank < ranks; ++rank) {
      int64_t begin = std::min(elements, rank * part);
      int64_t end = std::min(elements, begin + part);
      parameter.parts.emplace_back(begin < end ? begin : 0,
                                   begin < end ? end : 0);
    }
  }
  return divided;
}

Expected<CheckpointIndex> fsdprt::dividedFor(const CheckpointReader &checkpoint,
                                             const Manifest &program) {
  CheckpointIndex divided = checkpoint.index();
  divided.mesh = program.mesh;
  divided.placement = placementOf(program);
  std::map<std::string, const CheckpointParameter *> wanted;
  std::vector<CheckpointParameter> described = describeParameters(program);
  for (const CheckpointParameter &parameter : described)
    for (const std::string &name : parameter.names)
      wanted[name] = &parameter;
  for (CheckpointParameter &parameter : divided.parameters) {
    auto found = wanted.find(parameter.names[0]);
    if (found == wanted.end() || found->second->shape != parameter.shape ||
        found->second->isCompiled != parameter.isCompiled)
      return failure(
          "'", program.folder, "' has no parameter '", parameter.names[0],
          "' of shape ", shapeString(parameter.shape), ", as checkpoint '",
          checkpoint.folder(), "' does: give a program of the same model");
    parameter.parts = found->second->parts;
  }
  return divided;
}

namespace {
/// One plane of a parameter; stands for an arena that holds the rank's part.
struct Plane {
  const CheckpointParameter *saved;
  CheckpointState plane;
  int64_t begin; // of the part
};
} // namespace

static Expected<WrittenFile> writeRank(const CheckpointReader &checkpoint,
                                       const CheckpointIndex &index,
                                       const std::string &folder, int rank) {
  std::vector<Plane> planes;
  std::vector<StoredPart> parts;
  for (const CheckpointParameter &parameter : index.parameters) {
    const CheckpointParameter *saved = checkpoint.find(parameter.names[0]);
    for (const CheckpointState &plane : planesOf(parameter)) {
      auto [begin, end] = parameter.partOf(plane.name, size_t(rank));
      if (begin == end)
        continue;
      StoredPart part;
      part.name = plane.name + "/" + parameter.names[0];
      part.dtype = plane.dtype;
      part.elements = end - begin;
      part.arena = int32_t(planes.size());
      planes.push_back({saved, plane, begin});
      parts.push_back(part);
    }
  }
  auto read = [&](int32_t arena, int64_t at, int64_t count, void *to) {
    const Plane &from = planes[size_t(arena)];
    int64_t size = sizeOfDType(from.plane.dtype);
    return checkpoint.read(from.plane.name, *from.saved, from.begin + at / size,
                           from.begin + (at + count) / size, from.plane.dtype,
                           to);
  };
  std::vector<char> staging(size_t(8) << 20); // whole elements of any dtype
  return writeRankFile(folder, rank, index.counters.step, parts, staging.data(),
                       int64_t(staging.size()), read);
}

static Status writeAll(const CheckpointReader &checkpoint,
                       CheckpointIndex &index, const std::string &partial) {
  index.files.clear();
  int64_t ranks = 1;
  for (const MeshAxis &axis : index.mesh)
    ranks *= axis.size;
  for (int rank = 0; rank < ranks; ++rank) {
    auto written = writeRank(checkpoint, index, partial, rank);
    if (!written.ok())
      return written.status();
    index.files.push_back(
        {rankFileName(rank), written->bytes, sumText(written->sum)});
  }
  auto file = NewFile::create(partial + "/" + kIndexName);
  if (!file.ok())
    return file.status();
  std::string text = writeIndex(index);
  FSDPRT_RETURN_IF_ERROR((*file)->append(text.data(), int64_t(text.size())));
  return (*file)->finish();
}

Expected<std::string> fsdprt::reshard(const CheckpointReader &checkpoint,
                                      CheckpointIndex index,
                                      const std::string &folder) {
  // A damaged value must not get a sum that says it is right.
  for (const CheckpointFile &file : checkpoint.index().files)
    FSDPRT_RETURN_IF_ERROR(checkpoint.checkSum(file, nullptr));
  auto lock = FolderLock::take(folder);
  if (!lock.ok())
    return lock.status();
  int64_t step = index.counters.step;
  FSDPRT_RETURN_IF_ERROR(makePartial(folder, step));
  Status status = writeAll(checkpoint, index, partialFolder(folder, step));
  if (status.ok())
    status = completePartial(folder, step);
  if (status.ok()) {
    Status synced = syncFolder(folder);
    return synced.ok() ? Expected<std::string>(stepFolder(folder, step))
                       : failure("'", stepFolder(folder, step),
                                 "' is complete, but may not outlast a power "
                                 "failure: ",
                                 synced.message());
  }
  // What went wrong is said, not what went wrong after it.
  (void)removePartial(folder, step).ok();
  return status;
}
