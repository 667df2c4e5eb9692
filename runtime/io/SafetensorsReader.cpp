//===- SafetensorsReader.cpp - Reading weights ----------------------------===//

#include "io/Safetensors.h"

#include "core/DType.h"
#include "core/JsonNumbers.h"
#include "core/Manifest.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>
#include <sys/stat.h>

using namespace fsdprt;
using Json = nlohmann::json;

static Expected<StoredTensor> parseTensor(const Json &entry, int64_t dataOffset,
                                          std::shared_ptr<InputFile> file) {
  StoredTensor tensor;
  tensor.file = file;
  Expected<int32_t> dtype =
      parseSafetensorsDType(entry.at("dtype").get<std::string>());
  if (!dtype.ok())
    return dtype.status();
  tensor.dtype = *dtype;
  auto shape = integersIn(entry.at("shape"));
  auto range = integersIn(entry.at("data_offsets"));
  std::optional<int64_t> elements =
      shape ? boundedProduct(*shape) : std::nullopt;
  if (!elements)
    return failure("its shape ", entry.at("shape").dump().substr(0, 40),
                   " is no list of sizes");
  if (!range || range->size() != 2 || (*range)[0] < 0 ||
      (*range)[1] < (*range)[0] || (*range)[1] > file->size() - dataOffset)
    return failure("its data reaches beyond the file, which is truncated or "
                   "corrupted");
  tensor.shape = *shape;
  if ((*range)[1] - (*range)[0] != *elements * sizeOfDType(*dtype))
    return failure("its ", (*range)[1] - (*range)[0],
                   " bytes do not hold shape ", shapeString(tensor.shape));
  tensor.offset = dataOffset + (*range)[0];
  return tensor;
}

Status fsdprt::readElements(const StoredTensor &tensor, int64_t begin,
                            int64_t end, int32_t dtype, void *to) {
  int64_t fromSize = sizeOfDType(tensor.dtype), toSize = sizeOfDType(dtype);
  if (tensor.dtype == dtype)
    return tensor.file->read(to, tensor.offset + begin * fromSize,
                             (end - begin) * fromSize);
  constexpr int64_t stagingBytes = 1 << 20;
  std::vector<char> staging(stagingBytes);
  int64_t piece = stagingBytes / fromSize;
  for (int64_t at = begin; at < end; at += piece) {
    int64_t count = std::min(piece, end - at);
    FSDPRT_RETURN_IF_ERROR(tensor.file->read(
        staging.data(), tensor.offset + at * fromSize, count * fromSize));
    convertElements(dtype, static_cast<char *>(to) + (at - begin) * toSize,
                    tensor.dtype, staging.data(), count);
  }
  return Status();
}

Status TensorFiles::addFile(const std::string &path) {
  Expected<std::shared_ptr<InputFile>> file = InputFile::open(path);
  if (!file.ok())
    return file.status();
  uint64_t length = 0;
  constexpr uint64_t maxHeader = 100 << 20; // the format's own limit
  if ((*file)->size() < 8 || !(*file)->read(&length, 0, 8).ok() ||
      length > maxHeader || int64_t(length) > (*file)->size() - 8)
    return failure("'", path, "' is not a safetensors file, or is truncated");
  std::string header(length, 0);
  FSDPRT_RETURN_IF_ERROR((*file)->read(header.data(), 8, length));
  try {
    Json tensorsOfFile = Json::parse(header);
    for (const auto &[name, entry] : tensorsOfFile.items()) {
      if (name == "__metadata__")
        continue;
      Expected<StoredTensor> tensor = parseTensor(entry, 8 + length, *file);
      if (!tensor.ok())
        return failure("'", path, "', tensor '", std::string(name),
                       "': ", tensor.status().message());
      tensors[name] = *tensor;
    }
  } catch (const Json::exception &) {
    return failure("'", path, "' has a corrupted safetensors header");
  }
  return Status();
}

/// The files that an index lists, each once.
static Expected<std::vector<std::string>> listShards(const std::string &path) {
  Expected<std::shared_ptr<InputFile>> file = InputFile::open(path);
  if (!file.ok())
    return file.status();
  std::string text((*file)->size(), 0);
  FSDPRT_RETURN_IF_ERROR((*file)->read(text.data(), 0, text.size()));
  std::set<std::string> shards;
  try {
    Json index = Json::parse(text);
    for (const auto &[name, shard] : index.at("weight_map").items())
      shards.insert(shard.get<std::string>());
  } catch (const Json::exception &) {
    return failure("'", path,
                   "' is not a safetensors index (no valid weight_map)");
  }
  std::vector<std::string> files;
  for (const std::string &shard : shards) {
    if (shard.find("..") != std::string::npos || shard[0] == '/')
      return failure("'", path, "' lists '", shard,
                     "', which is outside of its folder");
    files.push_back(path.substr(0, path.rfind('/') + 1) + shard);
  }
  return files;
}

static bool isIndex(const std::string &path) {
  constexpr const char *end = ".json";
  return path.size() >= 5 && path.compare(path.size() - 5, 5, end) == 0;
}

Expected<std::vector<std::string>> TensorFiles::list(const std::string &path) {
  std::string target = path;
  struct stat info;
  if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
    target = path + "/model.safetensors.index.json";
    if (::stat(target.c_str(), &info) != 0)
      target = path + "/model.safetensors";
  }
  if (!isIndex(target))
    return std::vector<std::string>{target};
  Expected<std::vector<std::string>> files = listShards(target);
  if (files.ok())
    files->push_back(target);
  return files;
}

Expected<TensorFiles> TensorFiles::open(const std::string &path) {
  Expected<std::vector<std::string>> listed = list(path);
  if (!listed.ok())
    return listed.status();
  TensorFiles files;
  for (const std::string &file : *listed)
    if (!isIndex(file))
      FSDPRT_RETURN_IF_ERROR(files.addFile(file));
  return files;
}

Expected<const StoredTensor *>
TensorFiles::find(const std::string &name) const {
  auto exact = tensors.find(name);
  if (exact != tensors.end())
    return &exact->second;
  auto isSuffix = [](const std::string &text, const std::string &end) {
    return text.size() > end.size() &&
           text[text.size() - end.size() - 1] == '.' &&
           text.compare(text.size() - end.size(), end.size(), end) == 0;
  };
  const StoredTensor *found = nullptr;
  std::string foundName;
  for (const auto &[candidate, tensor] : tensors) {
    if (!isSuffix(candidate, name) && !isSuffix(name, candidate))
      continue;
    if (found)
      return failure("parameter '", name, "' matches both '", foundName,
                     "' and '", candidate, "' of the weights");
    found = &tensor;
    foundName = candidate;
  }
  return found;
}
