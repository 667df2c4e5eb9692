//===- Command.cpp - Another program at work in a folder ------------------===//
#include "passes/Output/Command.h"
#include "passes/Output/Signals.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"

#include <cerrno>
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
  // A signal finds the command running, or not begun.
  fsdp::SignalsHeld held;
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  ::posix_spawnattr_setsigmask(&attributes, &held.outside());
  pid_t process = 0;
  int error = ::posix_spawn(&process, pointers[0], &actions, &attributes,
                            pointers.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  runningCommand = error ? 0 : process;
  return error;
}

/// Waits for the command; its status.
static int finish() {
  // It is reaped, and forgotten, in one: its number may be another's then.
  siginfo_t ended;
  while (::waitid(P_PID, runningCommand, &ended, WEXITED | WNOWAIT) < 0 &&
         errno == EINTR)
    ;
  fsdp::SignalsHeld held;
  int status = 0;
  ::waitpid(runningCommand, &status, 0);
  runningCommand = 0;
  return status;
}

/// Why it failed, by its status and what it `said`; "" if it did not.
static std::string describe(int status, llvm::StringRef said) {
  if (WIFSIGNALED(status))
    return "killed by a signal (" +
           std::string(::sigdescr_np(WTERMSIG(status))) + ")";
  if (WEXITSTATUS(status) == 0)
    return "";
  // LLVM's tools make a status of the signal and tell developers of it.
  if (said.contains("Stack dump:"))
    return "it crashed; it does where files may not grow (ulimit -f)";
  llvm::StringRef line = said.split('\n').first;
  return line.empty() ? "exit status " + std::to_string(WEXITSTATUS(status))
                      : line.str();
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
  int status = finish();
  return describe(status, said);
}
