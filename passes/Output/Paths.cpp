//===- Paths.cpp - Names of outputs ---------------------------------------===//
#include "passes/Output/Paths.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <cerrno>
#include <climits>
#include <random>
#include <unistd.h>

using namespace llvm;

std::error_code fsdp::lastError() {
  return std::error_code(errno, std::generic_category());
}

std::string fsdp::folderOf(StringRef path) {
  StringRef folder = sys::path::parent_path(path.rtrim('/'));
  return folder.empty() ? "." : folder.str();
}

static std::string resolve(StringRef path, int linksLeft) {
  SmallString<256> real;
  if (!sys::fs::real_path(path, real))
    return std::string(real);
  std::string name = path.rtrim('/').str();
  std::string folder = fsdp::folderOf(name);
  char target[PATH_MAX];
  ssize_t length = ::readlink(name.c_str(), target, sizeof(target));
  if (length > 0 && linksLeft > 0) {
    StringRef to(target, length);
    return resolve(sys::path::is_absolute(to) ? to.str()
                                              : folder + "/" + to.str(),
                   linksLeft - 1);
  }
  if (sys::fs::real_path(folder, real))
    return name; // nothing can be written there
  sys::path::append(real, sys::path::filename(name));
  return std::string(real);
}

std::string fsdp::resolvedPath(StringRef path) {
  return resolve(path, /*linksLeft=*/40); // as the kernel
}

std::string fsdp::unfinishedName(StringRef path) {
  uint32_t number = std::random_device()();
  return (path + ".partial-" + utohexstr(number, /*LowerCase=*/true, 8)).str();
}
