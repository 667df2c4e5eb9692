//===- SafetensorsWriter.cpp - Writing checkpoints ------------------------===//

#include "io/Safetensors.h"

#include "core/DType.h"
#include "core/Manifest.h"

#include <nlohmann/json.hpp>

#include <cerrno>
#include <cstring>
#include <set>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

using namespace fsdprt;

Status fsdprt::checkOutput(const std::string &path, int64_t bytes) {
  std::string folder = folderOf(path);
  struct stat info;
  if (::stat(folder.c_str(), &info) != 0)
    return failure("cannot write '", path, "': folder '", folder,
                   "': ", std::strerror(errno));
  if (!S_ISDIR(info.st_mode))
    return failure("cannot write '", path, "': '", folder, "' is not a folder");
  if (::access(folder.c_str(), W_OK | X_OK) != 0)
    return failure("cannot write '", path, "': folder '", folder,
                   "': ", std::strerror(errno));
  // The file is put in place by a rename, which would replace a device or a
  // pipe by a file instead of writing to it.
  if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode))
    return failure("cannot write '", path, "': it is ",
                   S_ISDIR(info.st_mode) ? "a folder" : "not a regular file",
                   "; give the name of a file");
  struct statvfs room;
  if (::statvfs(folder.c_str(), &room) == 0 &&
      int64_t(room.f_bavail) * int64_t(room.f_frsize) < bytes)
    return failure("cannot write '", path, "': it needs ", bytes,
                   " bytes, folder '", folder, "' has room for ",
                   int64_t(room.f_bavail) * int64_t(room.f_frsize));
  return Status();
}

Expected<std::unique_ptr<SafetensorsWriter>>
SafetensorsWriter::create(const std::string &path,
                          const std::vector<Tensor> &tensors) {
  std::unique_ptr<SafetensorsWriter> writer(new SafetensorsWriter());
  nlohmann::ordered_json header;
  std::set<std::string> names;
  int64_t dataBytes = 0;
  for (const Tensor &tensor : tensors) {
    if (!names.insert(tensor.name).second)
      return failure("two parameters would be saved as '", tensor.name, "'");
    const DTypeInfo *info = lookupDType(tensor.dtype);
    int64_t bytes = productOf(tensor.shape) * info->size;
    header[tensor.name] = {{"dtype", info->safetensorsName},
                           {"shape", tensor.shape},
                           {"data_offsets", {dataBytes, dataBytes + bytes}}};
    writer->names.push_back(tensor.name);
    writer->offsets.push_back(dataBytes);
    writer->sizes.push_back(bytes);
    dataBytes += bytes;
  }
  std::string text = header.is_null() ? "{}" : header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' '); // the data starts aligned
  uint64_t length = text.size();
  for (int64_t &offset : writer->offsets)
    offset += 8 + length;
  writer->written.resize(tensors.size(), false);
  FSDPRT_RETURN_IF_ERROR(checkOutput(path, 8 + length + dataBytes));
  writer->path = path;
  Expected<std::unique_ptr<OutputFile>> file = OutputFile::create(path);
  Status status = file.status();
  if (file.ok()) {
    writer->file = std::move(*file);
    status = writer->file->write(&length, 0, 8);
  }
  if (status.ok())
    status = writer->file->write(text.data(), 8, int64_t(length));
  if (!status.ok())
    return failure("cannot write '", path, "': ", status.message());
  return writer;
}

Status SafetensorsWriter::write(size_t index, const void *data) {
  if (Status status = file->write(data, offsets[index], sizes[index]);
      !status.ok())
    return failure("cannot write '", names[index], "' to '", path,
                   "': ", status.message());
  written[index] = true;
  return Status();
}

Status SafetensorsWriter::finish() {
  for (size_t i = 0; i < written.size(); ++i)
    if (!written[i])
      return failure("cannot save '", path,
                     "': the program's export phase "
                     "did not hand over '",
                     names[i], "'");
  if (Status status = file->finish(); !status.ok())
    return failure("cannot write '", path, "': ", status.message());
  return Status();
}
