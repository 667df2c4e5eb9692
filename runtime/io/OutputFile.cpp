//===- OutputFile.cpp - A file that is whole or not there -----------------===//

#include "io/OutputFile.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace fsdprt;

//===----------------------------------------------------------------------===//
// Temporary names, for signal handlers
//===----------------------------------------------------------------------===//

/// Files that a process writes at once: a checkpoint, a trace, records.
static std::array<std::atomic<const char *>, 8> unfinished;

static void setUnfinished(const char *from, const char *to) {
  for (std::atomic<const char *> &slot : unfinished)
    if (const char *expected = from; slot.compare_exchange_strong(expected, to))
      return;
}

void fsdprt::removeUnfinishedFiles() {
  for (std::atomic<const char *> &slot : unfinished)
    if (const char *name = slot.exchange(nullptr))
      ::unlink(name);
}

//===----------------------------------------------------------------------===//
// The file
//===----------------------------------------------------------------------===//

static Status lastError() { return Status::failure(std::strerror(errno)); }

std::string fsdprt::folderOf(const std::string &path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "."
         : slash == 0               ? "/"
                                    : path.substr(0, slash);
}

Expected<std::unique_ptr<OutputFile>>
OutputFile::create(const std::string &path) {
  std::unique_ptr<OutputFile> file(new OutputFile());
  file->path = path;
  struct stat info;
  if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    file->isDevice = true;
    file->fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  } else {
    file->fd =
        ::open(folderOf(path).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
  }
  if (file->fd >= 0)
    return file;
  if (file->isDevice || (errno != EOPNOTSUPP && errno != EISDIR))
    return lastError();
  file->temporary = path + ".partial-" + std::to_string(::getpid());
  file->fd = ::open(file->temporary.c_str(),
                    O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
  if (file->fd < 0) {
    file->temporary.clear(); // it is another one's
    return lastError();
  }
  setUnfinished(nullptr, file->temporary.c_str());
  return file;
}

OutputFile::~OutputFile() {
  if (fd >= 0)
    ::close(fd);
  if (temporary.empty())
    return;
  setUnfinished(temporary.c_str(), nullptr);
  ::unlink(temporary.c_str());
}

Status OutputFile::write(const void *data, int64_t offset, int64_t bytes) {
  const char *at = static_cast<const char *>(data);
  while (bytes > 0) {
    size_t piece = size_t(std::min(bytes, int64_t(1) << 30));
    ssize_t done =
        isDevice ? ::write(fd, at, piece) : ::pwrite(fd, at, piece, offset);
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

Status OutputFile::append(const std::string &text) {
  FSDPRT_RETURN_IF_ERROR(write(text.data(), end, int64_t(text.size())));
  end += int64_t(text.size());
  return Status();
}

/// A link cannot replace a file, a rename can: one after the other.
Status OutputFile::giveName() {
  if (temporary.empty()) {
    std::string unnamed = "/proc/self/fd/" + std::to_string(fd);
    temporary = path + ".partial-" + std::to_string(::getpid());
    if (::linkat(AT_FDCWD, unnamed.c_str(), AT_FDCWD, temporary.c_str(),
                 AT_SYMLINK_FOLLOW) != 0) {
      temporary.clear(); // it is another one's
      return lastError();
    }
    setUnfinished(nullptr, temporary.c_str());
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0)
    return lastError();
  setUnfinished(temporary.c_str(), nullptr);
  temporary.clear();
  return Status();
}

Status OutputFile::finish() {
  if (!isDevice) {
    if (::fsync(fd) != 0)
      return lastError();
    FSDPRT_RETURN_IF_ERROR(giveName());
  }
  int closed = ::close(fd);
  fd = -1;
  if (closed != 0)
    return lastError();
  // The name itself must survive a crash too.
  int folder = isDevice ? -1
                        : ::open(folderOf(path).c_str(),
                                 O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    ::fsync(folder);
    ::close(folder);
  }
  return Status();
}
