//===- File.cpp - A file that is whole or not there -----------------------===//
#include "passes/Output/File.h"
#include "passes/Output/Paths.h"
#include "passes/Output/Signals.h"

#include "llvm/Support/Signals.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

using namespace llvm;

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

/// A new file beside `path`, which goes if a signal ends the compiler.
static int createBeside(StringRef path, std::string &temporary) {
  fsdp::SignalsHeld held;
  int fd = -1;
  do {
    temporary = fsdp::unfinishedName(path);
    fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                0666);
  } while (fd < 0 && errno == EEXIST);
  if (fd >= 0)
    sys::RemoveFileOnSignal(temporary);
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
