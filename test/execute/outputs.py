#!/usr/bin/env python3
"""What fsdp-compile writes: where it lands, what it replaces, and what it never touches."""
import os
import re
import resource
import signal
import stat
import subprocess
import time
import unittest

from harness import COMPILE, LOSS, RUN, TINY, ToolTest, content, execute

COMMAND = [COMPILE, TINY, *LOSS]

# Each as the name of a folder, of a program, of a model and of a report.
ODD_NAMES = ["100%", "%%%%%%", "a b", 'quo"te', "it's", "$HOME", "back\\slash", "semi;colon", "@at", "-dash",
             "line\nbreak", "\u00e9t\u00e9"]

# What happens in the moment in which old and new program change places: FOREIGN is put into the old one's folder
# before, signal SIGNAL is sent to the process after, and the exchange number FAILS fails.
EXCHANGE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int renameat2(int from, const char *a, int to, const char *b, unsigned flags) {
  static int count;
  const char *foreign = getenv("FOREIGN"), *number = getenv("SIGNAL"), *fails = getenv("FAILS");
  if (++count == 1 && foreign)
    fclose(fopen(foreign, "w"));
  if (fails && count == atoi(fails)) {
    errno = EIO;
    return -1;
  }
  int result = ((int (*)(int, const char *, int, const char *, unsigned))dlsym(RTLD_NEXT, "renameat2"))(
      from, a, to, b, flags);
  if (number && count == 1) {
    kill(getpid(), atoi(number));
    sleep(1); /* for what ought not to happen */
  }
  return result;
}
"""
# A file system that cannot exchange names, as some network ones.
NO_EXCHANGE = r"""
#include <errno.h>
int renameat2(int from, const char *a, int to, const char *b, unsigned flags) {
  errno = EINVAL;
  return -1;
}
"""
# Files that another thread makes meanwhile would be open to everybody.
NO_UMASK = r"""
#include <stdlib.h>
int umask(int mask) { abort(); }
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
# Memory that has an end: after so many allocations there is none.
LITTLE_MEMORY = r"""
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
void *__libc_malloc(size_t size);
void *malloc(size_t size) {
  static long made, most;
  if (!most)
    most = atol(getenv("MOST_ALLOCATIONS"));
  if (__sync_add_and_fetch(&made, 1) <= most)
    return __libc_malloc(size);
  errno = ENOMEM;
  return NULL;
}
"""


class OutputTest(ToolTest):
    def compile(self, output, *flags, model=TINY, dims=(), loss=LOSS):
        return super().compile(output, *flags, model=model, dims=dims, loss=loss)

    def names(self, folder):
        return sorted(os.listdir(self.path(folder)))

    def check_program(self, path):
        self.assertEqual(sorted(os.listdir(path)), ["manifest.json", "program.so"])

    def earlier(self, name="p.fsdp"):
        """A program, and its files, that a compilation to `name` replaces by another."""
        program = self.program(name, "--optimizer", "sgd")
        return program, self.files(program)

    def files(self, program):
        self.check_program(program)
        return content(program + "/program.so"), content(program + "/manifest.json")

    def start(self, *flags, **rest):
        """A compilation in the background, in which no signal is ignored."""
        def as_in_the_foreground():
            for number in (signal.SIGINT, signal.SIGQUIT):
                signal.signal(number, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        child = subprocess.Popen([*COMMAND, *flags], stderr=subprocess.PIPE, text=True,
                                 preexec_fn=as_in_the_foreground, **rest)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        return child

    def wait(self, child):
        """(exit status, "", the rest of standard error); no time is expected, a hang fails the test."""
        _, errors = child.communicate(timeout=120)
        return child.returncode, "", errors

    def read_to(self, child, word):
        """Reads standard error up to the line that holds `word`."""
        for line in child.stderr:
            if word in line:
                return
        self.fail(f"ended without {word}")


class Replaced(OutputTest):
    def test_through_a_symlink(self):
        os.mkdir(self.path("store"))
        real = self.program("store/real.fsdp")
        os.symlink("store/real.fsdp", self.path("link.fsdp"))
        before = content(real + "/manifest.json")
        self.program("link.fsdp", "--optimizer", "sgd")
        self.assertTrue(os.path.islink(self.path("link.fsdp")))
        self.assertNotEqual(content(real + "/manifest.json"), before)
        self.check_program(real)
        self.assertEqual(self.names("."), ["link.fsdp", "store"])
        self.assertEqual(self.names("store"), ["real.fsdp"])

    def test_through_links_to_what_is_not_there_yet(self):
        os.mkdir(self.path("store"))
        os.symlink("second", self.path("first"))
        os.symlink(self.path("store/new.fsdp"), self.path("second"))
        self.program("first")
        self.check_program(self.path("store/new.fsdp"))
        self.assertEqual(self.names("."), ["first", "second", "store"])
        os.symlink("round", self.path("round"))
        self.assertOneError(self.compile("round"), "cannot write")

    def test_what_is_foreign_stays(self):
        program = self.program("d.fsdp")
        os.symlink("d.fsdp", self.path("link.fsdp"))
        before = content(program + "/manifest.json")
        inside = self.write("d.fsdp/out.st", b"trained for weeks")
        for name in "d.fsdp", "link.fsdp":
            result = self.compile(name)
            self.assertOneError(result, f"{name}' holds 'out.st'", "did not write", "-o")
            self.assertNotIn("[import]", result[2])
        self.assertEqual(content(inside), b"trained for weeks")
        self.assertEqual(content(program + "/manifest.json"), before)
        os.remove(inside)
        os.mkdir(inside)
        self.assertOneError(self.compile("d.fsdp"), "holds 'out.st'")
        os.rmdir(inside)
        self.program("d.fsdp")
        self.check_program(program)

    def test_what_only_looks_like_a_program_stays(self):
        os.mkdir(self.path("site"))
        for text in b'{"name": "a web page"}', b"[]", b"no json":
            page = self.write("site/manifest.json", text)
            self.assertOneError(self.compile("site"), "is not a program", "manifest.json")
            self.assertEqual(content(page), text)
        os.rename(page, self.path("site/program.so"))
        self.assertOneError(self.compile("site"), "is not a program", "program.so")
        # A link among the files may lead anywhere.
        program = self.program("p.fsdp")
        os.rename(program + "/program.so", self.path("elsewhere.so"))
        os.symlink(self.path("elsewhere.so"), program + "/program.so")
        self.assertOneError(self.compile("p.fsdp"), "holds 'program.so'")
        self.assertTrue(os.path.getsize(self.path("elsewhere.so")))

    def test_an_empty_folder_is_taken(self):
        os.mkdir(self.path("empty"))
        self.program("empty")
        self.check_program(self.path("empty"))
        os.mkdir(self.path("here"))
        done = subprocess.run([*COMMAND, "-o", "."], cwd=self.path("here"),
                              stderr=subprocess.PIPE, text=True)
        self.assertOneError((done.returncode, "", done.stderr), "current folder")

    def test_the_way_back_from_a_full_disk(self):
        """Files that cannot grow stand for the disk: the old program stays, whole."""
        program, before = self.earlier()

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as a full disk: an error, no signal
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.limit, self.limit))
        for self.limit in 100, 4000, 20000:
            with self.subTest(limit=self.limit):
                done = subprocess.run([*COMMAND, "-o", program], stderr=subprocess.PIPE, text=True, preexec_fn=limit)
                said = self.assertOneError((done.returncode, "", done.stderr))
                self.assertRegex(said, r"File too large|may not grow \(ulimit -f\)")
                # The error is the last word, and names what the user knows.
                self.assertIn("p.fsdp", done.stderr.splitlines()[-1])
                self.assertNotRegex(done.stderr, r"\.o'|manifest\.json")
        self.assertEqual(self.files(program), before)

    def test_an_empty_folder_keeps_what_it_is(self):
        os.mkdir(self.path("shared"))
        group = 12345 if os.geteuid() == 0 else os.getgroups()[-1]
        os.chown(self.path("shared"), -1, group)
        os.chmod(self.path("shared"), 0o2750)
        self.program("shared")
        found = os.stat(self.path("shared"))
        self.assertEqual((stat.S_IMODE(found.st_mode), found.st_gid), (0o2750, group))
        self.assertEqual(os.stat(self.path("shared/program.so")).st_gid, group)

    def test_as_open_as_the_user_says(self):
        for mask, folder, file in (0o027, 0o750, 0o640), (0o002, 0o775, 0o664):
            done = subprocess.run([*COMMAND, "-o", self.path(f"{mask}.fsdp"), "--emit-ir", self.path(f"{mask}.mlir")],
                                  stderr=subprocess.PIPE, text=True, preexec_fn=lambda: os.umask(mask),
                                  env=self.preload("umask", NO_UMASK))
            self.assertEqual(done.returncode, 0, done.stderr)
            for name, mode in ("fsdp", folder), ("fsdp/manifest.json", file), ("mlir", file):
                self.assertEqual(stat.S_IMODE(os.stat(self.path(f"{mask}.{name}")).st_mode), mode)

    def test_a_mount_point_is_refused(self):
        result = self.compile("/proc")
        self.assertOneError(result, "'/proc' is a mount point", "inside")
        self.assertNotIn("[import]", result[2])

    def test_what_comes_meanwhile_stays(self):
        """Also where a signal comes in the same moment."""
        for number in None, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT:
            with self.subTest(signal=number):
                program, before = self.earlier(f"{number}.fsdp")
                environment = self.preload("exchange", EXCHANGE, FOREIGN=program + "/out.st")
                if number:
                    environment["SIGNAL"] = str(int(number))
                status, _, errors = self.wait(self.start("-o", program, env=environment))
                self.assertEqual(status, 128 + number if number else 1, errors)
                self.assertRegex(errors, "was not written" if number else "'out.st' was put into it meanwhile")
                os.remove(program + "/out.st")
                self.assertEqual(self.files(program), before)
                self.assertFalse([name for name in self.names(".") if "partial" in name])

    def test_what_cannot_be_put_back_is_named(self):
        program, before = self.earlier()
        environment = self.preload("exchange", EXCHANGE, FOREIGN=program + "/out.st", FAILS="2")
        status, _, errors = self.wait(self.start("-o", program, env=environment))
        self.assertEqual(status, 1, errors)
        place = re.search("out.st' was put into it meanwhile; it is '([^']*)' now", errors)[1]
        os.remove(place + "/out.st")
        self.assertEqual(self.files(place), before)
        self.assertNotEqual(self.files(program), before)

    def test_an_exchange_that_fails(self):
        program, before = self.earlier()
        environment = self.preload("exchange", EXCHANGE, FAILS="1")
        self.assertOneError(self.wait(self.start("-o", program, env=environment)), "Input/output error")
        self.assertEqual(self.files(program), before)

    def test_without_an_exchange(self):
        program, before = self.earlier()
        status, _, errors = self.wait(self.start("-o", program, env=self.preload("none", NO_EXCHANGE)))
        self.assertEqual(status, 0, errors)
        self.assertNotEqual(self.files(program), before)
        self.assertEqual(self.names("."), ["none.c", "none.so", "p.fsdp"])

    def test_told_to_end_when_it_is_written(self):
        """The work is done: that is what the exit status says."""
        program, before = self.earlier()
        for number in signal.SIGTERM, signal.SIGINT:
            environment = self.preload("exchange", EXCHANGE, SIGNAL=str(int(number)))
            status, _, errors = self.wait(self.start("-o", program, env=environment))
            self.assertEqual((status, "error:" in errors), (0, False), errors)
            self.assertNotEqual(self.files(program), before)
            self.earlier()


class Ended(OutputTest):
    SIGNALS = {signal.SIGTERM: "Terminated", signal.SIGINT: "Interrupt", signal.SIGHUP: "Hangup",
               signal.SIGQUIT: "Quit", signal.SIGUSR2: "User defined signal 2", signal.SIGALRM: "Alarm clock",
               signal.SIGXCPU: "CPU time limit exceeded"}

    def setUp(self):
        super().setUp()
        # A linker that tells its process and waits.
        os.mkdir(self.path("bin"))
        linker = self.write("bin/ld.lld-19", b"#!/bin/sh\necho $$ > \"$LINKER_PID\"\nexec sleep 120\n")
        os.chmod(linker, 0o755)
        os.mkdir(self.path("out"))

    def start_linking(self, program, told):
        """A compilation that ends at the linker, if it comes so far: it writes its process to `told`, and waits."""
        return self.start("-o", program, env={**os.environ, "PATH": self.path("bin") + ":" + os.environ["PATH"],
                                              "LINKER_PID": told})

    def start_to_link(self, program):
        """A compilation that stands at the linker, and the linker's process."""
        told = self.path("pid")
        if os.path.exists(told):
            os.remove(told)
        child = self.start_linking(program, told)
        while not (os.path.exists(told) and content(told)):
            self.assertIsNone(child.poll(), "did not link")
            time.sleep(0.02)
        self.assertEqual(len([name for name in self.names("out") if ".partial" in name]), 1)
        return child, int(content(told))

    def check_ended(self, number, result, before):
        """Nothing unfinished stays, and the old program does."""
        status, _, errors = result
        self.assertEqual(status, 128 + number, errors)
        self.assertEqual(errors.splitlines()[-1], "fsdp-compile: error: stopped by a signal "
                         f"({self.SIGNALS[number]}); the program was not written")
        self.assertEqual(self.names("out"), ["p.fsdp"])
        self.assertEqual(self.files(self.path("out/p.fsdp")), before)

    def test_at_every_stage(self):
        program, before = self.earlier("out/p.fsdp")
        for number in signal.SIGTERM, signal.SIGINT:
            for stage in "[import]", "[passes]", "[kernels]":
                with self.subTest(signal=number, stage=stage):
                    child = self.start_linking(program, self.path("unread"))
                    self.read_to(child, stage)
                    child.send_signal(number)
                    self.check_ended(number, self.wait(child), before)

    def test_by_any_signal(self):
        """The linker, which would write on, ends with it."""
        program, before = self.earlier("out/p.fsdp")
        for number in self.SIGNALS:
            with self.subTest(signal=number):
                child, linker = self.start_to_link(program)
                child.send_signal(number)
                self.check_ended(number, self.wait(child), before)
                self.assertFalse(os.path.exists(f"/proc/{linker}"), "the linker was left")

    def test_by_a_fault(self):
        program, before = self.earlier("out/p.fsdp")
        for number in signal.SIGSEGV, signal.SIGABRT:
            child, linker = self.start_to_link(program)
            child.send_signal(number)
            self.assertNotEqual(self.wait(child)[0], 0)
            self.assertEqual(self.names("out"), ["p.fsdp"])
            self.assertEqual(self.files(program), before)

    def test_ignored_signals_stay_so(self):
        """As nohup has it."""
        program, before = self.earlier("out/p.fsdp")
        done = subprocess.run(["sh", "-c", 'trap "" HUP QUIT; "$@" 2>&1 | while read -r line; do case $line in '
                               '"[import]"*) kill -HUP $(cat "$0");; "[passes]"*) kill -QUIT $(cat "$0");; esac; '
                               'echo "$line"; done', self.path("pid"), "sh", "-c",
                               'echo $$ > "$0"; exec "$@"', self.path("pid"), *COMMAND, "-o", program],
                              stdout=subprocess.PIPE, text=True)
        self.assertIn("peak per rank", done.stdout)
        self.assertNotEqual(self.files(program), before)

    def test_nobody_reads_what_it_says(self):
        program, before = self.earlier("out/p.fsdp")
        child = self.start("-o", program)
        self.read_to(child, "[import]")
        child.stderr.close()
        self.assertEqual(child.wait(timeout=120), 0)
        self.assertNotEqual(self.files(program), before)
        self.assertEqual(self.names("out"), ["p.fsdp"])

    def test_no_more_threads(self):
        """It goes without them; where some can be had, but not those that were asked for, it says so."""
        cores = len(os.sched_getaffinity(0))
        for most, status in (0, 0), (cores, 1), (100 * cores, 0):
            with self.subTest(most=most):
                environment = self.preload("few", FEW_THREADS, MOST_THREADS=str(most))
                result = self.wait(self.start("-o", self.path("out/p.fsdp"), env=environment))
                self.assertEqual(result[0], status, result[2])
                if status:
                    self.assertOneError(result, "cannot start a thread", "ulimit -u")

    def test_no_more_memory(self):
        """The one error is ours, but where MLIR does not look at what it was given."""
        said = 0
        for most in range(10000, 90000, 10000):
            with self.subTest(most=most):
                environment = self.preload("little", LITTLE_MEMORY, MOST_ALLOCATIONS=str(most))
                status, _, errors = self.wait(self.start("-o", self.path("out/p.fsdp"), env=environment))
                self.assertNotEqual(status, 0, errors)
                self.assertNotRegex(errors, "terminate called|LLVM ERROR")
                self.assertEqual(self.names("out"), [])
                said += "fsdp-compile: error: out of memory: allow more" in errors.splitlines()[-1]
        self.assertGreater(said, 0)


class Named(OutputTest):
    def test_odd_names(self):
        tokens = self.write("tokens.u16", bytes([1, 0] * 100))
        for name in ODD_NAMES:
            with self.subTest(name=name):
                os.mkdir(self.path(name))
                model = self.write(name + "/" + name + ".onnx", content(TINY))
                program, plan = self.path(name + "/" + name), self.path(name + "/" + name + ".mlir")
                done = execute(COMPILE, model, *LOSS, "--mesh", "shard=2", "-o", program, "--emit-ir", plan,
                               "--report", self.path(name + "/" + name + ".html"))
                self.assertEqual(done[0], 0, done[2])
                self.assertEqual(sorted(os.listdir(program)), ["manifest.json", "program.so"])
                self.assertEqual(sorted(os.listdir(self.path(name))),
                                 sorted(name + end for end in ("", ".onnx", ".mlir", ".html")))
                self.assertEqual(execute(COMPILE, plan, "-o", program)[0], 0)
                save = self.path(name + "/" + name + ".st")
                self.train(program, "--steps", "1", "--save", save, "--metrics", self.path(name + "/m"),
                           data=tokens)
                self.assertTrue(os.path.getsize(save))

    def test_relative_names(self):
        for name in "p.fsdp", "-x", "p/", "./q/", "%":
            with self.subTest(name=name):
                flags = ["-o=" + name] if name[0] == "-" else ["-o", name]
                done = subprocess.run([*COMMAND, *flags], cwd=self.folder,
                                      stderr=subprocess.PIPE, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertTrue(os.path.exists(self.path(name + "/program.so")))

    def test_an_error_is_one_line(self):
        self.write("bro\nken.onnx", b"none")
        self.assertOneError(execute(COMPILE, self.path("bro\nken.onnx"), "-o", self.path("p.fsdp")), "bro\\nken.onnx")
        self.assertOneError(execute(RUN, self.path("no\nne.fsdp"), "--data", "none", "--steps", "1"), "no\\nne.fsdp")


if __name__ == "__main__":
    unittest.main()
