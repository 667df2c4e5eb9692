#!/usr/bin/env python3
"""Runs that take checkpoints, and how they end: by a signal, by what they may spend, by a loss that is no number."""
import math
import os
import re
import resource
import shutil
import signal
import subprocess
import time
import unittest

from harness import BIN, RUN, TOKENS, content, execute, lines_of
from preloads import SLOW_DISK, PreloadTest

PREEMPTED = 75
WORLDS = {1: ["--dim", "batch=6"], 2: ["--dim", "batch=3"]}
REAL = "#define REAL(TYPE, NAME) ((TYPE)dlsym(RTLD_NEXT, NAME))\n"
# Tells at which step's metrics with a validation that step's checkpoint has been begun.
VALIDATED = REAL + r"""
ssize_t write(int fd, const void *data, size_t count) {
  int step;
  if (sscanf(data, "{\"step\":%d,", &step) == 1 && memmem(data, count, "eval_loss", 9)) {
    char name[4096], partial[4096];
    snprintf(name, sizeof name, "%s/step-%d", getenv("FOLDER"), step);
    snprintf(partial, sizeof partial, "%s.partial", name);
    FILE *told = fopen(getenv("TOLD"), "a");
    fprintf(told, "%d %d\n", step, !access(name, F_OK) || !access(partial, F_OK));
    fclose(told);
  }
  return REAL(ssize_t(*)(int, const void *, size_t), "write")(fd, data, count);
}
"""
# A disk on which files go slowly.
SLOW_UNLINK = REAL + r"""
int unlink(const char *path) {
  if (!strncmp(path, getenv("FOLDER"), strlen(getenv("FOLDER"))) && strstr(path, "rank-")) {
    tell(getenv("TOLD"));
    sleep(3);
  }
  return REAL(int (*)(const char *), "unlink")(path);
}
"""
# A request for a checkpoint while the data is looked at.
ASKED_EARLY = REAL + r"""
int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  int mode = va_arg(rest, int);
  va_end(rest);
  if (strstr(path, ".u16")) {
    tell(getenv("TOLD"));
    kill(getpid(), SIGUSR1);
  }
  return REAL(int (*)(const char *, int, int), "open")(path, flags, mode);
}
"""


class Lasting(PreloadTest):
    def setUp(self):
        super().setUp()
        self.checkpoints, self.metrics = self.path("D"), self.path("m.jsonl")

    def program_of(self, world, *flags):
        return self.program(f"p{world}.fsdp", "--mesh", f"shard={world}", *flags,
                            dims=WORLDS[world] + ["--dim", "seq=32"])

    def go(self, program, *flags, comm="thread", metrics="m.jsonl", **rest):
        """(status, output, errors)"""
        return execute(RUN, program, "--data", TOKENS, "--comm", comm, "--metrics", self.path(metrics), *flags, **rest)

    def goes(self, program, *flags, says="", **rest):
        """Standard output of a run that ends well."""
        status, output, errors = self.go(program, *flags, **rest)
        self.assertEqual(status, 0, errors)
        self.assertRegex(errors, f"^{says}$")
        return output

    def steps_in(self, folder):
        return sorted(int(name[5:]) for name in os.listdir(folder) if re.fullmatch(r"step-\d+", name))

    def column(self, name, metrics="m.jsonl"):
        return [m[name] for m in lines_of(self.path(metrics))]

    # Validation

    def test_validation_follows_the_beginning_of_a_checkpoint(self):
        program, told = self.program_of(1), self.path("told")
        environment = self.preload(VALIDATED, FOLDER=self.checkpoints, TOLD=told)
        for flags in [], ["--checkpoint-wait"]:
            shutil.rmtree(self.checkpoints, ignore_errors=True)
            self.goes(program, "--steps", "5", "--checkpoint-dir", self.checkpoints, "--checkpoint-every", "2", *flags,
                      "--eval-data", TOKENS, "--eval-every", "1", "--eval-batches", "2", env=environment)
            self.assertEqual(content(told).decode().split("\n")[:-1], ["1 0", "2 1", "3 0", "4 1", "5 1"])
            os.remove(told)

    def test_validation_at_the_end_whatever_ends_the_run(self):
        program = self.program_of(1)
        for flags, steps in (["--steps", "3"], 3), (["--max-tokens", "500"], 3), (["--steps", "9", "--max-tokens", "300"], 2):
            output = self.goes(program, *flags, "--eval-data", TOKENS, "--eval-batches", "2")
            self.assertEqual(output.count("validation: loss"), 1, output)
            self.assertEqual(["eval_loss" in m for m in lines_of(self.metrics)], [False] * (steps - 1) + [True])
        self.goes(program, "--max-time", "1", "--eval-data", TOKENS, "--eval-batches", "2")
        self.assertEqual([i for i, m in enumerate(lines_of(self.metrics), 1) if "eval_loss" in m],
                         [len(lines_of(self.metrics))])

    # Ends

    def test_a_loss_that_is_no_number_costs_no_checkpoint(self):
        """What is being written then is of a good state."""
        program = self.program_of(2)
        told = self.path("told")
        environment = self.preload(SLOW_DISK, FSYNC_TOLD=told, FSYNC_SECONDS="1")
        for comm in "thread", "mpi":
            shutil.rmtree(self.checkpoints, ignore_errors=True)
            result = self.go(program, "--steps", "9", "--lr", "1e30", "--checkpoint-dir", self.checkpoints,
                             "--checkpoint-every", "1", comm=comm, env=environment)
            self.assertOneError(result, "is not finite", "; it had rows ")
            done = len(lines_of(self.metrics))
            self.assertEqual(self.steps_in(self.checkpoints)[-1], done)
            self.assertEqual(sorted(os.listdir(self.checkpoints)),
                             ["lock"] + [f"step-{step}" for step in range(1, done + 1)])

    def test_a_signal_to_all_of_the_group(self):
        """As of `timeout`, or a batch system: fsdp-run and what it has started have it at once, and the save takes longer
        than mpirun lets ranks live that it has told to end."""
        program = self.program_of(2)
        environment = self.preload(SLOW_DISK, FSYNC_TOLD=self.path("told"), FSYNC_SECONDS="2")
        for number, expected in (signal.SIGTERM, PREEMPTED), (signal.SIGINT, 128 + signal.SIGINT):
            shutil.rmtree(self.checkpoints, ignore_errors=True)
            child = subprocess.Popen([RUN, program, "--data", TOKENS, "--comm", "mpi", "--steps", "1000000", "--metrics",
                                      self.metrics, "--checkpoint-dir", self.checkpoints], stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, text=True, start_new_session=True, env=environment)
            self.addCleanup(child.kill)
            deadline = time.monotonic() + 60
            while not (os.path.exists(self.metrics) and content(self.metrics).count(b"\n") > 2):
                self.assertIsNone(child.poll(), "ended by itself")
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.02)
            os.killpg(child.pid, number)
            output, errors = child.communicate(timeout=60)
            self.assertEqual(child.returncode, expected, errors)
            saved = self.steps_in(self.checkpoints)
            self.assertEqual(len(saved), expected == PREEMPTED)
            if saved:
                self.assertEqual((errors, self.column("step")[-1]), ("", saved[0]))
                self.assertIn(f"told to end after step {saved[0]} of 1000000", output)
            os.remove(self.metrics)

    def test_told_to_end_in_a_validation(self):
        """Which would take minutes: it is left out, and the step that it is of is saved."""
        program, long = self.program_of(2), self.write("long.u16", content(TOKENS) * 2000)
        for comm in "thread", "mpi":
            for ends in False, True:  # in the validation after the last step
                for path in (self.metrics, self.checkpoints):
                    execute("rm", "-rf", path)
                child = subprocess.Popen([RUN, program, "--data", TOKENS, "--comm", comm, "--steps", "2" if ends else "9",
                                          "--metrics", self.metrics, "--checkpoint-dir", self.checkpoints, "--eval-data", long,
                                          "--eval-every", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                self.addCleanup(child.kill)
                while not (os.path.exists(self.metrics) and content(self.metrics).count(b"\n") == 1):
                    self.assertIsNone(child.poll(), "ended by itself")
                    time.sleep(0.02)
                time.sleep(1)
                child.send_signal(signal.SIGTERM)
                output, errors = child.communicate(timeout=20)
                self.assertEqual((child.returncode, errors), (PREEMPTED, ""))
                self.assertIn("told to end: no validation after step 2" + ("; --resume latest makes it\n" if ends else "\n"), output)
                self.assertEqual(["eval_loss" in m for m in lines_of(self.metrics)], [False, False])
                self.assertEqual(self.steps_in(self.checkpoints), [2])
        # A run that has made its steps validates.
        output = self.train(program, "--steps", "2", "--metrics", self.metrics, "--checkpoint-dir", self.checkpoints,
                            "--resume", "latest", "--eval-data", TOKENS)
        self.assertRegex(output, r"validation: .*loss [0-9.]+")
        self.assertEqual(len(lines_of(self.metrics)), 2)

    def test_another_schedule(self):
        """Is said, and is no error."""
        program = self.program_of(1)
        flags = "--comm", "thread", "--checkpoint-dir", self.checkpoints, "--resume", "latest"
        self.train(program, *flags, "--steps", "2", "--lr", "1e-3")
        self.assertNotIn("the schedule", self.train(program, *flags, "--steps", "3", "--lr", "0.001"))
        self.assertIn("the schedule is cosine, --lr 0.005, --min-lr 0, --warmup 0; the checkpoint's was constant, --lr 0.001, "
                      "--min-lr 0, --warmup 0\n",
                      self.train(program, *flags, "--steps", "4", "--lr", "5e-3", "--schedule", "cosine"))

    def test_metrics_of_another_run(self):
        """Where the folder has no checkpoint, metrics of a run that must have left one are not replaced."""
        program = self.program_of(1)
        flags = "--comm", "thread", "--metrics", self.metrics, "--checkpoint-every", "2"
        self.train(program, *flags, "--steps", "5", "--checkpoint-dir", self.checkpoints)
        before = content(self.metrics)
        result = execute(RUN, program, "--data", TOKENS, *flags, "--steps", "5", "--checkpoint-dir", self.path("typo"),
                         "--resume", "latest")
        self.assertOneError(result, "up to step 5, of which --checkpoint-dir has no checkpoint", "another file")
        self.assertEqual(content(self.metrics), before)
        # One that was killed before its first was whole begins again.
        self.write("cut.jsonl", b"".join(before.splitlines(keepends=True)[:3]))
        self.train(program, "--comm", "thread", "--metrics", self.path("cut.jsonl"), "--checkpoint-every", "2", "--steps", "2",
                   "--checkpoint-dir", self.path("new"), "--resume", "latest")
        self.assertEqual(len(lines_of(self.path("cut.jsonl"))), 2)

    def test_told_to_end_and_nothing_saved(self):
        """The status is not that of a run that can be gone on with."""
        program = self.program_of(1)
        child = subprocess.Popen([RUN, program, "--data", TOKENS, "--steps", "1000000", "--metrics", self.metrics,
                                  "--checkpoint-dir", self.checkpoints], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 text=True, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000)))
        self.addCleanup(child.kill)
        while not (os.path.exists(self.metrics) and content(self.metrics).count(b"\n") > 2):
            self.assertIsNone(child.poll(), "ended by itself")
            time.sleep(0.02)
        child.send_signal(signal.SIGTERM)
        output, errors = child.communicate(timeout=60)
        last = self.column("step")[-1]
        self.assertOneError((child.returncode, output, errors), f"the last checkpoint, of step {last}, failed",
                            "File too large", "no checkpoint is in")
        self.assertEqual(child.returncode, 1)
        self.assertNotIn("goes on", output)

    def test_asked_before_there_is_anything(self):
        program = self.program_of(2)
        for comm in "thread", "mpi":
            told = self.path(comm)
            environment = self.preload(ASKED_EARLY, TOLD=told)
            shutil.rmtree(self.checkpoints, ignore_errors=True)
            self.goes(program, "--steps", "3", "--checkpoint-dir", self.checkpoints, comm=comm, env=environment)
            self.assertTrue(os.path.exists(told))
            self.assertEqual(self.steps_in(self.checkpoints)[-1], 3)

    # The folder

    def test_keep_is_for_the_run_s_own(self):
        program, other = self.program_of(1), self.path("E")
        save = ["--checkpoint-every", "2", "--checkpoint-dir"]
        self.goes(program, "--steps", "4", *save, self.checkpoints)
        self.goes(program, "--steps", "6", *save, other)
        says = f"fsdp-run: warning: --keep 1 leaves 2 checkpoints of other runs in '{self.checkpoints}'\n"
        self.goes(program, "--steps", "12", *save, self.checkpoints, "--keep", "1", "--resume", other + "/step-6", says=says)
        self.assertEqual(self.steps_in(self.checkpoints), [2, 4, 12])
        # What goes on is the same run.
        self.goes(program, "--steps", "13", *save, other, "--keep", "1", "--resume", "latest")
        self.assertEqual(self.steps_in(other), [13])

    def test_a_folder_that_is_not_shared(self):
        program = self.program_of(2)
        for name in "a", "b":
            os.mkdir(self.path(name))
        command = [RUN, program, "--data", TOKENS, "--steps", "2", "--checkpoint-dir", "D"]
        root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
        result = execute("mpirun", "--quiet", *root, "--oversubscribe", "--bind-to", "none", "-n", "1", "-wdir",
                         self.path("a"), *command, ":", "-n", "1", "-wdir", self.path("b"), *command)
        self.assertOneError(result, "--checkpoint-dir: rank 1: 'D' is not the folder that rank 0 writes to")
        self.assertNotIn("step 1", result[1])
        self.assertEqual(os.listdir(self.path("a/D")), ["lock"])
        self.assertFalse(os.path.exists(self.path("b/D")))

    def test_a_disk_on_which_files_go_slowly(self):
        program, told = self.program_of(2), self.path("told")
        environment = self.preload(SLOW_UNLINK, FOLDER=self.checkpoints, TOLD=told)
        self.goes(program, "--steps", "3", "--checkpoint-dir", self.checkpoints, "--checkpoint-every", "2", "--keep", "1",
                  "--timeout", "2", comm="mpi", env=environment)
        self.assertTrue(os.path.exists(told))
        self.assertEqual(self.steps_in(self.checkpoints), [3])

    # Going on

    def test_max_tokens_counts_tokens(self):
        """Of a run that goes on with twice the tokens a step."""
        program, tokens = self.program_of(1), str(8 * 6 * 32)
        flags = ["--max-tokens", tokens, "--schedule", "cosine", "--warmup", "2", "--lr", "0.01"]
        self.goes(program, *flags, "--checkpoint-dir", self.checkpoints, "--checkpoint-every", "4")
        rates = self.column("lr")
        self.assertEqual(self.column("rows"), [6 * step for step in range(1, 9)])
        resume = ["--resume", self.checkpoints + "/step-4"]
        self.goes(program, *flags, *resume, metrics="same.jsonl")
        self.assertEqual(self.column("lr", "same.jsonl"), rates[4:])
        flags[flags.index("--warmup") + 1] = "1"  # of its steps
        self.goes(program, *flags, *resume, "--accumulate", "2", metrics="twice.jsonl")
        self.assertEqual(self.column("step", "twice.jsonl"), [5, 6])
        self.assertEqual(self.column("rows", "twice.jsonl"), [36, 48])
        for got, wanted in zip(self.column("lr", "twice.jsonl"), rates[4::2], strict=True):
            self.assertTrue(math.isclose(got, wanted), (got, wanted))

    def test_rows_that_were_skipped(self):
        program = self.program_of(1)
        flags = ["--checkpoint-dir", self.checkpoints, "--checkpoint-every", "2", "--max-tokens", str(4 * 6 * 32)]
        self.goes(program, *flags, "--skip-rows", "10")
        expected = self.column("loss")
        self.assertEqual(self.column("rows"), [16, 22, 28, 34])
        for skip in [], ["--skip-rows", "10"]:
            shutil.rmtree(self.checkpoints + "/step-4")
            output = self.goes(program, *flags, *skip, "--resume", "latest", metrics="rest.jsonl")
            self.assertIn("step 2, row 22 of the data", output)
            self.assertEqual(self.column("loss", "rest.jsonl"), expected[2:])
        result = self.go(program, *flags, "--skip-rows", "22", "--resume", "latest")
        self.assertOneError(result, "--skip-rows is 22, but the run of ", "began with 10 rows skipped", "after row 34",
                            "give --skip-rows 10, or leave it away")

    def test_weights_to_begin_with(self):
        """The same command begins with them, and goes on without them."""
        program, weights = self.program_of(1), self.path("w.st")
        self.goes(program, "--steps", "3", "--save", weights)
        self.goes(program, "--steps", "4", "--weights", weights)
        expected = self.column("loss")
        again = ["--checkpoint-dir", self.checkpoints, "--resume", "latest", "--weights", weights]
        self.assertIn("from the beginning", self.goes(program, "--steps", "2", *again))
        self.assertIn("goes on from", self.goes(program, "--steps", "4", *again))
        self.assertEqual(self.column("loss"), expected)

    def test_more_files_than_a_process_may_open(self):
        program, many = self.program_of(1), self.path("many")
        self.goes(program, "--steps", "2", "--checkpoint-dir", self.checkpoints)
        self.goes(program, "--steps", "4", "--resume", self.checkpoints + "/step-2")
        status, _, errors = execute(os.path.join(BIN, "fsdp-ckpt"), "reshard", self.checkpoints + "/step-2", many, "-n", "150")
        self.assertEqual(status, 0, errors)
        self.goes(program, "--steps", "4", "--resume", many + "/step-2", metrics="many.jsonl",
                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (110, 110)))
        self.assertEqual(self.column("loss", "many.jsonl"), self.column("loss")[2:])


if __name__ == "__main__":
    unittest.main()
