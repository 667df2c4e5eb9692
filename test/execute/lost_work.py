#!/usr/bin/env python3
"""Disks that are full or slow and ranks that are killed cost no work that was done, and leave no litter."""
import os
import resource
import signal
import subprocess
import time
import unittest

from harness import RUN, TOKENS, content, could_not_load, execute, lines_of
from preloads import (FEW_THREADS, HELD_RENAME, NO_LINK, NO_RENAME, NO_ROOM_FOR_JSON, NO_TMPFILE, OTHER_USER,
                      SLOW_DISK, PreloadTest)


class LostWork(PreloadTest):
    def setUp(self):
        super().setUp()
        self.model = self.program("p.fsdp", "--mesh", "shard=2")

    def run_with(self, *flags, comm="thread", **rest):
        return execute(RUN, self.model, "--data", TOKENS, "--steps", "3", "--comm", comm, *flags, **rest)

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
        """The parameters come first, and the message says so; what can be told is."""
        for flag, what in ("--records", "records to"), ("--trace", "the trace to"):
            for comm in "thread", "mpi":
                save, report = self.path(comm + ".st"), self.path("report")

                flags = ["--save", save, "--comm", comm, flag, report]
                result = execute(RUN, self.model, "--data", TOKENS, "--steps", "2", *flags,
                                 env=self.preload(NO_ROOM_FOR_JSON))
                with self.subTest(flag=flag, comm=comm):
                    self.assertOneError(result, f"cannot write {what} '{report}", "No space left",
                                        "the parameters are saved in '" + save, output="report")
                    self.assertIn("saved " + save, result[1])
                    self.assertTrue(os.path.getsize(save))

    def test_slow_disk(self):
        """Peers do not take a rank that waits for the disk for one that is stuck."""
        for comm in "thread", "mpi":
            for flag in "--save", "--records", "--trace":
                told, file = self.path("told" + comm + flag), self.path("file" + flag)
                environment = self.preload(SLOW_DISK, FSYNC_TOLD=told, FSYNC_SECONDS="9")
                with self.subTest(comm=comm, flag=flag):
                    status, _, errors = self.run_with("--timeout", "4", flag, file, comm=comm, env=environment)
                    self.assertEqual(status, 0, errors)
                    self.assertTrue(content(told), "the disk was not slow")
                    self.assertTrue(os.path.getsize(file))

    def killed_in_the_save(self, number, comm, environment, told):
        """Struck when it has told that it is there; (names of unfinished files, status, errors)."""
        if os.path.exists(told):
            os.remove(told)
        save = self.write("s.st", b"the last checkpoint")
        # Whoever runs the tests in the background may ignore Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        child = subprocess.Popen([RUN, self.model, "--data", TOKENS, "--steps", "2", "--comm", comm, "--save", save],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
        deadline = time.monotonic() + 60
        while not os.path.exists(told):
            self.assertLess(time.monotonic(), deadline, "did not save")
            time.sleep(0.05)
        named = self.unfinished()
        child.send_signal(number)
        _, errors = child.communicate(timeout=60)
        self.assertEqual(content(save), b"the last checkpoint")
        return named, child.returncode, errors

    def test_killed_in_the_save(self):
        told = self.path("told")
        environment = self.preload(SLOW_DISK, FSYNC_TOLD=told, FSYNC_SECONDS="60")
        for comm, number in ("thread", signal.SIGTERM), ("thread", signal.SIGKILL), ("mpi", signal.SIGTERM):
            named, status, errors = self.killed_in_the_save(number, comm, environment, told)
            self.assertEqual(self.unfinished(), [], errors)

    def test_killed_where_files_have_names(self):
        """Where the file system has no others, and everywhere just before the end."""
        told = self.path("told")
        slow = self.preload(SLOW_DISK, NO_TMPFILE, FSYNC_TOLD=told, FSYNC_SECONDS="60")
        late = self.preload(HELD_RENAME, TOLD=told)
        for environment in slow, late:
            for comm, number in [("mpi", signal.SIGTERM)] + [
                    ("thread", n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)]:
                with self.subTest(comm=comm, number=number):
                    named, status, errors = self.killed_in_the_save(number, comm, environment, told)
                    self.assertEqual(len(named), 1, "the file had no name")
                    self.assertEqual(status, 128 + number, errors)
                    self.assertEqual(self.unfinished(), [], errors)
                    self.assertEqual(errors.count("fsdp-run: error:"), 1, errors)
                    name = {signal.SIGTERM: "Terminated", signal.SIGINT: "Interrupt", signal.SIGHUP: "Hangup",
                            signal.SIGQUIT: "Quit"}[number]
                    self.assertRegex(errors, rf"stopped by a signal \({name}\).*; nothing was saved")

    def test_a_left_over_of_this_process_number(self):
        """In containers it is the same one each time."""
        save = self.path("s.st")
        status, _, errors = execute("bash", "-c", f"touch '{save}.partial-'$$; exec '{RUN}' '{self.model}' --data "
                                    f"'{TOKENS}' --steps 1 --comm thread --save '{save}'")
        self.assertEqual(status, 0, errors)
        self.assertTrue(os.path.getsize(save))

    def test_a_name_as_long_as_one_may_be(self):
        save = self.path("s" * 255)
        for environment in None, self.preload(NO_TMPFILE):
            status, _, errors = self.run_with("--save", save, env=environment)
            self.assertEqual(status, 0, errors)
            os.remove(save)

    def test_unnamed_files_that_cannot_be_named(self):
        save = self.path("s.st")
        status, _, errors = self.run_with("--save", save, env=self.preload(NO_LINK))
        self.assertEqual(status, 0, errors)
        self.assertTrue(os.path.getsize(save))
        self.assertEqual(self.unfinished(), [])

    def test_links_are_followed(self):
        os.mkdir(self.path("big"))
        os.symlink("big/real.st", self.path("link"))
        for _ in range(2):  # to nothing, to a file
            status, _, errors = self.run_with("--save", self.path("link"))
            self.assertEqual(status, 0, errors)
            self.assertTrue(os.path.islink(self.path("link")))
            self.assertTrue(os.path.getsize(self.path("big/real.st")))
        with open(self.path("out"), "w") as out:
            done = subprocess.run([RUN, self.model, "--steps", "0", "--save", "/dev/stdout"], stdout=out,
                                  stderr=subprocess.PIPE, text=True)
        self.assertOneError((done.returncode, "", done.stderr), "open file of a process")

    def test_what_cannot_be_replaced_is_refused_before_training(self):
        os.mkdir(self.path("sticky"))
        os.chmod(self.path("sticky"), 0o1777)
        save = self.write("sticky/s.st", b"another user's")
        result = self.run_with("--save", save, env=self.preload(OTHER_USER))
        self.assertOneError(result, "cannot write", "sticky", "give another name")
        self.assertNotIn("step 1", result[1])
        self.assertEqual(content(save), b"another user's")

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))
        done = subprocess.run([RUN, self.model, "--data", TOKENS, "--steps", "1", "--comm", "thread", "--save",
                               self.path("x.st")], capture_output=True, text=True, preexec_fn=limit)
        self.assertOneError((done.returncode, "", done.stderr), "a file may have 10000", "ulimit -f")
        self.assertNotIn("step 1", done.stdout)

    def test_what_does_not_let_itself_be_replaced(self):
        """Found when the work is done: it is kept beside it."""
        for comm in "thread", "mpi":
            save = self.write("s.st", b"immutable")
            result = self.run_with("--save", save, comm=comm, env=self.preload(NO_RENAME, KEPT=save))
            [kept] = [name for name in os.listdir(self.folder) if ".saved-" in name]
            self.assertOneError(result, "cannot write '" + save, "Operation not permitted", "it is whole, as", kept)
            self.assertEqual(content(save), b"immutable")
            self.train(self.model, "--steps", "1", "--comm", "thread", "--weights", self.path(kept))
            os.remove(self.path(kept))

    def test_no_more_threads(self):
        """Of the workers, of the ranks, of the streams: one message, whichever is refused."""
        refused = trained = 0
        for most in range(0, 14):
            save = self.path(f"{most}.st")
            environment = self.preload(FEW_THREADS, MOST_THREADS=str(most), OMP_NUM_THREADS="1")
            result = self.run_with("--threads", "3", "--save", save, env=environment)
            with self.subTest(most=most):
                if result[0] == 0:
                    trained += 1
                    self.assertTrue(os.path.getsize(save))
                    continue
                refused += 1
                self.assertOneError(result, "cannot start a thread", "ulimit -u", "ulimit -v", "--threads")
                self.assertNotIn("step ", result[1], "refused when there was work to lose")
        self.assertGreater(refused, 3)
        self.assertGreater(trained, 0)

    def test_no_memory(self):
        """Under any limit of the address space: it trains, or says what it lacks."""
        said = trained = 0
        for kilobytes in [*range(30000, 100000, 1000), *range(100000, 1500000, 140000)]:
            def limit():
                resource.setrlimit(resource.RLIMIT_AS, (kilobytes * 1024, kilobytes * 1024))
            done = subprocess.run([RUN, self.model, "--data", TOKENS, "--steps", "1", "--comm", "thread"],
                                  capture_output=True, text=True, preexec_fn=limit, timeout=60)
            with self.subTest(kilobytes=kilobytes):
                if could_not_load(done.stderr):
                    continue
                trained += done.returncode == 0
                if done.returncode:
                    said += 1
                    self.assertOneError((done.returncode, "", done.stderr))
                    self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertGreater(said, 0)
        self.assertGreater(trained, 0)


if __name__ == "__main__":
    unittest.main()
