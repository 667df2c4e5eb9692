//===- Reader.cpp - Reading checkpoints -----------------------------------===//

#include "checkpoint/Reader.h"

#include "checkpoint/Sum.h"
#include "core/DType.h"

#include <algorithm>
#include <sys/stat.h>

using namespace fsdprt;

bool fsdprt::isCheckpoint(const std::string &path) {
  struct stat info;
  return ::stat((path + "/" + kIndexName).c_str(), &info) == 0;
}

Expected<std::vector<std::string>>
fsdprt::listFiles(const std::string &checkpoint) {
  Expected<CheckpointIndex> index = loadIndex(checkpoint);
  if (!index.ok())
    return index.status();
  std::vector<std::string> files = {checkpoint + "/" + kIndexName};
  for (const CheckpointFile &file : index->files)
    files.push_back(checkpoint + "/" + file.name);
  return files;
}

Expected<CheckpointReader> CheckpointReader::open(const std::string &folder) {
  Expected<CheckpointIndex> index = loadIndex(folder);
  if (!index.ok())
    return index.status();
  CheckpointReader reader;
  reader.path = folder;
  reader.contents = std::move(*index);
  for (size_t i = 0; i < reader.contents.parameters.size(); ++i)
    for (const std::string &name : reader.contents.parameters[i].names)
      reader.byName[name] = i;
  for (const CheckpointFile &file : reader.contents.files) {
    auto opened = InputFile::open(folder + "/" + file.name);
    if (!opened.ok())
      return failure("checkpoint '", folder,
                     "' is not whole: ", opened.status().message());
    if ((*opened)->size() != file.bytes)
      return failure("checkpoint '", folder, "' is damaged: '", file.name,
                     "' has ", (*opened)->size(), " bytes, expected ",
                     file.bytes);
  }
  return reader;
}

const CheckpointParameter *
CheckpointReader::find(const std::string &name) const {
  auto found = byName.find(name);
  return found == byName.end() ? nullptr : &contents.parameters[found->second];
}

Status
CheckpointReader::checkSum(const CheckpointFile &file,
                           const std::function<void()> &onProgress) const {
  auto opened = InputFile::open(path + "/" + file.name);
  if (!opened.ok())
    return opened.status();
  std::vector<char> piece(1 << 20);
  RunningSum sum;
  for (int64_t at = 0; at < file.bytes; at += int64_t(piece.size())) {
    int64_t count = std::min(int64_t(piece.size()), file.bytes - at);
    FSDPRT_RETURN_IF_ERROR((*opened)->read(piece.data(), at, count));
    sum.add(piece.data(), size_t(count));
    if (onProgress)
      onProgress();
  }
  if (sumText(sum.value()) != file.sum)
    return failure("checkpoint '", path, "' is damaged: the sum of '",
                   file.name, "' is ", sumText(sum.value()), ", expected ",
                   file.sum);
  return Status();
}

Expected<const StoredTensor *>
CheckpointReader::partOf(const std::string &plane,
                         const CheckpointParameter &parameter,
                         size_t rank) const {
  std::string file = path + "/" + contents.files[rank].name;
  auto known = files.find(rank);
  if (known == files.end()) {
    Expected<TensorFiles> opened = TensorFiles::open(file);
    if (!opened.ok())
      return opened.status();
    known = files.emplace(rank, std::move(*opened)).first;
  }
  std::string name = plane + "/" + parameter.names[0];
  auto found = known->second.all().find(name);
  if (found == known->second.all().end())
    return failure("'", file, "' has no '", name, "'");
  const StoredTensor &tensor = found->second;
  int64_t elements = parameter.parts[rank].second - parameter.parts[rank].first;
  if (tensor.shape != std::vector<int64_t>{elements})
    return failure("'", file, "', tensor '", name, "' has shape ",
                   shapeString(tensor.shape), ", expected [", elements, "]");
  return &tensor;
}

Status CheckpointReader::read(const std::string &plane,
                              const CheckpointParameter &parameter,
                              int64_t begin, int64_t end, int32_t dtype,
                              void *to) const {
  for (size_t rank = 0; rank < parameter.parts.size(); ++rank) {
    auto [first, last] = parameter.parts[rank];
    int64_t from = std::max(begin, first), until = std::min(end, last);
    if (from >= until)
      continue;
    auto part = partOf(plane, parameter, rank);
    if (!part.ok())
      return part.status();
    FSDPRT_RETURN_IF_ERROR(readElements(
        **part, from - first, until - first, dtype,
        static_cast<char *>(to) + (from - begin) * sizeOfDType(dtype)));
  }
  return Status();
}
