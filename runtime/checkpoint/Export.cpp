//===- Export.cpp - A checkpoint's parameters as safetensors --------------===//

#include "checkpoint/Export.h"

#include "checkpoint/Pieces.h"
#include "core/DType.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <filesystem>
#include <set>

using namespace fsdprt;
namespace fs = std::filesystem;

namespace {
/// A tensor to write, one for each name of a parameter.
struct Exported {
  SafetensorsWriter::Tensor tensor;
  const CheckpointParameter *parameter;

  int64_t bytes() const {
    return parameter->numElements() * sizeOfDType(tensor.dtype);
  }
};
using Shard = std::vector<Exported>;
} // namespace

static std::string nameFor(const std::string &name, const std::string &prefix) {
  bool starts = !prefix.empty() && name.size() > prefix.size() &&
                name.compare(0, prefix.size(), prefix) == 0;
  return starts ? name.substr(prefix.size()) : name;
}

/// Files in the parameters' order, each as full as may be; the names of one
/// parameter stay together.
static Expected<std::vector<Shard>> divide(const CheckpointIndex &index,
                                           const ExportOptions &options) {
  std::vector<Shard> shards(1);
  std::set<std::string> names;
  int64_t filled = 0;
  for (const CheckpointParameter &parameter : index.parameters) {
    bool converts = options.dtype && lookupDType(parameter.dtype)->isFloat;
    int32_t dtype = converts ? *options.dtype : parameter.dtype;
    int64_t bytes = parameter.numElements() * sizeOfDType(dtype) *
                    int64_t(parameter.names.size());
    if (filled > 0 && filled + bytes > options.mostBytes) {
      shards.emplace_back();
      filled = 0;
    }
    filled += bytes;
    for (const std::string &name : parameter.names) {
      std::string given = nameFor(name, options.stripPrefix);
      if (!names.insert(given).second)
        return failure("two tensors would be exported as '", given, "'");
      shards.back().push_back({{given, dtype, parameter.shape}, &parameter});
    }
  }
  return shards;
}

static std::string fileName(size_t shard, size_t shards) {
  char name[64] = "model.safetensors";
  if (shards > 1)
    std::snprintf(name, sizeof(name), "model-%05zu-of-%05zu.safetensors",
                  shard + 1, shards);
  return name;
}

/// An older export's files beside the new ones would be taken for theirs.
static Status prepareFolder(const std::string &folder) {
  if (isCheckpoint(folder))
    return failure("'", folder,
                   "' is a checkpoint, to which nothing is added; "
                   "give another folder");
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    return failure("cannot make folder '", folder, "': ", error.message());
  for (fs::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    std::string name = at->path().filename().string();
    if (name.compare(0, 5, "model") == 0 &&
        name.find(".safetensors") != std::string::npos)
      return failure("'", folder, "' has '", name,
                     "' already; give another folder");
  }
  return error ? failure("cannot read folder '", folder, "': ", error.message())
               : Status();
}

static Status writeShard(const CheckpointReader &checkpoint, const Shard &shard,
                         const std::string &path, bool averaged) {
  std::vector<SafetensorsWriter::Tensor> tensors;
  for (const Exported &exported : shard)
    tensors.push_back(exported.tensor);
  // What PyTorch's readers look for.
  auto writer = SafetensorsWriter::create(path, tensors, {{"format", "pt"}});
  if (!writer.ok())
    return writer.status();
  for (size_t i = 0; i < shard.size(); ++i) {
    const Exported &exported = shard[i];
    FSDPRT_RETURN_IF_ERROR(
        inPieces(checkpoint, exportedPlane(*exported.parameter, averaged),
                 *exported.parameter, exported.tensor.dtype,
                 [&](int64_t at, const void *data, int64_t bytes) {
                   return (*writer)->writePart(i, at, data, bytes);
                 }));
  }
  return (*writer)->finish();
}

static Status writeIndexFile(const std::string &path,
                             const std::vector<Shard> &shards) {
  int64_t total = 0;
  nlohmann::ordered_json map;
  for (size_t i = 0; i < shards.size(); ++i)
    for (const Exported &exported : shards[i]) {
      total += exported.bytes();
      map[exported.tensor.name] = fileName(i, shards.size());
    }
  nlohmann::ordered_json json = {{"metadata", {{"total_size", total}}},
                                 {"weight_map", map}};
  auto file = OutputFile::create(path);
  Status status = file.status();
  if (file.ok())
    status = (*file)->append(json.dump(2) + "\n");
  if (status.ok())
    status = (*file)->finish();
  return status.ok() ? status
                     : failure("cannot write '", path, "': ", status.message());
}

Expected<std::vector<std::string>>
fsdprt::exportSafetensors(const CheckpointReader &checkpoint,
                          const std::string &folder,
                          const ExportOptions &options) {
  if (options.averaged)
    FSDPRT_RETURN_IF_ERROR(checkHasAverages(checkpoint.index()));
  auto shards = divide(checkpoint.index(), options);
  if (!shards.ok())
    return shards.status();
  FSDPRT_RETURN_IF_ERROR(prepareFolder(folder));
  std::vector<std::string> files;
  for (size_t i = 0; i < shards->size(); ++i) {
    files.push_back(folder + "/" + fileName(i, shards->size()));
    FSDPRT_RETURN_IF_ERROR(
        writeShard(checkpoint, (*shards)[i], files.back(), options.averaged));
  }
  if (shards->size() == 1)
    return files;
  // Last: what it lists is there.
  files.push_back(folder + "/model.safetensors.index.json");
  FSDPRT_RETURN_IF_ERROR(writeIndexFile(files.back(), *shards));
  return files;
}
