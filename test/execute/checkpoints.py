#!/usr/bin/env python3
"""A run that resumes from a checkpoint is the run that was never stopped; what cannot be gone on from is refused."""
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import time
import unittest

from harness import BIN, FIXTURES, RUN, TOKENS, ToolTest, content, execute, lines_of, tensors_of

CKPT = os.path.join(BIN, "fsdp-ckpt")
PREEMPTED = 75
WORLDS = {1: ["--dim", "batch=6"], 2: ["--dim", "batch=3"], 3: ["--dim", "batch=2"]}


class Checkpoints(ToolTest):
    def program_of(self, world, *flags, seq=32, **rest):
        return self.program(f"p{world}{''.join(flags)}{seq}.fsdp".replace("/", ""), "--mesh", f"shard={world}", *flags,
                            dims=WORLDS[world] + ["--dim", f"seq={seq}"], **rest)

    def run_steps(self, program, steps, *flags, name="m", comm="thread"):
        """Standard output, and what the metrics have of each step."""
        metrics = self.path(name + ".jsonl")
        if os.path.exists(metrics):
            os.remove(metrics)
        output = self.train(program, "--steps", str(steps), "--comm", comm, "--metrics", metrics, *flags)
        return output, [(m["step"], m["loss"], m["grad_norm"], m["lr"]) for m in lines_of(metrics)]

    def steps_in(self, folder):
        """Of the complete ones."""
        return sorted(int(name[5:]) for name in os.listdir(folder) if re.fullmatch(r"step-\d+", name))

    def resumes_equal(self, world, *flags, comm="thread"):
        program, folder = self.program_of(world, *flags), self.path(f"D{world}{comm}")
        whole, halves = self.path("whole.st"), self.path("halves.st")
        schedule = ["--schedule", "cosine", "--warmup", "2", "--seed", "5"]
        _, expected = self.run_steps(program, 7, *schedule, "--save", whole, comm=comm)
        save = ["--checkpoint-dir", folder, "--checkpoint-every", "3", "--save", halves]
        _, saving = self.run_steps(program, 7, *schedule, *save, comm=comm)
        self.assertEqual(saving, expected)
        self.assertEqual(content(halves), content(whole))
        self.assertEqual(self.steps_in(folder), [3, 6, 7])
        shutil.rmtree(os.path.join(folder, "step-7"))
        output, resumed = self.run_steps(program, 7, *schedule, *save, "--resume", "latest", comm=comm)
        self.assertIn(f"goes on from '{folder}/step-6', step 6, row 36 of the data", output)
        self.assertEqual(resumed, expected[6:])
        self.assertEqual(content(halves), content(whole))
        _, resumed = self.run_steps(program, 7, *schedule, "--resume", folder + "/step-3", "--save", halves, comm=comm)
        self.assertEqual(resumed, expected[3:])
        self.assertEqual(content(halves), content(whole))

    def test_the_same_mesh(self):
        for world, flags, comm in [(1, [], "thread"), (2, ["--placement", "dim0", "--optimizer", "sgd", "--momentum",
                                                           "0.9"], "mpi"),
                                   (3, ["--param-dtype", "bfloat16"], "thread"), (3, ["--placement", "dim0"], "mpi"),
                                   (2, ["--optimizer", "adafactor", "--ema", "0.9"], "thread")]:
            with self.subTest(world=world, flags=flags):
                self.resumes_equal(world, *flags, comm=comm)

    def test_other_meshes(self):
        """3 ranks, then 2 of another placement, then 1, and 3 in bf16's place."""
        save = ["--checkpoint-dir", self.path("D"), "--checkpoint-every", "3"]
        _, expected = self.run_steps(self.program_of(1), 12)
        _, first = self.run_steps(self.program_of(3), 3, *save)
        _, second = self.run_steps(self.program_of(2, "--placement", "dim0"), 7, *save, "--resume", "latest")
        output, third = self.run_steps(self.program_of(1), 12, *save, "--resume", "latest")
        self.assertIn("step 7, row 42 of the data", output)
        for got, wanted in zip(first + second + third, expected, strict=True):
            self.assertEqual(got[0], wanted[0])
            self.assertAlmostEqual(got[1], wanted[1], delta=1e-5 * wanted[1])
        # What is gathered in another type is derived from the same parameters.
        _, rounded = self.run_steps(self.program_of(3, "--param-dtype", "bfloat16"), 12, "--resume",
                                    self.path("D") + "/step-9")
        self.assertAlmostEqual(rounded[0][1], expected[9][1], delta=2e-2)

    def test_groups_on_other_meshes(self):
        """A line's ranges of rules are cut elsewhere; states that do not begin with zero go with them."""
        save = ["--checkpoint-dir", self.path("D"), "--checkpoint-every", "4"]
        groups = ["--group", "**.bias: weight_decay=0, lr=0.5x", "--group", "**.ln_*.weight: lr=0.1x"]
        for rule in (["adam", "--weight-decay", "0.1"], ["adagrad", "--initial-accumulator-value", "0.1"],
                     ["adafactor", "--weight-decay", "0.1"]):
            flags = ["--optimizer", *rule, *groups]
            shutil.rmtree(self.path("D"), ignore_errors=True)
            _, expected = self.run_steps(self.program_of(1, *flags), 8)
            _, first = self.run_steps(self.program_of(3, *flags), 4, *save)
            output, second = self.run_steps(self.program_of(2, *flags), 8, *save, "--resume", "latest")
            with self.subTest(rule=rule):
                self.assertIn("step 4, row 24 of the data", output)
                for got, wanted in zip(first + second, expected, strict=True):
                    self.assertAlmostEqual(got[1], wanted[1], delta=1e-5 * wanted[1])

    def test_moments_of_rows_and_columns(self):
        """They are in the first rank's file alone, and each rank of another mesh reads all of them."""
        flags = ["--optimizer", "adafactor", "--placement", "dim0"]
        self.run_steps(self.program_of(3, *flags), 3, "--checkpoint-dir", self.path("D"))
        with open(self.path("D/step-3/checkpoint.json")) as file:
            states = {p["names"][0]: p["states"] for p in json.load(file)["parameters"]}
        self.assertEqual([(s["name"], s["elements"]) for s in states["transformer.h.0.mlp.c_fc.weight"]],
                         [("row_var", 128), ("col_var", 32)])
        self.assertEqual([(s["name"], s["elements"]) for s in states["transformer.h.0.mlp.c_fc.bias"]],
                         [("variance", 128)])
        for rank, kinds in (0, {"parameter", "row_var", "col_var", "variance"}), (1, {"parameter"}):
            file = tensors_of(self.path(f"D/step-3/rank-{rank}.safetensors"))
            self.assertEqual({name.split("/")[0] for name in file}, kinds)
        for flags in ["-n", "2"], ["--program", self.program_of(2, "--optimizer", "adafactor")]:
            shutil.rmtree(self.path("E"), ignore_errors=True)
            status, _, errors = execute(CKPT, "reshard", self.path("D/step-3"), self.path("E"), *flags)
            self.assertEqual(status, 0, errors)
            status, output, _ = execute(CKPT, "diff", self.path("D/step-3"), self.path("E/step-3"))
            self.assertEqual((status, output.splitlines()[-1].split()[0]), (0, "0"), output)

    def test_another_optimizer(self):
        """The rule is refused by name, also one with the same states; its numbers may be others."""
        def program(*flags):
            return self.program_of(2, "--optimizer", *flags)
        folder = self.path("D")
        self.run_steps(program("adam"), 2, "--checkpoint-dir", folder)
        for other in "adamw", "adagrad", "lion", "sgd":
            result = execute(RUN, program(other), "--data", TOKENS, "--steps", "5", "--resume", folder + "/step-2")
            self.assertOneError(result, f"its optimizer is adam, expected {other}", "--optimizer adam", "--weights")
        _, resumed = self.run_steps(program("adam", "--betas", "0.8,0.95"), 3, "--resume", folder + "/step-2")
        self.assertEqual([r[0] for r in resumed], [3])
        shutil.rmtree(folder)
        self.run_steps(program("sgd", "--momentum", "0.9"), 2, "--checkpoint-dir", folder)
        result = execute(RUN, program("sgd"), "--data", TOKENS, "--steps", "5", "--resume", folder + "/step-2")
        self.assertOneError(result, "are momentum_buffer (f32) in it, expected none", "other options of the optimizer")

    def test_metrics_are_appended(self):
        """Each step once: those that are made again replace what was told of them."""
        program, metrics = self.program_of(2), self.path("kept.jsonl")
        flags = ["--checkpoint-dir", self.path("D"), "--checkpoint-every", "3", "--metrics", metrics]
        self.train(program, "--steps", "5", "--comm", "thread", *flags)
        shutil.rmtree(self.path("D/step-5"))
        first = [m["loss"] for m in lines_of(metrics)]
        self.train(program, "--steps", "8", "--comm", "mpi", *flags, "--resume", "latest")
        lines = lines_of(metrics)
        self.assertEqual([m["step"] for m in lines], list(range(1, 9)))
        self.assertEqual([m["rows"] for m in lines], [6 * step for step in range(1, 9)])
        self.assertEqual([m["loss"] for m in lines[:5]], first)
        self.assertTrue(all(m["checkpoint_wait_ms"] >= 0 for m in lines))

    def test_from_the_beginning(self):
        program, folder = self.program_of(1), self.path("D")
        flags = ["--checkpoint-dir", folder, "--resume", "latest"]
        output, first = self.run_steps(program, 3, *flags)
        self.assertIn(f"no checkpoint in '{folder}' yet: from the beginning", output)
        self.assertEqual(len(first), 3)
        # Nothing is left of it; the saved file is made again.
        output, rest = self.run_steps(program, 3, *flags, "--save", self.path("again.st"))
        self.assertEqual(rest, [])
        _, expected = self.run_steps(program, 3, "--save", self.path("whole.st"))
        self.assertEqual(content(self.path("again.st")), content(self.path("whole.st")))

    def test_parameters_alone(self):
        """As weights: to another optimizer, and the same values as a saved file's."""
        save = self.path("a.st")
        self.run_steps(self.program_of(2), 4, "--checkpoint-dir", self.path("D"), "--save", save)
        program = self.program_of(3, "--optimizer", "sgd")
        _, expected = self.run_steps(program, 2, "--weights", save)
        _, got = self.run_steps(program, 2, "--weights", self.path("D") + "/step-4")
        self.assertEqual(got, expected)

    def test_keep_and_wait(self):
        program, folder = self.program_of(2), self.path("D")
        output, got = self.run_steps(program, 9, "--checkpoint-dir", folder, "--checkpoint-every", "2", "--keep", "2",
                                     "--checkpoint-wait", comm="mpi")
        self.assertEqual(self.steps_in(folder), [8, 9])
        self.assertEqual(got, self.run_steps(program, 9)[1])

    def start(self, program, *flags, comm):
        child = subprocess.Popen([RUN, program, "--data", TOKENS, "--comm", comm, "--checkpoint-dir", self.path("D"),
                                  *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(child.stderr.close)
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)  # where the test has failed; mpirun's ranks end with it
        return child

    def wait_for(self, holds, child):
        deadline = time.monotonic() + 60
        while not holds():
            self.assertIsNone(child.poll(), "ended by itself")
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

    def test_signals(self):
        program = self.program_of(2)
        for comm in "thread", "mpi":
            folder, metrics = self.path("D"), self.path(comm + ".jsonl")
            shutil.rmtree(folder, ignore_errors=True)
            child = self.start(program, "--steps", "1000000", "--metrics", metrics, comm=comm)
            self.wait_for(lambda: os.path.exists(metrics) and content(metrics).count(b"\n") > 2, child)
            child.send_signal(signal.SIGUSR1)
            self.wait_for(lambda: self.steps_in(folder), child)
            first = self.steps_in(folder)
            seen = content(metrics).count(b"\n")
            self.wait_for(lambda: content(metrics).count(b"\n") > seen + 2, child)
            child.send_signal(signal.SIGTERM)
            output, errors = child.communicate(timeout=60)
            with self.subTest(comm=comm):
                self.assertEqual((child.returncode, errors), (PREEMPTED, ""))
                last = self.steps_in(folder)[-1]
                self.assertGreater(last, first[-1])
                self.assertIn(f"told to end after step {last} of 1000000: --resume latest goes on", output)
                lines = lines_of(metrics)
                self.assertEqual(lines[-1]["step"], last)
                _, resumed = self.run_steps(program, last + 1, "--resume", folder + f"/step-{first[-1]}")
                self.assertEqual([r[1] for r in resumed[:-1]], [m["loss"] for m in lines[first[-1]:]])

    def test_two_runs_in_one_folder(self):
        program, metrics = self.program_of(2), self.path("m.jsonl")
        child = self.start(program, "--steps", "1000000", "--metrics", metrics, comm="mpi")
        try:
            self.wait_for(lambda: os.path.exists(metrics) and os.path.getsize(metrics), child)
            result = execute(RUN, program, "--data", TOKENS, "--steps", "2", "--checkpoint-dir", self.path("D"))
            self.assertOneError(result, "--checkpoint-dir", "is used by another run (process ",
                                "give each a folder of its own")
        finally:
            child.send_signal(signal.SIGTERM)
            child.communicate(timeout=60)
        self.assertEqual(child.returncode, PREEMPTED)

    def test_a_file_that_may_not_grow(self):
        """Rank 0's file does not fit: one warning a checkpoint, the training goes on, nothing unfinished stays; of the
        last one the exit status tells."""
        program, folder = self.program_of(2), self.path("D")
        save = ["--checkpoint-dir", folder, "--checkpoint-every", "2"]
        _, expected = self.run_steps(program, 6)

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))
        metrics = self.path("few.jsonl")
        done = subprocess.run([RUN, program, "--data", TOKENS, "--steps", "6", "--comm", "thread", *save, "--metrics",
                               metrics], capture_output=True, text=True, preexec_fn=limit)
        self.assertEqual(done.returncode, 1, done.stderr)
        said = done.stderr.splitlines()
        self.assertEqual(len(said), 3, done.stderr)
        for step, line in zip((2, 4), said):
            self.assertRegex(line, f"^fsdp-run: warning: the checkpoint of step {step} failed .rank 0: cannot write "
                                   ".*File too large.*training goes on")
        self.assertRegex(said[2], "^fsdp-run: error: the last checkpoint, of step 6, failed .*File too large.*: no "
                                  f"checkpoint is in '{folder}'$")
        self.assertEqual(os.listdir(folder), ["lock"])
        self.assertEqual([m["loss"] for m in lines_of(metrics)], [e[1] for e in expected])

    def test_refused(self):
        program, folder = self.program_of(2), self.path("D")
        save = ["--checkpoint-dir", folder]
        self.run_steps(program, 2, *save)
        step = folder + "/step-2"
        words, labels = self.write("other.u16", content(TOKENS)[:-2]), self.write("same.u16", content(TOKENS)[2:] + content(TOKENS)[:2])

        def refuse(*expected, program=program, data=TOKENS, steps=5, flags=(), resume=step):
            result = execute(RUN, program, "--data", data, "--steps", str(steps), "--resume", resume, *flags)
            self.assertOneError(result, *expected)
        refuse("its optimizer is adamw, expected sgd", "--weights", program=self.program_of(
            1, "--optimizer", "sgd"))
        refuse("give --seed 0", flags=["--seed", "1"])
        refuse("--shuffle on", flags=["--shuffle", "off"])
        refuse("9901 tokens, this run's 9900", data=words)
        refuse("as many tokens", data=labels)
        refuse("have 32 tokens, expected 16", program=self.program_of(1, seq=16))
        refuse("is of step 2, beyond --steps 1", steps=1)
        other = self.program_of(1, model=os.path.join(FIXTURES, "llama", "dynamo18-dyn-raw.onnx"), seq=16)
        refuse("step-2' lacks 20 of 21 parameters: 'model.embed_tokens.weight'", program=other)
        refuse("cannot open checkpoint", "No such file", resume=folder + "/step-3")
        refuse("is no checkpoint (no checkpoint.json in it)", resume=folder)
        refuse("leave --weights away", flags=["--weights", step])
        refuse("is for --checkpoint-dir", resume="latest")
        result = execute(RUN, program, "--data", TOKENS, "--steps", "5", *save)
        self.assertOneError(result, "has a checkpoint of step 2, and this run begins with step 1", "--resume latest")
        for flags, expected in ((["--keep", "0"], "--keep is 0"), (["--checkpoint-every", "0"], "--checkpoint-every is 0"),
                                (["--checkpoint-dir", self.write("file", b"")], "Not a directory"),
                                (["--checkpoint-dir", self.path("a/b")], "cannot make folder")):
            self.assertOneError(execute(RUN, program, "--data", TOKENS, "--steps", "5", *save[:0 if "dir" in flags[0] else 2],
                                        *flags), expected)

    def test_damaged(self):
        """Found by the rank that reads it, and nothing is trained."""
        program, folder = self.program_of(2), self.path("D")
        self.run_steps(program, 2, "--checkpoint-dir", folder)
        step = folder + "/step-2"
        for comm in "thread", "mpi":
            for name in "rank-0.safetensors", "rank-1.safetensors", "checkpoint.json":
                path = os.path.join(step, name)
                whole = content(path)
                for damage in (whole[:-1] + bytes([whole[-1] ^ 1]), whole[:-3], None):
                    os.remove(path)
                    if damage is not None:
                        with open(path, "wb") as file:
                            file.write(damage)
                    with self.subTest(comm=comm, name=name, cut=damage and len(damage)):
                        result = execute(RUN, program, "--data", TOKENS, "--steps", "5", "--comm", comm, "--resume", step,
                                         "--metrics", self.path("never.jsonl"))
                        self.assertOneError(result, "step-2", output="never.jsonl")
                    with open(path, "wb") as file:
                        file.write(whole)
        self.assertEqual(json.loads(content(step + "/checkpoint.json"))["step"], 2)


if __name__ == "__main__":
    unittest.main()
