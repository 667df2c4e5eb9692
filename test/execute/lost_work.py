#!/usr/bin/env python3
"""Disks that are full or slow and ranks that are killed cost no work that was done, and leave no litter."""
import os
import resource
import signal
import subprocess
import time
import unittest

from harness import RUN, TOKENS, ToolTest, content, execute, lines_of

# fsync that takes its time, and tells that it was called.
SLOW_DISK = r"""
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int fsync(int fd) {
  FILE *told = fopen(getenv("FSYNC_TOLD"), "a");
  fputs("fsync\n", told);
  fclose(told);
  sleep(atoi(getenv("FSYNC_SECONDS")));
  return 0;
}
"""
# A file system without unnamed files, as NFS is.
NO_TMPFILE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
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
# Threads that the system refuses after the first few.
FEW_THREADS = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*body)(void *), void *arg) {
  static int made;
  if (__sync_add_and_fetch(&made, 1) > atoi(getenv("MOST_THREADS")))
    return EAGAIN;
  return ((int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(
      RTLD_NEXT, "pthread_create"))(thread, attr, body, arg);
}
"""


class LostWork(ToolTest):
    def setUp(self):
        super().setUp()
        self.model = self.program("p.fsdp", "--mesh", "shard=2")

    def run_with(self, *flags, comm="thread", **rest):
        return execute(RUN, self.model, "--data", TOKENS, "--steps", "3", "--comm", comm, *flags, **rest)

    def unfinished(self):
        return [name for name in os.listdir(self.folder) if ".partial" in name]

    def test_full_disk_under_the_metrics(self):
        for comm in "thread", "mpi":
            save = self.path(comm + ".st")
            status, output, errors = self.run_with("--metrics", "/dev/full", "--save", save, comm=comm)
            self.assertEqual(status, 0, errors)
            self.assertEqual(errors.count("\n"), 1, errors)
            self.assertRegex(errors, "^fsdp-run: warning: .*'/dev/full'.*No space left.*step 1.*training goes on")
            self.assertIn("metrics: 3 of 3 steps could not be written", output)
            self.assertTrue(os.path.getsize(save))

    def test_metrics_that_may_not_grow(self):
        """The lines that fit stay, whole."""
        metrics = self.path("m.jsonl")

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700))
        done = subprocess.run([RUN, self.model, "--data", TOKENS, "--steps", "5", "--comm", "thread", "--metrics",
                               metrics], capture_output=True, text=True, preexec_fn=limit)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("warning: cannot write metrics", done.stderr)
        kept = len(lines_of(metrics))
        self.assertTrue(0 < kept < 5, kept)
        self.assertIn(f"metrics: {5 - kept} of 5 steps", done.stdout)

    def test_a_reader_that_leaves(self):
        save = self.path("s.st")
        done = subprocess.run(f"'{RUN}' '{self.model}' --data '{TOKENS}' --steps 60 --comm thread --save '{save}' | head -1",
                              shell=True, capture_output=True, text=True)
        self.assertEqual(done.stderr, "")
        deadline = time.monotonic() + 60
        while not os.path.exists(save):
            self.assertLess(time.monotonic(), deadline, "ended with its reader")
            time.sleep(0.1)

    def test_full_disk_under_the_reports(self):
        """The parameters come first, and the message says so."""
        for comm in "thread", "mpi":
            save = self.path(comm + ".st")
            result = self.run_with("--records", "/dev/full", "--save", save, comm=comm)
            self.assertOneError(result, "cannot write records to '/dev/full", "No space left",
                                "the parameters are saved in '" + save)
            self.assertTrue(os.path.getsize(save))
        trace, save = self.path("t.json"), self.path("s.st")

        def limit():  # the parameters fit, the trace does not
            resource.setrlimit(resource.RLIMIT_FSIZE, (150000, 150000))
        done = subprocess.run([RUN, self.model, "--data", TOKENS, "--steps", "20", "--comm", "thread", "--trace", trace,
                               "--trace-steps", "1:20", "--save", save], capture_output=True, text=True,
                              preexec_fn=limit)
        self.assertOneError((done.returncode, "", done.stderr), "cannot write the trace", "File too large",
                            "the parameters are saved in '" + save, output="t.json")
        self.assertTrue(os.path.getsize(save))

    def test_slow_disk(self):
        """Peers do not take a rank that waits for the disk for one that is stuck."""
        for comm in "thread", "mpi":
            told, save = self.path("told-" + comm), self.path(comm + ".st")
            environment = self.preload("slow", SLOW_DISK, FSYNC_TOLD=told, FSYNC_SECONDS="6")
            status, _, errors = self.run_with("--timeout", "2", "--save", save, comm=comm, env=environment)
            self.assertEqual(status, 0, errors)
            self.assertTrue(content(told), "the disk was not slow")
            self.assertTrue(os.path.getsize(save))

    def killed_in_the_save(self, number, comm, environment):
        told, save = self.path("told"), self.path("s.st")
        environment.update(FSYNC_TOLD=told, FSYNC_SECONDS="60")
        child = subprocess.Popen([RUN, self.model, "--data", TOKENS, "--steps", "2", "--comm", comm, "--save", save],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
        deadline = time.monotonic() + 60
        while not os.path.exists(told):
            self.assertLess(time.monotonic(), deadline, "did not save")
            time.sleep(0.05)
        named = self.unfinished()
        child.send_signal(number)
        _, errors = child.communicate(timeout=60)
        os.remove(told)
        self.assertFalse(os.path.exists(save))
        return named, child.returncode, errors

    def test_killed_in_the_save(self):
        environment = self.preload("slow", SLOW_DISK)
        for number in signal.SIGTERM, signal.SIGKILL:
            named, _, errors = self.killed_in_the_save(number, "thread", environment)
            self.assertEqual(self.unfinished(), [], errors)
        named, _, errors = self.killed_in_the_save(signal.SIGTERM, "mpi", environment)
        self.assertEqual(self.unfinished(), [], errors)

    def test_killed_in_the_save_where_files_have_names(self):
        slow = self.preload("slow", SLOW_DISK)["LD_PRELOAD"]
        environment = self.preload("named", NO_TMPFILE)
        environment["LD_PRELOAD"] += ":" + slow
        for comm in "thread", "mpi":
            named, status, errors = self.killed_in_the_save(signal.SIGTERM, comm, environment)
            self.assertEqual(len(named), 1, "the file had no name")
            self.assertEqual(status, 128 + signal.SIGTERM, errors)
            self.assertEqual(self.unfinished(), [], errors)

    def test_no_more_threads(self):
        """Of the workers, of the ranks, of the streams: one message, whichever is refused."""
        refused = 0
        for most in range(0, 7):
            environment = self.preload("few", FEW_THREADS, MOST_THREADS=str(most), OMP_NUM_THREADS="1")
            result = self.run_with("--threads", "3", env=environment)
            with self.subTest(most=most):
                if result[0] == 0:
                    continue
                refused += 1
                self.assertOneError(result, "cannot start a thread", "ulimit -u", "--threads")
        self.assertGreater(refused, 3)

    def test_no_memory(self):
        """Under any limit of the address space: it trains, or says what it lacks."""
        for kilobytes in range(60000, 1100000, 130000):
            def limit():
                resource.setrlimit(resource.RLIMIT_AS, (kilobytes * 1024, kilobytes * 1024))
            done = subprocess.run([RUN, self.model, "--data", TOKENS, "--steps", "1", "--comm", "thread"],
                                  capture_output=True, text=True, preexec_fn=limit, timeout=60)
            with self.subTest(kilobytes=kilobytes):
                self.assertNotRegex(done.stderr, "terminate called|Aborted")
                self.assertGreaterEqual(done.returncode, 0, done.stderr)
                if done.returncode and "error while loading shared libraries" not in done.stderr:
                    self.assertLess(done.returncode, 128)
                    self.assertEqual(done.stderr.count("\n"), 1, done.stderr)


if __name__ == "__main__":
    unittest.main()
