//===- OutputFile.cpp - A file that is whole or not there -----------------===//

#include "io/OutputFile.h"

#include "core/UniqueName.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
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

Expected<std::string> fsdprt::followLinks(std::string path) {
  for (int links = 0; links < 40; ++links) {
    struct statfs system;
    if (::statfs(folderOf(path).c_str(), &system) == 0 &&
        system.f_type == PROC_SUPER_MAGIC)
      return Status::failure("it is an open file of a process; give the name "
                             "of a file");
    char target[PATH_MAX];
    ssize_t length = ::readlink(path.c_str(), target, sizeof(target));
    if (length < 0)
      return path;
    std::string next(target, length);
    path = next[0] == '/' ? next : folderOf(path) + "/" + next;
  }
  return Status::failure(std::strerror(ELOOP));
}

/// `path` with an ending, also where it is as long as a name may be.
static std::string besides(const std::string &path, const char *ending) {
  std::string name = path.substr(path.rfind('/') + 1);
  return path.substr(0, path.size() - name.size()) + name.substr(0, 200) +
         ending + uniqueSuffix();
}

static int openUnnamed(const std::string &path) {
  return ::open(folderOf(path).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
}

/// A link cannot replace a file, so the name is one that is free.
static bool link(int fd, const std::string &name) {
  std::string unnamed = "/proc/self/fd/" + std::to_string(fd);
  return ::linkat(AT_FDCWD, unnamed.c_str(), AT_FDCWD, name.c_str(),
                  AT_SYMLINK_FOLLOW) == 0;
}

/// Whether a file without a name can be given one here: tried, since it is
/// needed when the work is done.
static bool canBeUnnamed(const std::string &path) {
  int fd = openUnnamed(path);
  std::string name = besides(path, ".partial-");
  bool isLinked = fd >= 0 && link(fd, name);
  if (isLinked)
    ::unlink(name.c_str());
  if (fd >= 0)
    ::close(fd);
  return isLinked;
}

Expected<std::unique_ptr<OutputFile>>
OutputFile::create(const std::string &path) {
  std::unique_ptr<OutputFile> file(new OutputFile());
  struct stat info;
  if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    file->isDevice = true;
    file->fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (file->fd < 0)
      return lastError();
    return file;
  }
  Expected<std::string> target = followLinks(path);
  if (!target.ok())
    return target.status();
  file->path = *target;
  if (canBeUnnamed(*target))
    file->fd = openUnnamed(*target);
  if (file->fd < 0)
    FSDPRT_RETURN_IF_ERROR(file->openNamed());
  return file;
}

Status OutputFile::openNamed() {
  std::string name = besides(path, ".partial-");
  fd = ::open(name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
  if (fd < 0)
    return lastError();
  temporary = name;
  setUnfinished(nullptr, temporary.c_str());
  return Status();
}

Status OutputFile::reserve(int64_t bytes) {
  if (isDevice || bytes == 0 ||
      ::fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, bytes) == 0)
    return Status();
  bool isRefused = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
  return isRefused ? lastError() : Status();
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

Status OutputFile::renameTo(const std::string &name) {
  if (::rename(temporary.c_str(), name.c_str()) != 0)
    return lastError();
  setUnfinished(temporary.c_str(), nullptr);
  temporary.clear();
  return Status();
}

/// First the temporary name, since only a rename replaces a file.
Status OutputFile::giveName() {
  if (temporary.empty()) {
    std::string name = besides(path, ".partial-");
    if (!link(fd, name))
      return lastError();
    temporary = name;
    setUnfinished(nullptr, temporary.c_str());
  }
  Status status = renameTo(path);
  if (status.ok())
    return status;
  std::string other = besides(path, ".saved-");
  return renameTo(other).ok()
             ? failure(status.message(), "; it is whole, as '", other, "'")
             : status;
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
