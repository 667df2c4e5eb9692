//===- Failure.cpp - A compiler that cannot go on -------------------------===//
#include "Failure.h"
#include "passes/Output/Folder.h"

#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/Signals.h"
#include "llvm/Support/Threading.h"

#include <cstring>
#include <cxxabi.h>
#include <exception>
#include <mutex>
#include <pthread.h>
#include <typeinfo>
#include <unistd.h>
#include <vector>

static void print(const char *text, size_t length) {
  ssize_t ignored = ::write(STDERR_FILENO, text, length);
  (void)ignored;
}

void fsdp::endWith(int status, std::initializer_list<const char *> words) {
  llvm::sys::RunInterruptHandlers(); // files that are registered for removal
  print("fsdp-compile: error: ", std::strlen("fsdp-compile: error: "));
  for (const char *word : words)
    print(word, std::strcspn(word, "\n"));
  print("\n", 1);
  ::_exit(status);
}

static const char *const outOfMemory =
    "out of memory: allow more (ulimit -v, the container's limit), or compile "
    "fewer layers, a shorter sequence or a smaller batch";

static void onBadAlloc(void *, const char *, bool) {
  fsdp::abandonOutputs();
  fsdp::endWith(1, {outOfMemory});
}

static void onFatal(void *, const char *reason, bool) {
  fsdp::abandonOutputs();
  if (std::strncmp(reason, "pthread_create", strlen("pthread_create")) == 0)
    fsdp::endWith(1, {"cannot start a thread: allow more (ulimit -u, the "
                      "container's pids limit, ulimit -v)"});
  fsdp::endWith(1, {"cannot go on: ", reason});
}

/// An exception of a library: the compiler itself has none.
[[noreturn]] static void onTerminate() {
  fsdp::abandonOutputs();
  const std::type_info *type = abi::__cxa_current_exception_type();
  const char *name = type ? type->name() : "";
  if (std::strcmp(name, "St9bad_alloc") == 0)
    fsdp::endWith(1, {outOfMemory});
  fsdp::endWith(1, {"cannot go on: a library failed (", name, ")"});
}

void fsdp::installFailureHandlers() {
  llvm::install_fatal_error_handler(onFatal);
  llvm::install_bad_alloc_error_handler(onBadAlloc);
  std::set_terminate(onTerminate);
}

bool fsdp::canStartThreads() {
  std::mutex gate; // until all have started
  std::unique_lock<std::mutex> closed(gate);
  auto wait = [](void *gate) -> void * {
    std::lock_guard<std::mutex>(*static_cast<std::mutex *>(gate));
    return nullptr;
  };
  unsigned count = llvm::hardware_concurrency().compute_thread_count();
  std::vector<pthread_t> threads(count);
  size_t started = 0;
  while (started < count &&
         ::pthread_create(&threads[started], nullptr, wait, &gate) == 0)
    ++started;
  closed.unlock();
  for (size_t i = 0; i < started; ++i)
    ::pthread_join(threads[i], nullptr);
  return started == count;
}
