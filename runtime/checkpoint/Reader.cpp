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

/// A checkpoint of many ranks has more files than a process may open.
static constexpr size_t mostOpened = 64;

Expected<std::shared_ptr<InputFile>>
CheckpointReader::fileOf(size_t rank) const {
  auto known =
      std::find_if(opened.begin(), opened.end(),
                   [&](const auto &file) { return file.first == rank; });
  if (known != opened.end()) {
    opened.splice(opened.begin(), opened, known);
    return opened.front().second;
  }
  auto file = InputFile::open(path + "/" + contents.files[rank].name);
  if (!file.ok())
    return file.status();
  if (opened.size() == mostOpened)
    opened.pop_back();
  opened.emplace_front(rank, *file);
  return *file;
}

Expected<const CheckpointReader::Tensors *>
CheckpointReader::tensorsOf(size_t rank) const {
  auto known = tensors.find(rank);
  if (known == tensors.end()) {
    auto files = TensorFiles::open(path + "/" + contents.files[rank].name);
    if (!files.ok())
      return files.status();
    known = tensors.emplace(rank, files->all()).first;
    for (auto &[name, tensor] : known->second)
      tensor.file = nullptr;
  }
  return &known->second;
}

const CheckpointState *
CheckpointParameter::findState(const std::string &plane) const {
  for (const CheckpointState &state : states)
    if (state.name == plane)
      return &state;
  return nullptr;
}

int64_t CheckpointParameter::elementsOf(const std::string &plane) const {
  const CheckpointState *state = findState(plane);
  return state && state->elements >= 0 ? state->elements : numElements();
}

ElementRange CheckpointParameter::partOf(const std::string &plane,
                                         size_t rank) const {
  const CheckpointState *state = findState(plane);
  if (state && state->elements >= 0)
    return {0, rank == 0 ? state->elements : 0};
  return parts[rank];
}

Expected<StoredTensor>
CheckpointReader::partOf(const std::string &plane,
                         const CheckpointParameter &parameter,
                         size_t rank) const {
  std::string file = path + "/" + contents.files[rank].name;
  Expected<const Tensors *> all = tensorsOf(rank);
  if (!all.ok())
    return all.status();
  std::string name = plane + "/" + parameter.names[0];
  auto found = (*all)->find(name);
  if (found == (*all)->end())
    return failure("'", file, "' has no '", name, "'");
  StoredTensor tensor = found->second;
  auto [first, last] = parameter.partOf(plane, rank);
  int64_t elements = last - first;
  if (tensor.shape != std::vector<int64_t>{elements})
    return failure("'", file, "', tensor '", name, "' has shape ",
                   shapeString(tensor.shape), ", expected [", elements, "]");
  const CheckpointState *state = parameter.findState(plane);
  if (int32_t dtype = state ? state->dtype : parameter.dtype;
      tensor.dtype != dtype)
    return failure("'", file, "', tensor '", name, "' has dtype ",
                   lookupDType(tensor.dtype)->name, ", expected ",
                   lookupDType(dtype)->name, " as the index says");
  auto opened = fileOf(rank);
  if (!opened.ok())
    return opened.status();
  tensor.file = *opened;
  return tensor;
}

Status CheckpointReader::read(const std::string &plane,
                              const CheckpointParameter &parameter,
                              int64_t begin, int64_t end, int32_t dtype,
                              void *to) const {
  for (size_t rank = 0; rank < parameter.parts.size(); ++rank) {
    auto [first, last] = parameter.partOf(plane, rank);
    int64_t from = std::max(begin, first), until = std::min(end, last);
    if (from >= until)
      continue;
    auto part = partOf(plane, parameter, rank);
    if (!part.ok())
      return part.status();
    FSDPRT_RETURN_IF_ERROR(readElements(
        *part, from - first, until - first, dtype,
        static_cast<char *>(to) + (from - begin) * sizeOfDType(dtype)));
  }
  return Status();
}
