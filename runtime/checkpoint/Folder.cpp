//===- Folder.cpp - The folder that checkpoints are in --------------------===//

#include "checkpoint/Folder.h"

#include "checkpoint/Index.h"
#include "checkpoint/NewFile.h"
#include "core/FileLock.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace fsdprt;

static constexpr const char *stepPrefix = "step-";
static constexpr const char *partialEnd = ".partial";

std::string fsdprt::stepFolder(const std::string &folder, int64_t step) {
  return folder + "/" + stepPrefix + std::to_string(step);
}

std::string fsdprt::partialFolder(const std::string &folder, int64_t step) {
  return stepFolder(folder, step) + partialEnd;
}

//===----------------------------------------------------------------------===//
// What is there
//===----------------------------------------------------------------------===//

/// "step-20" + `end` as it is written here: 20.
static std::optional<int64_t> stepOf(const std::string &name,
                                     const std::string &end) {
  std::string prefix = stepPrefix;
  if (name.compare(0, prefix.size(), prefix) != 0)
    return std::nullopt;
  int64_t step = std::strtoll(name.c_str() + prefix.size(), nullptr, 10);
  if (step < 0 || prefix + std::to_string(step) + end != name)
    return std::nullopt;
  return step;
}

static Expected<std::vector<std::string>> namesIn(const std::string &folder) {
  std::vector<std::string> names;
  DIR *opened = ::opendir(folder.c_str());
  if (!opened && errno == ENOENT)
    return names;
  if (!opened)
    return failure("cannot read folder '", folder, "': ", std::strerror(errno));
  while (dirent *entry = ::readdir(opened))
    if (std::strcmp(entry->d_name, ".") && std::strcmp(entry->d_name, ".."))
      names.push_back(entry->d_name);
  ::closedir(opened);
  return names;
}

Expected<std::vector<int64_t>>
fsdprt::listStepFolders(const std::string &folder) {
  Expected<std::vector<std::string>> names = namesIn(folder);
  if (!names.ok())
    return names.status();
  std::vector<int64_t> steps;
  for (const std::string &name : *names)
    if (std::optional<int64_t> step = stepOf(name, ""))
      steps.push_back(*step);
  std::sort(steps.begin(), steps.end());
  return steps;
}

static bool hasIndex(const std::string &folder, int64_t step) {
  std::string index = stepFolder(folder, step) + "/" + kIndexName;
  return ::access(index.c_str(), F_OK) == 0;
}

Expected<std::vector<int64_t>>
fsdprt::listCheckpoints(const std::string &folder) {
  Expected<std::vector<int64_t>> steps = listStepFolders(folder);
  if (steps.ok())
    steps->erase(
        std::remove_if(steps->begin(), steps->end(),
                       [&](int64_t step) { return !hasIndex(folder, step); }),
        steps->end());
  return steps;
}

//===----------------------------------------------------------------------===//
// Whose it is
//===----------------------------------------------------------------------===//

Expected<FolderLock> FolderLock::take(const std::string &folder) {
  if (::mkdir(folder.c_str(), 0777) != 0 && errno != EEXIST)
    return failure("cannot make folder '", folder, "': ", std::strerror(errno));
  std::string path = folder + "/lock";
  FolderLock lock;
  lock.fd = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0666);
  if (lock.fd < 0)
    return failure("cannot write '", path, "': ", std::strerror(errno));
  if (Status locked = lockFile(lock.fd); !locked.ok())
    return failure("'", folder, "' is used by another run (", locked.message(),
                   "): give each a folder of its own");
  return lock;
}

FolderLock::~FolderLock() {
  if (fd >= 0)
    ::close(fd);
}

//===----------------------------------------------------------------------===//
// Coming and going
//===----------------------------------------------------------------------===//

Status fsdprt::makePartial(const std::string &folder, int64_t step) {
  struct stat info;
  if (::lstat(stepFolder(folder, step).c_str(), &info) == 0)
    return failure("'", stepFolder(folder, step),
                   "' is there already, and is not overwritten");
  std::string partial = partialFolder(folder, step);
  if (::mkdir(partial.c_str(), 0777) != 0)
    return failure("cannot make folder '", partial,
                   "': ", std::strerror(errno));
  return Status();
}

/// Where a file system cannot refuse by itself, the lock keeps others away.
static int renameToFree(const std::string &from, const std::string &to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(),
                  RENAME_NOREPLACE) == 0)
    return 0;
  if (errno != EINVAL && errno != ENOSYS)
    return -1;
  struct stat info;
  if (::lstat(to.c_str(), &info) == 0) {
    errno = EEXIST;
    return -1;
  }
  return ::rename(from.c_str(), to.c_str());
}

Status fsdprt::completePartial(const std::string &folder, int64_t step) {
  std::string partial = partialFolder(folder, step);
  FSDPRT_RETURN_IF_ERROR(syncFolder(partial));
  if (renameToFree(partial, stepFolder(folder, step)) != 0)
    return failure("cannot rename '", partial, "' to '",
                   stepFolder(folder, step), "': ", std::strerror(errno));
  return Status();
}

/// By its name and what it is: a link may lead to somebody else's.
static bool isFileOfCheckpoint(const std::string &folder,
                               const std::string &name) {
  std::string prefix = "rank-";
  bool isNamedSo =
      name == kIndexName ||
      (name.compare(0, prefix.size(), prefix) == 0 &&
       name == rankFileName(std::atoi(name.c_str() + prefix.size())));
  struct stat info;
  return isNamedSo && ::lstat((folder + "/" + name).c_str(), &info) == 0 &&
         S_ISREG(info.st_mode);
}

/// The files of a folder that holds nothing else; none where it does, or is a
/// link.
static std::optional<std::vector<std::string>>
filesOfCheckpoint(const std::string &folder) {
  struct stat info;
  if (::lstat(folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode))
    return std::nullopt;
  Expected<std::vector<std::string>> names = namesIn(folder);
  if (!names.ok() ||
      !std::all_of(names->begin(), names->end(), [&](const std::string &name) {
        return isFileOfCheckpoint(folder, name);
      }))
    return std::nullopt;
  return *names;
}

Status fsdprt::removePartial(const std::string &folder, int64_t step) {
  std::string partial = partialFolder(folder, step);
  struct stat info;
  if (::lstat(partial.c_str(), &info) != 0 && errno == ENOENT)
    return Status();
  std::optional<std::vector<std::string>> files = filesOfCheckpoint(partial);
  if (!files)
    return failure("'", partial,
                   "' is a link or holds other files than a checkpoint's, and "
                   "is left as it is: move it away");
  for (const std::string &name : *files)
    if (::unlink((partial + "/" + name).c_str()) != 0 && errno != ENOENT)
      return failure("cannot remove '", partial, "/", name,
                     "': ", std::strerror(errno));
  if (::rmdir(partial.c_str()) != 0 && errno != ENOENT)
    return failure("cannot remove '", partial, "': ", std::strerror(errno));
  return Status();
}

/// An empty file that was there for a moment, for other hosts to see.
static bool isMark(const std::string &folder, const std::string &name) {
  struct stat info;
  constexpr size_t suffix = 8;
  return name.size() == std::strlen(kMarkPrefix) + suffix &&
         name.compare(0, name.size() - suffix, kMarkPrefix) == 0 &&
         ::lstat((folder + "/" + name).c_str(), &info) == 0 &&
         S_ISREG(info.st_mode) && info.st_size == 0;
}

Status fsdprt::removePartials(const std::string &folder) {
  Expected<std::vector<std::string>> names = namesIn(folder);
  if (!names.ok())
    return names.status();
  for (const std::string &name : *names) {
    if (std::optional<int64_t> step = stepOf(name, partialEnd))
      FSDPRT_RETURN_IF_ERROR(removePartial(folder, *step));
    if (isMark(folder, name))
      ::unlink((folder + "/" + name).c_str());
  }
  return Status();
}

/// From its renaming on it is no checkpoint any more, whatever comes between.
static Status remove(const std::string &folder, int64_t step) {
  std::string from = stepFolder(folder, step);
  if (renameToFree(from, partialFolder(folder, step)) != 0)
    return failure("cannot remove '", from, "': ", std::strerror(errno));
  return removePartial(folder, step);
}

Expected<int64_t> fsdprt::removeOldest(const std::string &folder, int64_t keep,
                                       const std::string &run) {
  Expected<std::vector<int64_t>> steps = listCheckpoints(folder);
  if (!steps.ok())
    return steps.status();
  std::vector<int64_t> ours;
  int64_t others = 0;
  for (int64_t step : *steps) {
    std::string path = stepFolder(folder, step);
    Expected<CheckpointIndex> index = loadIndex(path);
    if (!filesOfCheckpoint(path) || !index.ok())
      continue;
    if (index->run == run)
      ours.push_back(step);
    else
      ++others;
  }
  for (size_t i = 0; i + size_t(keep) < ours.size(); ++i)
    FSDPRT_RETURN_IF_ERROR(remove(folder, ours[i]));
  return others;
}
