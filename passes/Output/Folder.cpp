//===- Folder.cpp - A program's folder, whole or not there ----------------===//
#include "passes/Output/Folder.h"
#include "passes/Output/Command.h"
#include "passes/Output/File.h"
#include "passes/Output/Paths.h"
#include "passes/Output/Replaceable.h"
#include "passes/Output/Signals.h"

#include "llvm/Support/FileSystem.h"

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

using namespace llvm;
using namespace fsdp;
namespace fs = llvm::sys::fs;

/// Path of the staged folder for the signal handler; "" while there is none.
static char stagedForHandler[PATH_MAX];
static volatile sig_atomic_t outputsAreKept = 0;

//===----------------------------------------------------------------------===//
// In a signal handler, too: made of system calls alone, opendir allocates
//===----------------------------------------------------------------------===//

/// What is written on the way to a program, the linker's temporaries included.
static bool isStagedFile(StringRef name) {
  return is_contained(kProgramFiles, name) || name == "objects" ||
         name.ends_with(".o") || name.starts_with("program.so") ||
         name.starts_with("kernels.so") || name.starts_with("reference.so");
}

/// Removes the files of a staged folder from it; how many.
static int removeFiles(int folder) {
  struct Entry { // as the kernel writes it
    uint64_t inode;
    int64_t next;
    uint16_t length;
    uint8_t type;
    char name[1];
  };
  alignas(Entry) char entries[8192];
  int removed = 0;
  ::lseek(folder, 0, SEEK_SET);
  for (long got;
       (got = ::syscall(SYS_getdents64, folder, entries, sizeof(entries))) > 0;)
    for (long at = 0; at < got;) {
      auto *entry = reinterpret_cast<Entry *>(entries + at);
      if (isStagedFile(entry->name))
        removed += ::unlinkat(folder, entry->name, 0) == 0;
      at += entry->length;
    }
  return removed;
}

/// Removes a staged folder, but nothing that somebody else put into it.
static void removeStaged(const char *path) {
  int folder = ::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0)
    return;
  // Removing may hide others from the next look: from the start each time.
  while (removeFiles(folder) > 0)
    ;
  ::close(folder);
  ::rmdir(path);
}

void fsdp::keepOutputs() { outputsAreKept = 1; }

bool fsdp::abandonOutputs() {
  if (outputsAreKept)
    return false;
  killCommand();
  if (stagedForHandler[0])
    removeStaged(stagedForHandler);
  return true;
}

//===----------------------------------------------------------------------===//
// Staging
//===----------------------------------------------------------------------===//

StagedFolder::StagedFolder(StringRef path) : final(resolvedPath(path)) {}

StagedFolder::~StagedFolder() {
  SignalsHeld held;
  if (!staging.empty())
    removeStaged(disown().c_str());
}

/// `folder` is ours to remove.
void StagedFolder::own(const std::string &folder) {
  staging = folder;
  std::memcpy(stagedForHandler, folder.c_str(), folder.size() + 1);
}

/// What was staged is no longer ours to remove.
std::string StagedFolder::disown() {
  stagedForHandler[0] = 0;
  return std::exchange(staging, "");
}

/// Gives `folder` what another one has that it will replace.
static std::error_code takePermissions(const std::string &folder,
                                       const std::string &from) {
  struct stat found;
  if (::stat(from.c_str(), &found) != 0)
    return {}; // nothing to replace
  // Only root may give a folder away, and only to a group of one's own: then
  // it is as if the folder were new.
  if (::chown(folder.c_str(), found.st_uid, found.st_gid) != 0 &&
      ::chown(folder.c_str(), -1, found.st_gid) != 0 && errno != EPERM)
    return lastError();
  return ::chmod(folder.c_str(), found.st_mode & 07777) == 0 ? std::error_code()
                                                             : lastError();
}

std::error_code StagedFolder::create() {
  SignalsHeld held;
  std::string name = unfinishedName(final);
  if (name.size() >= sizeof(stagedForHandler))
    return std::make_error_code(std::errc::filename_too_long);
  while (::mkdir(name.c_str(), 0777) != 0) {
    if (errno != EEXIST)
      return lastError();
    name = unfinishedName(final);
  }
  own(name);
  return takePermissions(name, final);
}

std::string StagedFolder::file(StringRef name) const {
  return staging + "/" + name.str();
}

//===----------------------------------------------------------------------===//
// Taking the place
//===----------------------------------------------------------------------===//

/// `folder` takes the place `final`. What was there is then called `old`, ""
/// if there was nothing. Returns "" or what went wrong: nothing has moved then,
/// or the text says what.
static std::string exchange(const std::string &folder, const std::string &final,
                            std::string &old) {
  old.clear();
  if (!fs::exists(final))
    return ::rename(folder.c_str(), final.c_str()) == 0 ? ""
                                                        : lastError().message();
  if (::renameat2(AT_FDCWD, folder.c_str(), AT_FDCWD, final.c_str(),
                  RENAME_EXCHANGE) == 0) {
    old = folder;
    return "";
  }
  if (errno != EINVAL && errno != ENOSYS)
    return lastError().message();
  // The file system cannot: in two steps, between which the name is free.
  std::string aside = unfinishedName(final);
  if (::rename(final.c_str(), aside.c_str()) != 0)
    return lastError().message();
  if (::rename(folder.c_str(), final.c_str()) == 0) {
    old = aside;
    return "";
  }
  std::string problem = lastError().message();
  if (::rename(aside.c_str(), final.c_str()) != 0)
    problem += "; what was there is now '" + aside + "'";
  return problem;
}

/// Removes a program that was replaced; "" or why it is still there.
static std::string removeProgram(const std::string &folder) {
  for (StringRef name : kProgramFiles)
    if (::unlink((folder + "/" + name.str()).c_str()) != 0 && errno != ENOENT)
      return lastError().message();
  return ::rmdir(folder.c_str()) == 0 ? "" : lastError().message();
}

/// Why what was replaced must not be removed; "" if it may.
static std::string checkReplaced(const std::string &old,
                                 const std::string &final) {
  std::error_code error;
  if (!old.empty())
    if (std::string foreign = foreignEntry(old, error); !foreign.empty())
      return "'" + foreign + "' was put into it meanwhile";
  // The new name must survive a crash before the old program goes.
  if (!error)
    error = syncToDisk(folderOf(final));
  return error ? error.message() : "";
}

/// The new program gets the name `folder` again, and what is called `old` its
/// place. Returns "" or, to go after the reason, what stands where now.
static std::string takeBack(std::string &folder, const std::string &final,
                            const std::string &old) {
  if (old.empty())
    return ::rename(final.c_str(), folder.c_str()) == 0
               ? ""
               : "; '" + final + "' is the new program";
  std::string problem = exchange(old, final, folder);
  return problem.empty() ? ""
                         : "; it is '" + old + "' now and '" + final +
                               "' the new program, as they cannot change "
                               "places again: " +
                               problem;
}

std::string StagedFolder::commit(std::string &warning) {
  for (StringRef name : kProgramFiles)
    if (fs::exists(file(name)))
      if (std::error_code error = syncToDisk(file(name)))
        return error.message();
  if (std::error_code error = syncToDisk(staging))
    return error.message();
  SignalsHeld held;
  std::string ours = disown(), old;
  std::string problem = exchange(ours, final, old);
  if (!problem.empty()) {
    own(ours);
    return problem;
  }
  problem = checkReplaced(old, final);
  if (!problem.empty()) {
    std::string stuck = takeBack(ours, final, old);
    if (stuck.empty())
      own(ours);
    return problem + stuck;
  }
  keepOutputs();
  if (!old.empty())
    if (std::string left = removeProgram(old); !left.empty())
      warning =
          "what '" + final + "' was before is left as '" + old + "': " + left;
  return "";
}
