//===- OutputCheck.cpp - Could this file be written -----------------------===//

#include "io/OutputFile.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

using namespace fsdprt;

/// Why what has the name could not be replaced; "" if it could, or is not
/// there.
static std::string whatKeepsIt(const std::string &path,
                               const struct stat &folder) {
  struct statx info;
  if (::statx(AT_FDCWD, path.c_str(), 0, STATX_BASIC_STATS, &info) != 0)
    return "";
  if (S_ISDIR(info.stx_mode))
    return "it is a folder; give the name of a file";
  // The file is put in place by a rename, which would replace a device or a
  // pipe by a file instead of writing to it.
  if (!S_ISREG(info.stx_mode))
    return "it is not a regular file; give the name of a file";
  if (info.stx_attributes & STATX_ATTR_MOUNT_ROOT)
    return "it is mounted, and cannot be replaced; mount a folder and give a "
           "file in it";
  if (info.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND))
    return "it is immutable or append-only (lsattr), and cannot be replaced; "
           "give another name";
  uid_t self = ::geteuid();
  if ((folder.st_mode & S_ISVTX) && self != 0 && self != info.stx_uid &&
      self != folder.st_uid)
    return "it is another user's file in a sticky folder, and cannot be "
           "replaced; give another name";
  return "";
}

static Status checkRoom(const std::string &folder, int64_t bytes) {
  struct rlimit limit;
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
      limit.rlim_cur != RLIM_INFINITY && uint64_t(bytes) > limit.rlim_cur)
    return failure("it needs ", bytes, " bytes, a file may have ",
                   limit.rlim_cur, " (ulimit -f)");
  struct statvfs room;
  if (::statvfs(folder.c_str(), &room) == 0 &&
      int64_t(room.f_bavail) * int64_t(room.f_frsize) < bytes)
    return failure("it needs ", bytes, " bytes, folder '", folder,
                   "' has room for ",
                   int64_t(room.f_bavail) * int64_t(room.f_frsize));
  return Status();
}

static Status check(const std::string &path, int64_t bytes) {
  std::string folder = folderOf(path);
  struct stat info;
  if (::stat(folder.c_str(), &info) != 0)
    return failure("folder '", folder, "': ", std::strerror(errno));
  if (!S_ISDIR(info.st_mode))
    return failure("'", folder, "' is not a folder");
  if (::access(folder.c_str(), W_OK | X_OK) != 0)
    return failure("folder '", folder, "': ", std::strerror(errno));
  if (std::string reason = whatKeepsIt(path, info); !reason.empty())
    return Status::failure(reason);
  FSDPRT_RETURN_IF_ERROR(checkRoom(folder, bytes));
  // Quotas and file systems have reasons of their own.
  auto file = OutputFile::create(path);
  return file.ok() ? (*file)->reserve(bytes) : file.status();
}

Status fsdprt::checkOutput(const std::string &path, int64_t bytes) {
  struct stat info;
  bool isNoFile = ::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode);
  Expected<std::string> target =
      isNoFile ? Expected<std::string>(path) : followLinks(path);
  Status status = target.ok() ? check(*target, bytes) : target.status();
  return status.ok() ? status
                     : failure("cannot write '", path, "': ", status.message());
}
