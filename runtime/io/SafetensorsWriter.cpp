//===- SafetensorsWriter.cpp - Writing checkpoints ------------------------===//

#include "io/Safetensors.h"

#include "core/DType.h"
#include "core/Manifest.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <set>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

using namespace fsdprt;

static std::string folderOf(const std::string &path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "."
         : slash == 0               ? "/"
                                    : path.substr(0, slash);
}

static Status writeAll(int fd, const void *data, int64_t offset,
                       int64_t bytes) {
  const char *at = static_cast<const char *>(data);
  while (bytes > 0) {
    ssize_t done = ::pwrite(fd, at, std::min(bytes, int64_t(1) << 30), offset);
    if (done < 0 && errno == EINTR)
      continue;
    if (done <= 0)
      return Status::failure(std::strerror(done < 0 ? errno : ENOSPC));
    at += done;
    offset += done;
    bytes -= done;
  }
  return Status();
}

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
  writer->temporary = path + ".partial-" + std::to_string(::getpid());
  writer->fd = ::open(writer->temporary.c_str(),
                      O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0666);
  if (writer->fd < 0)
    return failure("cannot create '", writer->temporary,
                   "': ", std::strerror(errno));
  Status status = writeAll(writer->fd, &length, 0, 8);
  if (status.ok())
    status = writeAll(writer->fd, text.data(), 8, length);
  if (!status.ok())
    return failure("cannot write '", path, "': ", status.message());
  return writer;
}

SafetensorsWriter::~SafetensorsWriter() {
  if (fd < 0)
    return;
  ::close(fd);
  ::unlink(temporary.c_str());
}

Status SafetensorsWriter::write(size_t index, const void *data) {
  if (Status status = writeAll(fd, data, offsets[index], sizes[index]);
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
  if (::fsync(fd) != 0)
    return failure("cannot write '", path, "': ", std::strerror(errno));
  int closed = ::close(fd);
  fd = -1;
  if (closed != 0 || ::rename(temporary.c_str(), path.c_str()) != 0) {
    int error = errno;
    ::unlink(temporary.c_str());
    return failure("cannot write '", path, "': ", std::strerror(error));
  }
  // The name itself must survive a crash too.
  int folder = ::open(folderOf(path).c_str(), O_RDONLY | O_DIRECTORY);
  if (folder >= 0) {
    ::fsync(folder);
    ::close(folder);
  }
  return Status();
}
