#!/usr/bin/env python3
"""What fsdp-run trains on: formats, several files, where a run begins and when it ends."""
import array
import json
import os
import struct
import subprocess
import time
import unittest

from harness import RUN, TOKENS, ToolTest, content, execute, lines_of

MPIRUN = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]


def npy(numbers):
    """As numpy.save writes 16-bit numbers."""
    header = f"{{'descr': '<u2', 'fortran_order': False, 'shape': ({len(numbers) // 2},), }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + numbers


def bin_with_header(numbers):
    """As modded-nanogpt writes 16-bit numbers."""
    return struct.pack("<256i", 20240520, 1, len(numbers) // 2, *[0] * 253) + numbers


class Data(ToolTest):
    def setUp(self):
        super().setUp()
        self.model = self.program("p.fsdp", "--mesh", "shard=2")
        self.tokens = content(TOKENS)

    def lines(self, data, *flags, steps=3, comm="thread"):
        """The metrics of a run; `data`: one name, or several."""
        names = [data] if isinstance(data, str) else data
        metrics = self.path("m.jsonl")
        status, self.output, errors = execute(RUN, self.model, "--comm", comm, "--metrics", metrics, *flags,
                                              *(["--steps", str(steps)] if steps else []), "--data", *names)
        self.assertEqual(status, 0, errors)
        return lines_of(metrics)

    def losses(self, *args, **rest):
        return [line["loss"] for line in self.lines(*args, **rest)]

    def refused(self, data, words, *flags, steps="3"):
        names = [data] if isinstance(data, str) else data
        for comm in "thread", "mpi":
            self.assertOneError(execute(RUN, self.model, "--steps", steps, "--comm", comm, *flags, "--data", *names),
                                *words)

    def test_formats_are_the_same_tokens(self):
        expected = self.losses(TOKENS)
        wide = array.array("I", array.array("H", self.tokens)).tobytes()
        for name, data in [("a.npy", npy(self.tokens)), ("a.bin", self.tokens), ("b.bin", bin_with_header(self.tokens)),
                           ("a.u32", wide)]:
            self.assertEqual(self.losses(self.write(name, data)), expected, name)

    def test_a_folder_is_its_files(self):
        half = len(self.tokens) // 4 * 2
        os.mkdir(self.path("d"))
        first = self.write("d/0.u16", self.tokens[:half])
        second = self.write("d/1.npy", npy(self.tokens[half:]))
        self.write("d/meta.pkl", b"ours not")
        expected = self.losses([first, second])
        self.assertEqual(self.losses(self.path("d")), expected)
        self.assertNotEqual(self.losses(TOKENS), expected)
        self.write("d/2.u16", b"\1\0" * 8)
        self.refused(self.path("d"), ["2.u16' has 8 tokens", "rows do not cross files"])
        os.mkdir(self.path("empty"))
        self.refused(self.path("empty"), ["empty' has no file of data", ".npy"])

    def test_a_program_named_after_the_data(self):
        for names in ["--data", TOKENS, self.model], ["--data", TOKENS, self.model, "--comm", "thread"]:
            status, _, errors = execute(RUN, "--steps", "1", *names)
            self.assertEqual(status, 0, errors)

    def test_rows_that_are_skipped(self):
        """With a learning rate of 0 the loss is one of rows alone."""
        flags = ["--lr", "0"]
        whole = self.lines(TOKENS, *flags, steps=5)
        self.assertEqual([line["rows"] for line in whole], [4, 8, 12, 16, 20])
        rest = self.lines(TOKENS, *flags, "--skip-rows", "8")
        self.assertEqual([line["rows"] for line in rest], [12, 16, 20])
        self.assertEqual([line["loss"] for line in rest], [line["loss"] for line in whole[2:]])
        self.assertRegex(self.output, r"(?m)^step 3/3  row 20  loss ")

    def test_every_pass_has_another_order(self):
        data = self.write("small.u16", self.tokens[:2 * (32 * 8 + 1)])  # 8 rows: two steps
        lines = self.lines(data, "--lr", "0", steps=6)
        self.assertEqual([line["epoch"] for line in lines], [.5, 1, 1.5, 2, 2.5, 3])
        losses = [line["loss"] for line in lines]
        for i in 0, 2, 4:  # the mean over all rows is the same in every pass
            self.assertAlmostEqual(sum(losses[i:i + 2]) / 2, sum(losses[:2]) / 2, delta=1e-5)
        self.assertEqual(len(set(losses)), 6)
        losses = self.losses(data, "--lr", "0", "--shuffle", "off", steps=6)
        self.assertEqual(losses[:2] * 3, losses)

    def test_mixing(self):
        """One row of b for each of a: every rank of two, with two rows each, has one of either."""
        a = self.write("a.u16", self.tokens[:2 * (32 * 4 + 1)])
        b = self.write("b.u16", self.tokens[-2 * (32 * 40 + 1):])
        lines = self.lines([a, b], "--weights-of-data", "1,1", "--lr", "0", steps=4)
        self.assertEqual([line["epoch"] for line in lines], [.5, 1, 1.5, 2])  # of a
        self.refused([a, b], ["--weights-of-data has 1 numbers", "each of the 2 names"], "--weights-of-data", "1")
        self.refused([a, b], ["'1,0.5'", "whole numbers above 0"], "--weights-of-data", "1,0.5")

    def test_bad_files(self):
        self.refused(self.write("a.npy", self.tokens), ["a.npy", "not a .npy file"])
        self.refused(self.write("a.npy", npy(self.tokens)[:-2]), ["a.npy", "its header says shape"])
        self.refused(self.write("a.npy", npy(self.tokens).replace(b"<u2", b"<i2")), ["'<i2'", "astype('uint16')"])
        self.refused(self.write("a.npy", npy(self.tokens)[:50]), ["a.npy", "ends within the header"])
        self.refused(self.write("a.bin", bin_with_header(self.tokens)[:-2]), ["a.bin", "its header says"])
        self.refused(self.write("a.u16", npy(self.tokens)), ["a.u16", "name it .npy"])
        self.refused([TOKENS, self.path("none.u16")], ["none.u16", "No such file"])
        self.refused([TOKENS, TOKENS], ["--labels has 1 file", "each of the 2 files"],
                     "--labels", self.write("y.i32", b"\0" * (2 * len(self.tokens))))
        self.refused([TOKENS, self.write("t.txt", b"text " * 100)], ["t.txt", "taken as text"])

    def test_ends_by_tokens(self):
        # 128 tokens a step.
        lines = self.lines(TOKENS, "--max-tokens", "300", steps=0)
        self.assertEqual([line["step"] for line in lines], [1, 2, 3])
        self.assertEqual(len(self.lines(TOKENS, "--max-tokens", "256", steps=9)), 2)
        self.assertIn("ended after step 2: --max-tokens 256\n", self.output)
        self.assertEqual(len(self.lines(TOKENS, "--max-tokens", "9999", "--skip-rows", "9", steps=2)), 2)
        # The schedule goes with --steps where they are given, and else with the tokens.
        rates = [line["lr"] for line in self.lines(TOKENS, "--schedule", "cosine", "--max-tokens", "256", steps=4)]
        self.assertEqual(rates, [line["lr"] for line in self.lines(TOKENS, "--schedule", "cosine", steps=4)[:2]])
        rates = [line["lr"] for line in self.lines(TOKENS, "--schedule", "cosine", "--max-tokens", "512", steps=0)]
        self.assertEqual(rates, [line["lr"] for line in self.lines(TOKENS, "--schedule", "cosine", steps=4)])
        self.assertOneError(execute(RUN, self.model, "--data", TOKENS, "--warmup", "9", "--max-tokens", "256"),
                            "--warmup is 9", "--steps, which is 2")

    def test_ends_by_time(self):
        for comm in "thread", "mpi":
            begin = time.time()
            saved = self.path(comm + ".safetensors")
            lines = self.lines(TOKENS, "--max-time", "2s", "--save", saved, steps=0, comm=comm)
            self.assertLess(time.time() - begin, 30)
            self.assertIn(f"ended after step {len(lines)}: --max-time 2s\n", self.output)
            self.assertRegex(self.output, r"(?m)^step 1  row 4  loss ")
            self.assertIn(f"saved {saved}", self.output)
            self.assertTrue(os.path.exists(saved))
            # The same steps make the same parameters.
            again = self.path("again.safetensors")
            self.lines(TOKENS, "--save", again, steps=len(lines))
            self.assertEqual(content(saved), content(again))
        for text in "0", "-1", "soon", "1w", "nan":
            self.refused(TOKENS, [f"--max-time is '{text}'", "30m"], "--max-time", text)
        self.assertOneError(execute(RUN, self.model, "--data", TOKENS, "--max-time", "1m", "--schedule", "cosine"),
                            "needs to know the last step")
        self.assertOneError(execute(RUN, self.model, "--data", TOKENS, "--max-time", "1m", "--trace",
                                    self.path("t.json")), "--trace needs --steps", "or --trace-steps")

    def test_a_metrics_file_of_another_run(self):
        metrics = self.path("m.jsonl")
        running = subprocess.Popen([RUN, self.model, "--comm", "thread", "--data", TOKENS, "--max-time", "60",
                                    "--metrics", metrics], stdout=subprocess.DEVNULL)
        self.addCleanup(running.wait)
        self.addCleanup(running.kill)
        for _ in range(600):
            if os.path.exists(metrics) and os.path.getsize(metrics):
                break
            time.sleep(.1)
        self.refused(TOKENS, [f"process {running.pid} is writing it", "m.jsonl", "each run its own"],
                     "--metrics", metrics)
        running.kill()
        running.wait()
        lines = lines_of(metrics)
        self.assertEqual([line["step"] for line in lines], list(range(1, len(lines) + 1)))
        self.assertEqual(len(self.lines(TOKENS)), 3)  # it is free again

    def ranks_with(self, first, second):
        """Two ranks, each with flags of its own."""
        common = [RUN, self.model, "--data"]
        return execute(*MPIRUN, "-n", "1", *common, *first, ":", "-n", "1", *common, *second, timeout=60)

    def test_ranks_that_are_asked_for_different_things(self):
        flags = [TOKENS, "--steps", "2"]
        other = self.write("other.u16", self.tokens[:-2] + b"\5\0")
        shorter = self.write("shorter.u16", self.tokens[:-2])
        for second, words in [
                ([*flags, "--lr", "0.5"], ["rank 1 has --lr: 0.5, rank 0 has 0.001"]),
                ([*flags, "--accumulate", "2"], ["rank 1 has --accumulate: 2, rank 0 has 1"]),
                ([*flags, "--eval-data", other], ["rank 1 has --eval-data: 1 file", "rank 0 has none"]),
                ([*flags, "--seed", "9"], ["rank 1 has --seed: 9, rank 0 has 0"]),
                ([*flags, "--shuffle", "off"], ["rank 1 has --shuffle: off, rank 0 has on"]),
                ([TOKENS, "--steps", "3"], ["rank 1 has --steps: 3, rank 0 has 2"]),
                ([other, "--steps", "2"], ["rank 1 has --data: 1 file", "sum"]),
                ([shorter, "--steps", "2"], [f"{len(self.tokens) - 2} bytes", f"{len(self.tokens)} bytes"])]:
            with self.subTest(second=second):
                self.assertOneError(self.ranks_with(flags, second), *words, "same options")
        status, _, errors = self.ranks_with(flags, [self.write("copy.u16", self.tokens), "--steps", "2"])
        self.assertEqual(status, 0, errors)


class Info(ToolTest):
    def test_what_a_program_is(self):
        model = self.program("p.fsdp", "--mesh", "shard=2")
        for command in [RUN, "--info", model], [*MPIRUN, "-n", "2", RUN, model, "--info"]:
            status, output, errors = execute(*command)
            self.assertEqual((status, errors), (0, ""))
            lines = dict(line.split(None, 1) for line in output.splitlines() if not line.startswith(" "))
            self.assertEqual(lines["mesh"], "shard=2 (2 ranks)")
            self.assertEqual(lines["batch"], "2 rows of 32 tokens a rank: 128 tokens a step")
            self.assertIn("phases", lines)
            self.assertEqual(lines["optimizer"], "adamw, keeps exp_avg, exp_avg_sq")
            self.assertIn(" alike, each: ", output)

    def test_groups_of_parameters(self):
        model = self.program("p.fsdp", "--group", "**.bias: weight_decay=0, lr=0.1x", "--ema", "0.99")
        output = execute(RUN, "--info", model)[1]
        numbers = "beta1 0.9, beta2 0.999, eps 1e-08, lr {}x, weight_decay {}"
        biases = sum(p["names"][0].endswith(".bias") for p in json.loads(content(model + "/manifest.json"))["parameters"])
        self.assertIn(f"\n  {biases} parameters: {numbers.format('0.1', '0')}\n", output)
        self.assertIn(f" parameters: {numbers.format('1', '0.01')}\n", output)
        self.assertIn("\n  averaged parameters: ema 0.99\n", output)

    def test_of_another_machine(self):
        model = self.program("p.fsdp")
        manifest = content(model + "/manifest.json").replace(b'"triple": "', b'"triple": "sparc-')
        self.write("p.fsdp/manifest.json", manifest)
        status, output, _ = execute(RUN, "--info", model)
        self.assertEqual(status, 0)
        self.assertIn("sparc-", output)

    def test_of_no_program(self):
        self.assertOneError(execute(RUN, "--info", self.path("none.fsdp")), "cannot open program")


if __name__ == "__main__":
    unittest.main()
