#!/usr/bin/env python3
"""Ranks that torchrun or srun start, on simulated GPUs: they meet by NCCL, train as under MPI, and fail with one
message."""
import json
import os
import re
import signal
import time
import unittest

from simulated import Gpu
from harness import BIN, PHASE_AND_STEP, RUN, TOKENS, content, execute, lines_of
from launch import Launch, free_port, srun_variables, torchrun_variables

LEAN = os.path.join(os.path.dirname(BIN), "test", "runtime", "fsdp-run-without-mpi")


class Launched(Gpu):
    def setUp(self):
        super().setUp()
        self.before = self.met()

    @staticmethod
    def met():
        return {name for name in os.listdir("/dev/shm") if re.match(r"fsdprt-\d{10,}$", name)}

    def launch(self, variables, program, *flags, run=RUN, steps=3, watched=True, **settings):
        return Launch([run, program, "--data", TOKENS, "--steps", str(steps), *flags], variables,
                      self.environment(**settings), watched)

    def outcome_of(self, variables, program, *flags, run=RUN, steps=3, **settings):
        """As outcome() of ranks that are started by somebody else."""
        number = next(self.count)
        metrics, save = self.path(f"m{number}.jsonl"), self.path(f"s{number}.st")
        statuses, output, errors = self.launch(variables, program, "--check-plan", "--metrics", metrics, "--save", save,
                                               *flags, run=run, steps=steps, **settings).wait()
        self.assertEqual((statuses, errors), ([0] * len(variables), ""))
        self.assertIn("records match the memory plan", output)
        self.assertEqual(output.count("saved "), 1)
        return lines_of(metrics), content(save)

    def assertSaidOnce(self, result, *words):
        """No rank ended well, and one of them said why; what it said."""
        statuses, _, errors = result
        for status in statuses:
            self.assertNotEqual(status, 0, errors)
        said = [line for line in errors.splitlines() if not line.startswith("simcuda: ")]
        self.assertEqual(len(said), 1, errors)
        for word in ("fsdp-run: error: ", *words):
            self.assertIn(word, said[0])
        return said[0]

    def assertStruck(self, result, words):
        self.assertRegex(self.assertSaidOnce(result, words), PHASE_AND_STEP)

    def tearDown(self):
        self.assertEqual(self.met() - self.before, set(), "what ranks met by was left")


class Trains(Launched):
    def test_as_under_mpi(self):
        """The same losses and parameters, in builds with and without MPI."""
        for world in 2, 4:
            program = self.gpu_program(f"g{world}.fsdp", "--mesh", f"shard={world}", "--clip-grad-norm", "1")
            lines, bits = self.outcome(program)
            for run in RUN, LEAN:
                with self.subTest(world=world, run=run):
                    own, saved = self.outcome_of(torchrun_variables(world), program, run=run)
                    self.assertEqual(saved, bits)
                    for line, other in zip(own, lines, strict=True):
                        for key in "loss", "grad_norm", "planned_peak_bytes", "measured_peak_bytes":
                            self.assertEqual(line[key], other[key])

    def test_however_ranks_are_told(self):
        program = self.gpu_program("g.fsdp", "--mesh", "shard=2")
        _, bits = self.outcome(program)
        for variables in srun_variables(2), [{**own, "MASTER_ADDR": "::1"} for own in torchrun_variables(2)]:
            self.assertEqual(self.outcome_of(variables, program)[1], bits)
        address = f"127.0.0.1:{free_port()}"
        for variables in torchrun_variables(2), srun_variables(2):
            for own in variables:
                del own["MASTER_ADDR"], own["MASTER_PORT"]
                own["NCCL_COMM_ID"] = address
            self.assertEqual(self.outcome_of(variables, program)[1], bits)

    def test_one_rank(self):
        program = self.gpu_program("g.fsdp")
        self.assertEqual(self.outcome_of(torchrun_variables(1), program)[1], self.outcome(program)[1])

    def test_the_ranks_own_memory_is_the_library_s(self):
        program = self.gpu_program("g.fsdp", "--mesh", "shard=2")
        lines, _ = self.outcome_of(torchrun_variables(2), program, SIMCUDA_LIBRARY_MEMORY="1000000")
        # cuBLASLt's handle, three communicators of the program's and the ranks' own, which has buffers too.
        buffers = 3 * (1 << 20)
        for line in lines:
            self.assertEqual(line["library_bytes"], 5 * 1000000 + buffers)

    def test_trace(self):
        """What ranks send to the first one is longer than a round of theirs."""
        program, trace = self.gpu_program("g.fsdp", "--mesh", "shard=2"), self.path("t.json")
        self.outcome_of(torchrun_variables(2), program, "--trace", trace, "--trace-steps", "1:60", steps=60)
        with open(trace) as file:
            events = [e for e in json.load(file)["traceEvents"] if e.get("cat") == "dispatch"]
        self.assertGreater(os.path.getsize(trace), 2 * (1 << 20))
        numbers = [[(e["name"], e["args"]["index"]) for e in events if e["pid"] == rank] for rank in (0, 1)]
        self.assertEqual(sorted(numbers[0]), sorted(numbers[1]))
        self.assertTrue(numbers[0])


class Fails(Launched):
    def setUp(self):
        super().setUp()
        self.model = self.gpu_program("g.fsdp", "--mesh", "shard=2")

    def strike(self, number, *flags, watched):
        """Trains, sends rank 1 a signal after a few steps; how all ended."""
        metrics = self.path(f"m{next(self.count)}.jsonl")
        launch = self.launch(torchrun_variables(2), self.model, "--metrics", metrics, *flags, steps=100000,
                             watched=watched)
        deadline = time.monotonic() + 120
        while not (os.path.exists(metrics) and len(content(metrics)) > 1000):
            self.assertLess(time.monotonic(), deadline, "no step")
            time.sleep(0.05)
        launch.ranks[1].send_signal(number)
        return launch.wait(timeout=90)

    def test_a_rank_is_killed(self):
        """Under torchrun, which ends the others, and where nobody does."""
        self.assertStruck(self.strike(signal.SIGKILL, watched=True), "rank 1 was killed ")
        self.assertStruck(self.strike(signal.SIGKILL, "--timeout", "4", watched=False), "rank 1 was killed ")

    def test_a_rank_is_told_to_end(self):
        self.assertStruck(self.strike(signal.SIGTERM, watched=True), "rank 1 was told to end (SIGTERM)")

    def test_a_rank_never_comes(self):
        """Of this host, which is named, or of another one."""
        first, second, other = torchrun_variables(2), torchrun_variables(2), torchrun_variables(2)
        first[0] = second[1] = other[1] = None
        other[0]["LOCAL_WORLD_SIZE"] = "1"
        launches = [self.launch(variables, self.model, "--timeout", "2") for variables in (first, second, other)]
        for launch, words in zip(launches, ("rank 0 of 2 did not start within 20 s", "rank 1 of 2 did not start within 20 s",
                                            "a rank of another host has not come within 20 s")):
            self.assertSaidOnce(launch.wait(), "ranks cannot meet at 127.0.0.1:", words, "--timeout")

    def test_what_ranks_are_told_is_wrong(self):
        for name, value, words in (
                ("RANK", None, ["RANK is not set, expected a whole number below WORLD_SIZE, which is 2"]),
                ("RANK", "x", ["RANK is 'x'"]), ("RANK", "2", ["RANK is '2'", "below WORLD_SIZE"]),
                ("WORLD_SIZE", "", ["WORLD_SIZE is ''", "1 or more"]), ("LOCAL_WORLD_SIZE", "3", ["at most WORLD_SIZE"]),
                ("LOCAL_WORLD_SIZE", None, ["LOCAL_WORLD_SIZE is not set"]),
                ("MASTER_ADDR", None, ["MASTER_ADDR is not set", "scontrol show hostnames", "NCCL_COMM_ID"]),
                ("MASTER_PORT", None, ["MASTER_PORT is not set"]), ("MASTER_PORT", "65535", ["below 65535"]),
                ("NCCL_COMM_ID", "host", ["NCCL_COMM_ID is 'host'", "HOST:PORT"])):
            with self.subTest(name=name, value=value):
                variables = torchrun_variables(2)
                for own in variables:
                    own.pop(name, None)
                    if value is not None:
                        own[name] = value
                self.assertSaidOnce(self.launch(variables, self.model).wait(), *words)
        alone = torchrun_variables(2)[1]
        alone["LOCAL_RANK"] = "5"
        self.assertSaidOnce(self.launch([alone], self.model).wait(), "LOCAL_RANK is '5'")
        variables = srun_variables(2)
        for own in variables:
            del own["SLURM_STEP_TASKS_PER_NODE"]
        self.assertSaidOnce(self.launch(variables, self.model).wait(), "srun does not say", "SLURM_STEP_TASKS_PER_NODE")

    def test_ranks_of_a_host_are_not_consecutive(self):
        variables = srun_variables(2)
        for own in variables:
            own["SLURM_LOCALID"] = str(1 - int(own["SLURM_PROCID"]))
        self.assertSaidOnce(self.launch(variables, self.model).wait(), "must be consecutive (srun --distribution=block)")

    def test_input_that_is_wrong(self):
        """Of all ranks, or of one of them."""
        self.assertSaidOnce(self.launch(torchrun_variables(4), self.model).wait(), "compiled for 2 ranks", "started were 4")
        self.assertSaidOnce(self.launch(torchrun_variables(2), self.path("none.fsdp")).wait(), "none.fsdp")
        self.assertSaidOnce(self.launch(torchrun_variables(2), self.model, "--weights", "none").wait(), "'none'")
        self.assertSaidOnce(self.launch(torchrun_variables(2), self.model, SIMCUDA_NCCL_VERSION="22500").wait(),
                            "2.26.0 or later is needed")
        os.makedirs(self.path("r.json.1"))
        self.assertSaidOnce(self.launch(torchrun_variables(2), self.model, "--records", self.path("r.json")).wait(), "r.json.1")

    def test_nobody_meets_there(self):
        """An address that NCCL cannot take; two ranks that are one."""
        variables = torchrun_variables(2)
        port = int(variables[0]["MASTER_PORT"]) + 1
        taken = f"/dev/shm/simnccl-at-127-0-0-1-{port}"
        os.makedirs(taken)
        try:
            self.assertSaidOnce(self.launch(variables, self.model).wait(), f"ranks cannot meet at 127.0.0.1:{port}: "
                                "ncclCommInitRankConfig failed: ")
        finally:
            os.rmdir(taken)
        variables = torchrun_variables(2)
        variables[1] = variables[0]
        _, _, errors = self.launch(variables, self.model).wait()
        self.assertIn("rank 0 is there twice", errors)
        self.assertSaidOnce(self.launch(torchrun_variables(2), self.model, SIMCUDA_DEVICES="1").wait(), "Duplicate GPU")

    def test_what_needs_mpi(self):
        cpu = self.program("c.fsdp", "--mesh", "shard=2")
        for run, words in (RUN, ["torchrun started 2 ranks but MPI sees 1"]), (LEAN, ["was built without MPI"]):
            self.assertSaidOnce(self.launch(torchrun_variables(2), cpu, run=run).wait(), *words)
        self.assertSaidOnce(self.launch(torchrun_variables(2), self.model, "--comm", "mpi", run=LEAN).wait(), "without MPI")
        self.assertSaidOnce(self.launch([{}], cpu, run=LEAN).wait(), "was built without MPI")


class Starts(Launched):
    """fsdp-run itself starts the ranks where there is no MPI."""

    def setUp(self):
        super().setUp()
        self.model = self.gpu_program("g.fsdp", "--mesh", "shard=2")

    def test_as_mpirun_does(self):
        program = self.gpu_program("g4.fsdp", "--mesh", "shard=4")
        self.assertEqual(self.outcome_of([{}], program, run=LEAN)[1], self.outcome(program)[1])
        # Whatever a shell has exported.
        stray = {"RANK": "7", "LOCAL_RANK": "3", "NCCL_COMM_ID": "nowhere:1"}
        self.assertEqual(self.outcome_of([stray], self.model, "-n", "2", run=LEAN)[1], self.outcome(self.model)[1])

    def ranks(self):
        """Process numbers, by rank."""
        found = {}
        for pid in execute("pgrep", "-f", self.model)[1].split():
            variables = self.environment_of(pid).split(b"\0")
            for rank in 0, 1:
                if f"RANK={rank}".encode() in variables:
                    found[rank] = int(pid)
        return found

    def train(self, *flags):
        """Ranks that have made some steps, until they are stopped."""
        metrics = self.path(f"m{next(self.count)}.jsonl")
        launch = self.launch([{}], self.model, "--metrics", metrics, *flags, run=LEAN, steps=100000)
        deadline = time.monotonic() + 120
        while not (os.path.exists(metrics) and len(content(metrics)) > 1000):
            self.assertLess(time.monotonic(), deadline, "no step")
            time.sleep(0.05)
        return launch

    def assertGone(self):
        deadline = time.monotonic() + 30
        while self.ranks():
            self.assertLess(time.monotonic(), deadline, "a rank was left")
            time.sleep(0.1)

    def test_a_rank_is_struck(self):
        for number, words in ((signal.SIGKILL, "rank 1 was killed "), (signal.SIGTERM, "rank 1 was told to end (SIGTERM) "),
                              (signal.SIGSTOP, "rank 1 is stopped ")):
            with self.subTest(number=number):
                launch = self.train("--timeout", "4" if number == signal.SIGSTOP else "30")
                os.kill(self.ranks()[1], number)
                result = launch.wait(timeout=60)
                self.assertEqual(result[0], [1])
                self.assertStruck(result, words)
                self.assertGone()

    def test_it_is_told_to_end(self):
        for number, status in (signal.SIGINT, 128 + signal.SIGINT), (signal.SIGTERM, 128 + signal.SIGTERM):
            launch = self.train()
            launch.ranks[0].send_signal(number)
            result = launch.wait(timeout=60)
            self.assertEqual(result[0], [status])
            self.assertSaidOnce(result, "stopped by a signal", "nothing was saved")
            self.assertGone()
        launch = self.train()
        launch.ranks[0].kill()
        launch.wait(timeout=60)
        self.assertGone()

    def test_it_says_what_is_wrong(self):
        for flags, settings, words in ((["-n", "3"], {}, "-n asks for 3"), (["--weights", "none"], {}, "'none'"),
                                       ([], {"SIMCUDA_DEVICES": "0"}, "no GPU"),
                                       ([], {"SIMCUDA_FAIL_KERNEL": "9"}, " failed: ")):
            with self.subTest(words=words):
                result = self.launch([{}], self.model, *flags, run=LEAN, **settings).wait()
                self.assertEqual(result[0], [1])
                self.assertSaidOnce(result, words)


if __name__ == "__main__":
    unittest.main()
