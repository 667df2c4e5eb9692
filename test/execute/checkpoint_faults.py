#!/usr/bin/env python3
"""Whatever of a save fails, or ends the process, an older checkpoint or the new one is whole, and the run goes on."""
import os
import re
import shutil
import unittest

from harness import RUN, TOKENS, execute, lines_of
from preloads import PreloadTest

# Calls that touch FOLDER, once it has the checkpoint AFTER: number NUMBER of kind CALL (of rank RANK, under mpirun)
# fails, or ends the process before it is made, and tells so.
FAULT = r"""
#include <sys/syscall.h>
static const char *get(const char *name) {
  const char *value = getenv(name);
  return value ? value : "";
}
static int strikes(const char *call, const char *path) {
  static int armed, count;
  const char *rank = getenv("OMPI_COMM_WORLD_RANK"), *end = strrchr(path, '/');
  if (strcmp(call, get("CALL")) || strncmp(path, get("FOLDER"), strlen(get("FOLDER"))) ||
      (end && !strcmp(end, "/lock")) || (rank && strcmp(rank, get("RANK"))))
    return 0;
  if (!armed)
    armed = syscall(SYS_access, get("AFTER"), F_OK) == 0;
  if (!armed || __sync_add_and_fetch(&count, 1) != atoi(get("NUMBER")))
    return 0;
  tell(get("TOLD"));
  if (*get("ENDS"))
    syscall(SYS_exit_group, 77);
  errno = ENOSPC;
  return 1;
}
static int strikesFile(const char *call, int fd) {
  char link[64], path[4096] = "";
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  readlink(link, path, sizeof path - 1);
  return strikes(call, path);
}
#define REAL(TYPE, NAME) ((TYPE)dlsym(RTLD_NEXT, NAME))
int mkdir(const char *path, mode_t mode) {
  return strikes("mkdir", path) ? -1 : REAL(int (*)(const char *, mode_t), "mkdir")(path, mode);
}
int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  int mode = va_arg(rest, int);
  va_end(rest);
  if (flags & O_EXCL && strikes("open", path))
    return -1;
  return REAL(int (*)(const char *, int, int), "open")(path, flags, mode);
}
ssize_t write(int fd, const void *data, size_t count) {
  return strikesFile("write", fd) ? -1 : REAL(ssize_t(*)(int, const void *, size_t), "write")(fd, data, count);
}
int fsync(int fd) {
  return strikesFile("fsync", fd) ? -1 : REAL(int (*)(int), "fsync")(fd);
}
int renameat2(int from, const char *a, int to, const char *b, unsigned flags) {
  return strikes("rename", a)
             ? -1
             : REAL(int (*)(int, const char *, int, const char *, unsigned), "renameat2")(from, a, to, b, flags);
}
int unlink(const char *path) {
  return strikes("unlink", path) ? -1 : REAL(int (*)(const char *), "unlink")(path);
}
int rmdir(const char *path) {
  return strikes("rmdir", path) ? -1 : REAL(int (*)(const char *), "rmdir")(path);
}
"""


class CheckpointFaults(PreloadTest):
    def setUp(self):
        super().setUp()
        self.model = self.program("p.fsdp", "--mesh", "shard=2")
        self.folder_of_run, self.metrics = self.path("D"), self.path("m.jsonl")
        self.run_steps(8, "thread", "--metrics", self.path("whole.jsonl"))
        self.expected = [m["loss"] for m in lines_of(self.path("whole.jsonl"))]

    def run_steps(self, steps, comm, *flags, **rest):
        return execute(RUN, self.model, "--data", TOKENS, "--steps", str(steps), "--comm", comm, *flags, **rest)

    def struck(self, call, number, comm, rank, ends):
        """Saves at steps 2 and 4, the second time with a fault; whether that happened."""
        told = self.path("told")
        if os.path.exists(told):
            os.remove(told)
        shutil.rmtree(self.folder_of_run, ignore_errors=True)
        after = "/step-4" if call in ("unlink", "rmdir") else "/step-2"  # which has gone by another name then
        environment = self.preload(FAULT, FOLDER=self.folder_of_run, AFTER=self.folder_of_run + after, CALL=call,
                                   NUMBER=str(number), RANK=str(rank), TOLD=told, ENDS="1" if ends else "")
        save = ["--checkpoint-dir", self.folder_of_run, "--checkpoint-every", "2", "--keep", "1"]
        status, _, errors = self.run_steps(4, comm, *save, "--metrics", self.metrics, env=environment)
        if not os.path.exists(told):
            self.assertEqual((status, errors), (0, ""))
            return False
        if ends:
            self.assertNotEqual(status, 0)
        else:
            # The last checkpoint is there, or the status says that it is not.
            isThere = os.path.exists(self.folder_of_run + "/step-4/checkpoint.json")
            self.assertEqual(status, 0 if isThere else 1, errors)
            self.assertEqual([m["loss"] for m in lines_of(self.metrics)], self.expected[:4])
            said = ("warning: .*No space left on device" if isThere else
                    "error: the last checkpoint, of step 4, .*No space left on device.*; the newest checkpoint is "
                    f"'{self.folder_of_run}/step-2'")
            self.assertRegex(errors, f"^fsdp-run: {said}.*\n$")
            self.assertEqual("is complete, but may not outlast a power failure" in errors,
                             isThere and call == "fsync", errors)
        # As it is left, and with what it has: the rest is the same.
        whole = sorted(int(n[5:]) for n in os.listdir(self.folder_of_run) if re.fullmatch(r"step-\d+", n))
        self.assertTrue(whole, "no checkpoint is left")
        status, output, errors = self.run_steps(8, "thread", *save, "--resume", "latest", "--metrics", self.metrics)
        self.assertEqual((status, errors), (0, ""))
        self.assertIn(f"goes on from '{self.folder_of_run}/step-{whole[-1]}'", output)
        self.assertEqual([m["loss"] for m in lines_of(self.metrics)], self.expected)
        self.assertEqual(sorted(os.listdir(self.folder_of_run)), ["lock", "step-8"])
        return True

    def every(self, call, *numbers, comm="thread", rank=0):
        """Each of these calls fails, and ends the process; how many of them there were."""
        struck = 0
        for ends in False, True:
            for number in numbers:
                with self.subTest(call=call, number=number, ends=ends, comm=comm, rank=rank):
                    if not self.struck(call, number, comm, rank, ends):
                        break
                    struck += 1
        return struck / 2

    def test_every_call_but_writes(self):
        """As many as there are of each: nothing is left out. The first fsync is the last one of the save before."""
        for call, number in ("mkdir", 1), ("open", 3), ("fsync", 6), ("rename", 2), ("unlink", 3), ("rmdir", 1):
            self.assertEqual(self.every(call, *range(1, 20)), number, call)

    def test_writes(self):
        """Those of headers, of parameters, of the index."""
        self.assertEqual(self.every("write", 1, 2, 20, 50), 4)

    def test_one_rank_of_processes(self):
        for call, number, rank in ("write", 3, 1), ("fsync", 1, 1), ("fsync", 2, 0), ("rename", 1, 0):
            self.assertEqual(self.every(call, number, comm="mpi", rank=rank), 1)


if __name__ == "__main__":
    unittest.main()
