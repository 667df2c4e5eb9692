//===- File.cpp - A file that is whole or not there -----------------------===//
#include "passes/Output/File.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Signals.h"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace llvm;

static std::error_code lastError() {
  return std::error_code(errno, std::generic_category());
}

std::error_code fsdp::syncToDisk(const std::string &path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return lastError();
  // Some file systems cannot sync a folder; they lose nothing that we wrote.
  int failed = ::fsync(fd) != 0 && errno != EINVAL;
  std::error_code error = failed ? lastError() : std::error_code();
  ::close(fd);
  return error;
}

/// A new file beside `path`, as open to others as the user's umask says.
/// LLVM's own temporaries would replace each '%' of the whole path.
static int createBeside(StringRef path, std::string &temporary) {
  temporary = (path + ".partial-XXXXXX").str();
  int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  mode_t mask = ::umask(0);
  ::umask(mask);
  if (fd >= 0)
    ::fchmod(fd, 0666 & ~mask);
  return fd;
}

static std::error_code print(int fd,
                             function_ref<void(raw_ostream &)> printAll) {
  raw_fd_ostream stream(fd, /*shouldClose=*/false);
  printAll(stream);
  stream.flush();
  std::error_code error = stream.error();
  stream.clear_error();
  return error;
}

std::error_code
fsdp::writeWholeFile(StringRef path,
                     function_ref<void(raw_ostream &)> printAll) {
  if (path == "-")
    return print(STDOUT_FILENO, printAll);
  std::string temporary;
  int fd = createBeside(path, temporary);
  if (fd < 0)
    return lastError();
  sys::RemoveFileOnSignal(temporary);
  std::error_code error = print(fd, printAll);
  ::close(fd);
  if (!error)
    error = syncToDisk(temporary);
  if (!error && ::rename(temporary.c_str(), path.str().c_str()) != 0)
    error = lastError();
  if (error)
    ::unlink(temporary.c_str());
  sys::DontRemoveFileOnSignal(temporary);
  return error;
}
