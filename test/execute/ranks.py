#!/usr/bin/env python3
"""Ranks of a compiled model that are stopped or killed in mid-step, or run different programs."""
import os
import resource
import signal
import subprocess
import time
import unittest

from harness import PHASE_AND_STEP, RUN, STRUCK, TOKENS, ToolTest, could_not_load, execute
from preloads import DEAD_INIT, PreloadTest

MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", "2"]
WRAPPER = """#!/bin/sh
# Each rank with the program of its own "host".
exec "$0.run" "$(dirname "$0")/host$OMPI_COMM_WORLD_RANK/model.fsdp" "$@"
"""
if os.geteuid() == 0:
    MPIRUN.insert(1, "--allow-run-as-root")


def processes_of(marker, rank):
    """Processes with the marker in their arguments that are this MPI rank."""
    wanted = f"OMPI_COMM_WORLD_RANK={rank}".encode()
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                arguments = file.read().split(b"\0")
            with open(f"/proc/{name}/environ", "rb") as file:
                environment = file.read().split(b"\0")
        except OSError:  # it has ended
            continue
        if marker.encode() in arguments and wanted in environment:
            yield int(name)


class Struck(ToolTest):
    def strike(self, launcher, number):
        """Trains, sends `number` to rank 1 after a few steps; (status, errors)."""
        # Only a stopped rank takes the time-out; a killed one must not look slow.
        program, metrics = self.program("p.fsdp", "--mesh", "shard=2"), self.path("m.jsonl")
        command = launcher + [RUN, program, "--data", TOKENS, "--steps", "100000000", "--lr", "0",
                              "--timeout", "4" if number == signal.SIGSTOP else "30", "--metrics", metrics]
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            deadline = time.monotonic() + 60
            while not (os.path.exists(metrics) and os.path.getsize(metrics) > 2000):
                self.assertIsNone(child.poll(), "ended before it was struck")
                self.assertLess(time.monotonic(), deadline, "did not start to train")
                time.sleep(0.05)
            [struck] = processes_of(program, 1)
            os.kill(struck, number)
            _, errors = child.communicate(timeout=60)
        finally:
            for process in [*processes_of(program, 0), *processes_of(program, 1)]:
                os.kill(process, signal.SIGKILL)
            if child.poll() is None:
                child.kill()
                child.wait()
        for rank in 0, 1:
            self.assertEqual(list(processes_of(program, rank)), [], "a rank was left behind")
        return child.returncode, errors

    def end(self, number, *flags):
        """Trains, sends `number` to fsdp-run after a few steps; (status, errors)."""
        program, metrics = self.program("p.fsdp", "--mesh", "shard=2"), self.path(f"m{number}.jsonl")
        # A shell that runs the tests in the background has Ctrl-C ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        child = subprocess.Popen([RUN, program, "--data", TOKENS, "--steps", "100000000", "--lr", "0",
                                  "--metrics", metrics, *flags],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while not (os.path.exists(metrics) and os.path.getsize(metrics) > 2000):
            self.assertLess(time.monotonic(), deadline, "did not start to train")
            time.sleep(0.05)
        child.send_signal(number)
        _, errors = child.communicate(timeout=60)
        deadline = time.monotonic() + 30
        while any(list(processes_of(program, rank)) for rank in (0, 1)):
            self.assertLess(time.monotonic(), deadline, "a rank was left behind")
            time.sleep(0.1)
        return child.returncode, errors

    def test_interrupted(self):
        """Ctrl-C or kill: the ranks end with fsdp-run, which says so."""
        for number, name in (signal.SIGINT, "Interrupt"), (signal.SIGTERM, "Terminated"):
            with self.subTest(name=name):
                status, errors = self.end(number)
                self.assertEqual(status, 128 + number, errors)
                said = [line for line in errors.splitlines() if "error:" in line]
                self.assertEqual(len(said), 1, errors)
                self.assertIn(f"stopped by a signal ({name})", said[0])

    def test_interrupted_threads(self):
        for number, name in (signal.SIGINT, "Interrupt"), (signal.SIGTERM, "Terminated"):
            with self.subTest(name=name):
                status, errors = self.end(number, "--comm", "thread")
                self.assertEqual(status, 128 + number, errors)
                self.assertRegex(errors, rf"^fsdp-run: error: stopped by a signal \({name}\), rank 0 .*"
                                         rf"{PHASE_AND_STEP}\); nothing was saved\n$")

    def test_killed_launcher(self):
        """Nothing can be said then, but nothing is left running either."""
        self.end(signal.SIGKILL)

    def check(self, launcher, number, verdict):
        status, errors = self.strike(launcher, number)
        # mpirun's own status is the rank's signal; fsdp-run was sent none.
        self.assertEqual(status, 1) if not launcher else self.assertNotEqual(status, 0)
        said = [line for line in errors.splitlines() if "fsdp-run: error:" in line]
        self.assertEqual(len(said), 1, errors)
        # Rank, operation and unit, phase and step.
        self.assertRegex(said[0], f"rank 1 {verdict} {STRUCK}")
        if not launcher:
            self.assertEqual(len(errors.splitlines()), 1, errors)

    def test_told_to_end_under_fsdp_run(self):
        self.check([], signal.SIGTERM, r"was told to end \(SIGTERM\)")

    def test_told_to_end_under_mpirun(self):
        self.check(MPIRUN, signal.SIGTERM, r"was told to end \(SIGTERM\)")

    def test_killed_under_fsdp_run(self):
        self.check([], signal.SIGKILL, "was killed")

    def test_killed_under_mpirun(self):
        self.check(MPIRUN, signal.SIGKILL, "was killed")

    def test_stopped_under_fsdp_run(self):
        self.check([], signal.SIGSTOP, "is stopped")

    def test_stopped_under_mpirun(self):
        self.check(MPIRUN, signal.SIGSTOP, "is stopped")


# Stands for an mpirun that waits for a rank which is gone, whatever it is told.
DEAF_MPIRUN = """#!/bin/sh
trap '' TERM INT HUP
echo $$ > "$MPIRUN_PID"
while :; do sleep 1; done
"""


class Launched(PreloadTest):
    """fsdp-run ends, and says why, whatever becomes of mpirun."""

    def setUp(self):
        super().setUp()
        self.model = self.program("p.fsdp", "--mesh", "shard=2")

    def start(self, *flags, mpirun=None, preload=None, steps="100000000", **rest):
        environment = {**(self.preload(preload) if preload else os.environ), "MPIRUN_PID": self.path("pid")}
        if mpirun:
            os.chmod(self.write("mpirun", mpirun.encode()), 0o755)
            environment["PATH"] = self.folder + ":" + environment["PATH"]
        return subprocess.Popen([RUN, self.model, "--data", TOKENS, "--steps", steps, "--lr", "0", *flags],
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment, **rest)

    def started(self, path):
        deadline = time.monotonic() + 60
        while not (os.path.exists(path) and os.path.getsize(path)):
            self.assertLess(time.monotonic(), deadline, "did not start")
            time.sleep(0.05)

    def ended(self, child, has_memory=True):
        _, errors = child.communicate(timeout=100)  # a hang is no end
        for rank in 0, 1:
            self.assertEqual(list(processes_of(self.model, rank)), [], "a rank was left behind")
        if not has_memory and could_not_load(errors):
            return errors
        said = [line for line in errors.splitlines() if "fsdp-run: error:" in line]
        self.assertEqual(len(said), 1, errors)
        return said[0]

    def test_one_signal_is_enough(self):
        for number, name in (signal.SIGTERM, "Terminated"), (signal.SIGHUP, "Hangup"):
            child = self.start(mpirun=DEAF_MPIRUN)
            self.started(self.path("pid"))
            child.send_signal(number)
            self.assertIn(f"stopped by a signal ({name})", self.ended(child))
            self.assertEqual(child.returncode, 128 + number)
            with open(self.path("pid")) as file:
                self.assertFalse(os.path.exists("/proc/" + file.read().strip()))
            os.remove(self.path("pid"))

    def test_ranks_that_never_start(self):
        child = self.start("--timeout", "1", mpirun=DEAF_MPIRUN)
        self.assertIn("ranks 0, 1 of 2 did not start within 20 s", self.ended(child))
        self.assertEqual(child.returncode, 1)

    def test_a_rank_that_dies_in_mpi_init(self):
        child = self.start("--timeout", "1", preload=DEAD_INIT)
        self.assertRegex(self.ended(child), "rank.* did not start within 20 s: a rank may have ended in MPI_Init|"
                                            "exit status 1, before they had finished")
        self.assertEqual(child.returncode, 1)

    def test_ranks_whose_memory_ends(self):
        """Wherever it does, in mpirun too: one error, and no rank stays."""
        for kilobytes in range(50000, 130000, 20000):
            def limit():
                resource.setrlimit(resource.RLIMIT_AS, (kilobytes << 10, kilobytes << 10))
            child = self.start("--timeout", "1", steps="1", preexec_fn=limit)
            with self.subTest(kilobytes=kilobytes):
                self.ended(child, has_memory=False)
                self.assertTrue(0 < child.returncode < 128, child.returncode)

    def test_mpirun_is_killed(self):
        metrics = self.path("m.jsonl")
        child = self.start("--metrics", metrics)
        self.started(metrics)
        [mpirun] = [int(name) for name in filter(str.isdigit, os.listdir("/proc"))
                    if parent_of(name) == child.pid]
        os.kill(mpirun, signal.SIGKILL)
        self.assertIn("mpirun was killed by a signal (Killed)", self.ended(child))
        self.assertEqual(child.returncode, 1)

    def test_an_mpirun_that_fails_in_silence(self):
        for script, words in (("exit 3", "exit status 3"), ("exit 139", "Segmentation fault"),
                              ("kill -9 $$", "mpirun was killed by a signal (Killed)")):
            child = self.start(mpirun="#!/bin/sh\n" + script + "\n")
            self.assertIn(words, self.ended(child))
            self.assertTrue(0 < child.returncode < 128)

    def test_a_batch_script_of_slurm_is_no_rank(self):
        environment = {**os.environ, "SLURM_JOB_ID": "7", "SLURM_NTASKS": "2", "SLURM_PROCID": "0",
                       "SLURM_LOCALID": "0"}
        status, output, errors = execute(RUN, self.model, "--data", TOKENS, "--steps", "1", "--comm", "thread",
                                         env=environment)
        self.assertEqual(status, 0, errors)

    def test_a_rank_whose_input_is_wrong_ends_its_peers(self):
        """Under a launcher that is not mpirun: MPI ends them, as they wait in MPI_Init."""
        for wrong, right in (1, 0), (0, 1):
            wrapper = ("#!/bin/sh\nexport SLURM_PROCID=$OMPI_COMM_WORLD_RANK SLURM_NTASKS=2 SLURM_STEP_ID=0 "
                       "SLURM_LOCALID=$OMPI_COMM_WORLD_RANK\n"
                       "unset OMPI_COMM_WORLD_RANK OMPI_COMM_WORLD_SIZE\n"
                       f"[ $SLURM_PROCID = {wrong} ] || exec '{RUN}' '{self.model}' \"$@\"\n"
                       f"exec '{RUN}' none.fsdp \"$@\"\n")
            os.chmod(self.write("wrapper", wrapper.encode()), 0o755)
            self.one_of_two_is_wrong(self.path("wrapper"), "--data", TOKENS, "--steps", "2")

    def one_of_two_is_wrong(self, *command):
        status, _, errors = execute(*MPIRUN, *command, timeout=60)
        self.assertNotEqual(status, 0)
        self.assertEqual(errors.count("fsdp-run: error:"), 1, errors)
        self.assertIn("none.fsdp", errors)

    def test_a_rank_whose_input_is_wrong_under_mpirun(self):
        flags = ["--data", TOKENS, "--steps", "2"]
        launcher = MPIRUN[:MPIRUN.index("-n")]
        for first, second in (self.model, "none.fsdp"), ("none.fsdp", self.model), ("none.fsdp", "none.fsdp"):
            with self.subTest(first=first, second=second):
                status, _, errors = execute(*launcher, "-n", "1", RUN, first, *flags, ":", "-n", "1", RUN, second, *flags,
                                            timeout=60)
                self.assertNotEqual(status, 0)
                self.assertEqual(errors.count("fsdp-run: error:"), 1, errors)
                self.assertIn("none.fsdp", errors)

    def test_a_warning_is_said_once(self):
        data = self.write("w.u16", b"".join(i.to_bytes(4, "little") for i in range(1, 131)) * 20)
        status, _, errors = execute(*MPIRUN, RUN, self.model, "--data", data, "--steps", "1", timeout=60)
        self.assertEqual(status, 0, errors)
        self.assertEqual(errors.count("looks like 32-bit ids"), 1, errors)


def parent_of(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return int(file.read().rsplit(")", 1)[1].split()[1])
    except OSError:  # it has ended
        return 0


class Different(ToolTest):
    def start(self, *flags):
        """Two ranks, the second with a program that was compiled with `flags`."""
        for rank, extra in enumerate([(), flags]):
            os.mkdir(self.path(f"host{rank}"))
            self.program(f"host{rank}/model.fsdp", "--mesh", "shard=2", *extra)
        os.chmod(self.write("wrapper", WRAPPER.encode()), 0o755)
        os.symlink(RUN, self.path("wrapper.run"))
        return execute(*MPIRUN, self.path("wrapper"), "--data", TOKENS, "--steps", "2",
                       "--metrics", self.path("m.jsonl"), timeout=60)

    def test_the_same_program_twice(self):
        status, _, errors = self.start()
        self.assertEqual(status, 0, errors)

    def test_other_optimizer(self):
        said = self.assertOneError(self.start("--weight-decay", "0.3"))
        self.assertRegex(said, "^fsdp-run: error: rank 1 runs another program than rank 0: "
                               "copy '.*/model.fsdp' to every host$")
        self.assertFalse(os.path.exists(self.path("m.jsonl")), "a step was made")

    def test_other_schedule(self):
        self.assertOneError(self.start("--prefetch-forward", "0"), "rank 1 runs another program")


if __name__ == "__main__":
    unittest.main()
