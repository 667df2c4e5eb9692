//===- InputFile.cpp - Positioned reads -----------------------------------===//

#include "io/Safetensors.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace fsdprt;

Expected<std::shared_ptr<InputFile>> InputFile::open(const std::string &path) {
  std::shared_ptr<InputFile> file(new InputFile());
  file->name = path;
  // A pipe that nobody writes to is refused, not waited for.
  file->fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat info;
  if (file->fd < 0 || ::fstat(file->fd, &info) != 0)
    return failure("cannot open '", path, "': ", std::strerror(errno));
  if (!S_ISREG(info.st_mode))
    return failure("'", path, "' is not a regular file");
  file->bytes = info.st_size;
  return file;
}

InputFile::~InputFile() {
  if (fd >= 0)
    ::close(fd);
}

Status InputFile::tooShort(int64_t needed) const {
  struct stat now;
  if (::fstat(fd, &now) == 0 && now.st_size < bytes)
    return failure("'", name, "' was cut from ", bytes, " to ",
                   int64_t(now.st_size),
                   " bytes while it is read: leave it as it is until the run "
                   "has ended");
  return failure("'", name, "' is too short: it ends at byte ", bytes,
                 ", needed up to ", needed);
}

Status InputFile::read(void *to, int64_t offset, int64_t count) const {
  char *at = static_cast<char *>(to);
  while (count > 0) {
    // One call moves at most 2 GiB.
    ssize_t got = ::pread(fd, at, std::min(count, int64_t(1) << 30), offset);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return failure("cannot read '", name, "': ", std::strerror(errno));
    if (got == 0)
      return tooShort(offset + count);
    at += got;
    offset += got;
    count -= got;
  }
  return Status();
}
