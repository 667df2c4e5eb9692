//===- Replaceable.cpp - What a program may replace -----------------------===//
#include "passes/Output/Replaceable.h"
#include "passes/Output/Paths.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace llvm;
namespace fs = llvm::sys::fs;

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

std::string fsdp::foreignEntry(const std::string &folder,
                               std::error_code &error) {
  fs::directory_iterator end;
  for (fs::directory_iterator entry(folder, error, /*follow_symlinks=*/false);
       !error && entry != end; entry.increment(error)) {
    StringRef name = sys::path::filename(entry->path());
    if (!is_contained(fsdp::kProgramFiles, name) ||
        entry->type() != fs::file_type::regular_file ||
        (name == "manifest.json" && !isManifest(entry->path())))
      return name.str();
  }
  return "";
}

/// Whether something is mounted there: no other folder can take its name.
static bool isMountPoint(const std::string &path) {
  struct statx found;
  if (::statx(AT_FDCWD, path.c_str(), 0, STATX_BASIC_STATS, &found) != 0)
    return false;
  if (found.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT)
    return found.stx_attributes & STATX_ATTR_MOUNT_ROOT;
  // Before Linux 5.8: all but a part of the same file system, mounted again.
  struct stat own, parent;
  return ::stat(path.c_str(), &own) == 0 &&
         ::stat((path + "/..").c_str(), &parent) == 0 &&
         own.st_dev != parent.st_dev;
}

static bool isCurrentFolder(StringRef path) {
  SmallString<256> current;
  return !fs::current_path(current) && fsdp::resolvedPath(current) == path;
}

/// Of what is in folder `final`, which the user calls `named`.
static std::string checkContent(const std::string &final,
                                const std::string &named) {
  std::error_code error;
  std::string foreign = fsdp::foreignEntry(final, error);
  if (error)
    return "cannot read " + named + "to replace it: " + error.message();
  bool isProgram = fs::exists(final + "/manifest.json");
  if (foreign.empty() && !isProgram && fs::exists(final + "/program.so"))
    foreign = "program.so"; // without a manifest it may be anybody's
  if (foreign.empty())
    return "";
  if (isProgram && foreign != "manifest.json")
    return named + "holds '" + foreign +
           "', which fsdp-compile did not write: move it elsewhere, or choose "
           "another -o";
  return named + "exists and is not a program (it holds '" + foreign +
         "'): choose another -o";
}

std::string fsdp::checkReplaceable(StringRef path) {
  std::string final = resolvedPath(path);
  fs::file_status status;
  if (fs::status(final, status)) // not there, or nobody can tell
    return "";
  std::string named = "'" + path.str() + "' ";
  if (!fs::is_directory(status))
    return named + "exists and is not a program: choose another -o";
  if (isMountPoint(final))
    return named + "is a mount point, which nothing can replace: give a folder "
                   "inside of it";
  if (std::string problem = checkContent(final, named); !problem.empty())
    return problem;
  if (::access(final.c_str(), W_OK | X_OK) != 0)
    return "cannot write " + named + "anew: " + lastError().message();
  if (isCurrentFolder(final))
    return named + "is the current folder, which a program replaces: give -o "
                   "another name, or run from elsewhere";
  return "";
}
