//===- NewFile.cpp - A file that was not there before ---------------------===//

#include "checkpoint/NewFile.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

using namespace fsdprt;

Status NewFile::lastError() const {
  return failure("cannot write '", path, "': ", std::strerror(errno));
}

Expected<std::unique_ptr<NewFile>> NewFile::create(const std::string &path) {
  std::unique_ptr<NewFile> file(new NewFile());
  file->path = path;
  file->fd =
      ::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
  if (file->fd < 0)
    return file->lastError();
  return file;
}

NewFile::~NewFile() {
  if (fd >= 0)
    ::close(fd);
}

Status NewFile::append(const void *data, int64_t count) {
  running.add(data, size_t(count));
  bytes += count;
  const char *at = static_cast<const char *>(data);
  while (count > 0) {
    // One call moves at most 2 GiB.
    ssize_t done = ::write(fd, at, size_t(std::min(count, int64_t(1) << 30)));
    if (done < 0 && errno == EINTR)
      continue;
    if (done < 0)
      return lastError();
    at += done;
    count -= done;
  }
  return Status();
}

Status NewFile::finish() {
  if (::fsync(fd) != 0)
    return lastError();
  int closed = ::close(fd);
  fd = -1;
  return closed == 0 ? Status() : lastError();
}

Status fsdprt::syncFolder(const std::string &folder) {
  int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  Status status;
  // Some file systems have nothing to sync of a folder.
  if (fd < 0 || (::fsync(fd) != 0 && errno != EINVAL))
    status = failure("cannot sync '", folder, "': ", std::strerror(errno));
  if (fd >= 0)
    ::close(fd);
  return status;
}
