//===- Command.cpp - Another program at work in a folder ------------------===//
#include "passes/Output/Command.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

/// Of the command that runs, or 0.
static volatile pid_t runningCommand = 0;

void fsdp::killCommand() {
  if (pid_t process = runningCommand) {
    ::kill(process, SIGKILL);
    ::waitpid(process, nullptr, 0);
  }
}

static std::string readToEnd(int fd) {
  std::string text;
  char piece[4096];
  for (ssize_t got; (got = ::read(fd, piece, sizeof(piece))) != 0;) {
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      break;
    text.append(piece, got);
  }
  return text;
}

/// Starts `words` in `folder` with standard error into `errors`; an error
/// number, 0 if all is well.
static int start(llvm::ArrayRef<std::string> words, const std::string &folder,
                 int errors) {
  llvm::SmallVector<char *> pointers;
  for (const std::string &word : words)
    pointers.push_back(const_cast<char *>(word.c_str()));
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  ::posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
  pid_t process = 0;
  int error = ::posix_spawn(&process, pointers[0], &actions, nullptr,
                            pointers.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  runningCommand = error ? 0 : process;
  return error;
}

std::string fsdp::runCommand(llvm::ArrayRef<std::string> words,
                             const std::string &folder) {
  int errors[2];
  if (::pipe2(errors, O_CLOEXEC) != 0)
    return std::strerror(errno);
  int error = start(words, folder, errors[1]);
  ::close(errors[1]);
  std::string said = error ? "" : readToEnd(errors[0]);
  ::close(errors[0]);
  if (error)
    return std::strerror(error);
  int status = 0;
  while (::waitpid(runningCommand, &status, 0) < 0 && errno == EINTR)
    ;
  runningCommand = 0;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return "";
  if (std::string line = llvm::StringRef(said).split('\n').first.str();
      !line.empty())
    return line;
  return WIFEXITED(status)
             ? "exit status " + std::to_string(WEXITSTATUS(status))
             : "killed by a signal (" +
                   std::string(::strsignal(WTERMSIG(status))) + ")";
}
