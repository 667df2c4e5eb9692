"""Functions of the C library that behave as on another machine, or at a moment that is hard to hit."""
import os
import shutil
import subprocess

from harness import ToolTest

HEAD = r"""
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>
static void tell(const char *file) {
  FILE *told = fopen(file, "a");
  fputs("told\n", told);
  fclose(told);
}
"""
# fsync that takes its time, and tells that it was called.
SLOW_DISK = r"""
int fsync(int fd) {
  tell(getenv("FSYNC_TOLD"));
  sleep(atoi(getenv("FSYNC_SECONDS")));
  return 0;
}
"""
# A file system without unnamed files, as NFS is.
NO_TMPFILE = r"""
int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  int mode = va_arg(rest, int);
  va_end(rest);
  if ((flags & O_TMPFILE) == O_TMPFILE) {
    errno = EOPNOTSUPP;
    return -1;
  }
  return ((int (*)(const char *, int, int))dlsym(RTLD_NEXT, "open"))(path, flags, mode);
}
"""
# A file system where unnamed files cannot be given a name.
NO_LINK = r"""
int linkat(int from, const char *old, int to, const char *name, int flags) {
  errno = EPERM;
  return -1;
}
"""
# Threads that the system refuses after the first few.
FEW_THREADS = r"""
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*body)(void *), void *arg) {
  static int made;
  if (__sync_add_and_fetch(&made, 1) > atoi(getenv("MOST_THREADS")))
    return EAGAIN;
  return ((int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(
      RTLD_NEXT, "pthread_create"))(thread, attr, body, arg);
}
"""
# No more processes; what would have been struck is told instead.
NO_FORK = r"""
pid_t fork(void) {
  errno = EAGAIN;
  return -1;
}
int kill(pid_t process, int number) {
  fprintf(stderr, "[would kill %d]\n", (int)process);
  return 0;
}
"""
# A disk that is full when the reports come: JSON, which a file begins with.
NO_ROOM_FOR_JSON = r"""
ssize_t pwrite(int fd, const void *data, size_t count, off_t at) {
  if (at == 0 && *(const char *)data == '{') {
    errno = ENOSPC;
    return -1;
  }
  return ((ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite"))(fd, data, count, at);
}
"""
# A file that does not let itself be replaced, whatever was seen of it before.
NO_RENAME = r"""
int rename(const char *old, const char *name) {
  if (!strcmp(name, getenv("KEPT"))) {
    errno = EPERM;
    return -1;
  }
  return ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename"))(old, name);
}
"""
# The file is whole, and about to get its name: tells, and waits for ever.
HELD_RENAME = r"""
int rename(const char *old, const char *name) {
  tell(getenv("TOLD"));
  for (;;)
    pause();
}
"""
# A pipe that nobody reads from: tells, and waits for ever.
HELD_OPEN = r"""
int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  int mode = va_arg(rest, int);
  va_end(rest);
  if (!strcmp(path, getenv("HELD"))) {
    tell(getenv("TOLD"));
    for (;;)
      pause();
  }
  return ((int (*)(const char *, int, int))dlsym(RTLD_NEXT, "open"))(path, flags, mode);
}
"""
# Another user.
OTHER_USER = "uid_t geteuid(void) { return 54321; }"
# A rank that does not come back from MPI's end.
HELD_FINALIZE = r"""
int PMPI_Finalize(void);
int MPI_Finalize(void) {
  if (!strcmp(getenv("OMPI_COMM_WORLD_RANK"), "1"))
    for (;;)
      pause();
  return PMPI_Finalize();
}
"""
# A rank that dies in MPI's start.
DEAD_INIT = r"""
int PMPI_Init_thread(int *count, char ***values, int required, int *provided);
int MPI_Init_thread(int *count, char ***values, int required, int *provided) {
  if (!strcmp(getenv("OMPI_COMM_WORLD_RANK"), "1"))
    _exit(1);
  return PMPI_Init_thread(count, values, required, provided);
}
"""
# A signal while ranks are about to be started; says what their record is called.
TOLD_AT_START = r"""
int shm_open(const char *name, int flags, mode_t mode) {
  FILE *told = fopen(getenv("TOLD"), "w");
  fputs(name, told);
  fclose(told);
  return ((int (*)(const char *, int, mode_t))dlsym(RTLD_NEXT, "shm_open"))(name, flags, mode);
}
DIR *opendir(const char *path) {
  if (!strcmp(path, "/proc"))
    kill(getpid(), SIGTERM);
  return ((DIR * (*)(const char *)) dlsym(RTLD_NEXT, "opendir"))(path);
}
"""


class PreloadTest(ToolTest):
    def preload(self, *texts, **variables):
        """An environment in which functions of the C library are these."""
        libraries = []
        for text in texts:
            name = f"preload{abs(hash(text))}"
            library = self.path(name + ".so")
            if not os.path.exists(library):
                source = self.write(name + ".c", (HEAD + text).encode())
                subprocess.run([shutil.which("clang-19") or "cc", "-shared", "-fPIC", "-w", "-o", library, source],
                               check=True)
            libraries.append(library)
        return {**os.environ, "LD_PRELOAD": ":".join(libraries), **variables}

    def unfinished(self):
        return [name for name in os.listdir(self.folder) if ".partial" in name]
