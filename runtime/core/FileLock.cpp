//===- FileLock.cpp - A file that one process writes ----------------------===//

#include "core/FileLock.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>

using namespace fsdprt;

/// Of the whole file. These are POSIX's locks, as others do not tell who has
/// them.
static struct flock wholeFile() {
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

static Status saysWho(pid_t process) {
  if (process <= 0) // on another host, or in another container
    return Status::failure("another process is writing it");
  return failure("process ", process, " is writing it");
}

Status fsdprt::checkNotLocked(int fd) {
  struct flock lock = wholeFile();
  // Where there are no locks, there is nothing to be seen.
  if (::fcntl(fd, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK)
    return Status();
  return saysWho(lock.l_pid);
}

Status fsdprt::lockFile(int fd) {
  struct flock lock = wholeFile();
  if (::fcntl(fd, F_SETLK, &lock) == 0)
    return Status();
  if (errno != EACCES && errno != EAGAIN)
    return Status(); // a file system without locks
  Status status = checkNotLocked(fd);
  return status.ok() ? saysWho(0) : status;
}
