//===- Folder.cpp - A program's folder, whole or not there ----------------===//
#include "passes/Output/Folder.h"
#include "passes/Output/Command.h"
#include "passes/Output/File.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace llvm;
using namespace fsdp;
namespace fs = llvm::sys::fs;

static std::error_code lastError() {
  return std::error_code(errno, std::generic_category());
}

//===----------------------------------------------------------------------===//
// What is there
//===----------------------------------------------------------------------===//

static std::string parentOf(StringRef path) {
  StringRef parent = sys::path::parent_path(path.rtrim('/'));
  return parent.empty() ? "." : parent.str();
}

static std::string resolve(StringRef path, int linksLeft) {
  SmallString<256> real;
  if (!fs::real_path(path, real))
    return std::string(real);
  std::string name = path.rtrim('/').str();
  char target[PATH_MAX];
  ssize_t length = ::readlink(name.c_str(), target, sizeof(target));
  if (length > 0 && linksLeft > 0) {
    StringRef to(target, length);
    return resolve(sys::path::is_absolute(to) ? to.str()
                                              : parentOf(name) + "/" + to.str(),
                   linksLeft - 1);
  }
  if (fs::real_path(parentOf(name), real))
    return name; // nothing can be written there
  sys::path::append(real, sys::path::filename(name));
  return std::string(real);
}

std::string fsdp::resolvedPath(StringRef path) {
  return resolve(path, /*linksLeft=*/40); // as the kernel
}

/// The files that a program consists of.
static bool isOwnFile(StringRef name) {
  return name == "manifest.json" || name == "program.so";
}

/// Whether the manifest is one of ours, not of another tool with that name.
static bool isManifest(const std::string &path) {
  auto buffer = MemoryBuffer::getFile(path);
  if (!buffer)
    return false;
  Expected<json::Value> value = json::parse((*buffer)->getBuffer());
  if (!value) {
    consumeError(value.takeError());
    return false;
  }
  const json::Object *object = value->getAsObject();
  return object && object->getString("format") == "fsdp-opt program";
}

/// Something in `folder` that the compiler did not write; "" if there is none.
static std::string foreignEntry(const std::string &folder,
                                std::error_code &error) {
  fs::directory_iterator end;
  for (fs::directory_iterator entry(folder, error, /*follow_symlinks=*/false);
       !error && entry != end; entry.increment(error)) {
    StringRef name = sys::path::filename(entry->path());
    if (!isOwnFile(name) || entry->type() != fs::file_type::regular_file ||
        (name == "manifest.json" && !isManifest(entry->path())))
      return name.str();
  }
  return "";
}

std::string fsdp::checkReplaceable(StringRef path) {
  std::string final = resolvedPath(path);
  fs::file_status status;
  if (fs::status(final, status)) // not there, or nobody can tell
    return "";
  std::string named = "'" + path.str() + "' ";
  if (!fs::is_directory(status))
    return named + "exists and is not a program: choose another -o";
  std::error_code error;
  std::string foreign = foreignEntry(final, error);
  if (error)
    return "cannot read " + named + "to replace it: " + error.message();
  bool isProgram = fs::exists(final + "/manifest.json");
  if (foreign.empty() && !isProgram && fs::exists(final + "/program.so"))
    foreign = "program.so"; // without a manifest it may be anybody's
  if (!foreign.empty())
    return named + (isProgram && foreign != "manifest.json"
                        ? "holds '" + foreign +
                              "', which fsdp-compile did not write: move it "
                              "elsewhere, or choose another -o"
                        : "exists and is not a program (it holds '" + foreign +
                              "'): choose another -o");
  SmallString<256> current;
  if (!fs::current_path(current) && resolvedPath(current) == final)
    return named + "is the current folder, which a program replaces: give -o "
                   "another name, or run from elsewhere";
  return "";
}

//===----------------------------------------------------------------------===//
// Staging
//===----------------------------------------------------------------------===//

/// Path of the staged folder for the signal handler; "" while there is none.
static char stagedForHandler[PATH_MAX];

StagedFolder::StagedFolder(StringRef path) : final(resolvedPath(path)) {}

StagedFolder::~StagedFolder() {
  stagedForHandler[0] = 0;
  if (!staging.empty())
    fs::remove_directories(staging);
}

std::error_code StagedFolder::create() {
  std::string name = final + ".partial-XXXXXX";
  if (name.size() >= sizeof(stagedForHandler))
    return std::make_error_code(std::errc::filename_too_long);
  if (!::mkdtemp(name.data()))
    return lastError();
  staging = name;
  std::memcpy(stagedForHandler, name.c_str(), name.size() + 1);
  // As open to others as the user's umask says.
  mode_t mask = ::umask(0);
  ::umask(mask);
  return ::chmod(name.c_str(), 0777 & ~mask) == 0 ? std::error_code()
                                                  : lastError();
}

std::string StagedFolder::file(StringRef name) const {
  return staging + "/" + name.str();
}

/// The two folders change places.
std::error_code StagedFolder::exchange() {
  constexpr unsigned renameExchange = 2; // RENAME_EXCHANGE of newer headers
  if (::syscall(SYS_renameat2, AT_FDCWD, staging.c_str(), AT_FDCWD,
                final.c_str(), renameExchange) == 0)
    return {};
  if (errno != EINVAL && errno != ENOSYS)
    return lastError();
  // The file system cannot: in three steps, of which the middle one counts.
  std::string aside = staging + ".old";
  if (::rename(final.c_str(), aside.c_str()) != 0)
    return lastError();
  if (::rename(staging.c_str(), final.c_str()) != 0) {
    std::error_code error = lastError();
    ::rename(aside.c_str(), final.c_str());
    return error;
  }
  return ::rename(aside.c_str(), staging.c_str()) == 0 ? std::error_code()
                                                       : lastError();
}

namespace {
/// Holds signals back that would end the compiler between two steps.
class SignalsHeld {
public:
  SignalsHeld() {
    sigset_t held;
    ::sigemptyset(&held);
    for (int number : {SIGINT, SIGTERM, SIGHUP})
      ::sigaddset(&held, number);
    ::pthread_sigmask(SIG_BLOCK, &held, &before);
  }
  ~SignalsHeld() { ::pthread_sigmask(SIG_SETMASK, &before, nullptr); }

private:
  sigset_t before;
};
} // namespace

std::string StagedFolder::commit() {
  for (const std::string &path :
       {file("program.so"), file("manifest.json"), staging})
    if (std::error_code error = syncToDisk(path))
      return error.message();
  SignalsHeld held;
  bool replaces = fs::exists(final);
  if (std::error_code error =
          !replaces ? fs::rename(staging, final) : exchange())
    return error.message();
  std::string old = replaces ? staging : "";
  // From here on `staging` is what was there, and no longer ours to remove
  // but for the files of a program.
  stagedForHandler[0] = 0;
  staging.clear();
  if (replaces) {
    std::error_code error;
    std::string foreign = foreignEntry(old, error);
    if (error || !foreign.empty()) { // it came while we compiled
      staging = old;
      exchange();
      return error ? error.message()
                   : "'" + foreign + "' was put into it meanwhile";
    }
    ::unlink((old + "/manifest.json").c_str());
    ::unlink((old + "/program.so").c_str());
    ::rmdir(old.c_str());
  }
  // The name itself must survive a crash too.
  std::error_code error = syncToDisk(parentOf(final));
  return error ? error.message() : "";
}

//===----------------------------------------------------------------------===//
// In a signal handler
//===----------------------------------------------------------------------===//

/// Removes the files of a folder and the folder. Made of system calls alone:
/// opendir allocates.
static void removeFolder(const char *path) {
  int folder = ::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0)
    return;
  struct Entry { // as the kernel writes it
    uint64_t inode;
    int64_t next;
    uint16_t length;
    uint8_t type;
    char name[1];
  };
  alignas(Entry) char entries[8192];
  // Removing changes what the next call returns: from the start each time.
  for (long got; ::lseek(folder, 0, SEEK_SET) == 0 &&
                 (got = ::syscall(SYS_getdents64, folder, entries,
                                  sizeof(entries))) > 0;) {
    int removed = 0;
    for (long at = 0; at < got;) {
      auto *entry = reinterpret_cast<Entry *>(entries + at);
      removed += ::unlinkat(folder, entry->name, 0) == 0;
      at += entry->length;
    }
    if (!removed)
      break;
  }
  ::close(folder);
  ::rmdir(path);
}

void fsdp::abandonOutputs() {
  killCommand();
  if (stagedForHandler[0])
    removeFolder(stagedForHandler);
}
