#!/usr/bin/env python3
"""Steps of several microbatches, and validation, against what follows from the
model alone. Losses are held against PyTorch's by parity-accumulate."""
import json
import math
import os
import struct
import unittest

from harness import PARITY, RUN, TOKENS, ToolTest, content, execute, lines_of

LABELS = os.path.join(PARITY, "labels-131.i32")


class Microbatches(ToolTest):
    def steps_of(self, program, *flags, steps=3):
        metrics = self.path("m.jsonl")
        self.train(program, "--comm", "thread", "--steps", str(steps), "--lr", "2e-3", "--shuffle", "off",
                   "--metrics", metrics, "--check-plan", *flags)
        return lines_of(metrics)

    def test_rows_bytes_and_plan(self):
        """N microbatches read N times the rows and reduce N times the bytes; the
        plan grows by the sums alone."""
        for world in 1, 2, 3:
            with self.subTest(world=world):
                program = self.program(f"p{world}.fsdp", "--mesh", f"shard={world}")
                arenas = {a["name"]: a for a in json.loads(content(program + "/manifest.json"))["arenas"]}
                one, = self.steps_of(program, steps=1)
                three, = self.steps_of(program, "--accumulate", "3", steps=1)
                self.assertEqual(one["rows"], 2 * world)
                self.assertEqual(three["rows"], 3 * 2 * world)
                for key in "gathered_bytes", "reduced_bytes":
                    self.assertEqual(three[key], 3 * one[key])
                self.assertEqual(arenas["accumulate"]["runs"], "accumulate")
                self.assertEqual(three["planned_peak_bytes"] - one["planned_peak_bytes"], arenas["accumulate"]["bytes"])
                for step in one, three:
                    self.assertEqual(step["measured_peak_bytes"], step["planned_peak_bytes"])

    def test_one_reduction_a_step(self):
        """With whole gradients summed up a step reduces once, and a rank has all
        of them."""
        for world in 1, 2, 3:
            with self.subTest(world=world):
                program = self.program(f"p{world}.fsdp", "--mesh", f"shard={world}", "--accumulate-sync", "last")
                one, = self.steps_of(program, steps=1)
                three, = self.steps_of(program, "--accumulate", "3", steps=1)
                self.assertEqual(three["reduced_bytes"], one["reduced_bytes"])
                self.assertEqual(three["gathered_bytes"], 3 * one["gathered_bytes"])
                for step in one, three:
                    self.assertEqual(step["measured_peak_bytes"], step["planned_peak_bytes"])
                self.assertEqual(three["planned_peak_bytes"], one["planned_peak_bytes"])

    def test_gathered_once_a_step(self):
        """Parameters that stay between microbatches are gathered once, whole,
        for the memory of all of them, and train to the same bits."""
        for world in 1, 3:
            for placement in "flat", "dim0":
                with self.subTest(world=world, placement=placement):
                    runs = []
                    for name, flags in ("each", []), ("once", ["--accumulate-gathered"]):
                        program = self.program(f"{name}{world}{placement}.fsdp", "--mesh", f"shard={world}",
                                               "--placement", placement, "--param-dtype", "bfloat16", *flags)
                        save = self.path("saved.safetensors")
                        one, = self.steps_of(program, steps=1)
                        steps = self.steps_of(program, "--accumulate", "3", "--save", save)
                        runs.append(([(s["loss"], s["grad_norm"]) for s in steps], content(save)))
                        for step in one, *steps:
                            self.assertEqual(step["measured_peak_bytes"], step["planned_peak_bytes"])
                    self.assertEqual(*runs)
                    units = json.loads(content(program + "/manifest.json"))["units"]
                    whole = sum(2 * line["elements"] for unit in units for line in unit["lines"])
                    for step in one, *steps:
                        self.assertEqual(step["gathered_bytes"], whole if world > 1 else 0)

    def test_same_bits_however_often(self):
        program = self.program("p.fsdp", "--mesh", "shard=2")
        runs = []
        for name in "a", "b":
            save = self.path(name + ".safetensors")
            runs.append((self.steps_of(program, "--accumulate", "2", "--save", save), content(save)))
        (first, saved), (second, again) = runs
        self.assertEqual(saved, again)
        self.assertEqual([(s["loss"], s["grad_norm"]) for s in first], [(s["loss"], s["grad_norm"]) for s in second])

    def test_ranks_and_microbatches_exchange(self):
        """The same rows a step, on more ranks or in more microbatches."""
        programs = {world: self.program(f"p{world}.fsdp", "--mesh", f"shard={world}") for world in (1, 2, 4)}
        runs = [self.steps_of(programs[world], "--accumulate", str(4 // world), "--labels", LABELS)
                for world in (1, 2, 4)]
        for other in runs[1:]:
            for step, want in zip(other, runs[0]):
                self.assertEqual(step["rows"], want["rows"])
                for key in "loss", "grad_norm":
                    self.assertAlmostEqual(step[key] / want[key], 1, delta=1e-5)

    def test_bad_counts(self):
        program = self.program("p.fsdp")
        for count in "0", "-1", "20000000", "x":
            status, _, errors = execute(RUN, program, "--data", TOKENS, "--steps", "1", "--accumulate", count)
            self.assertEqual(status, 2)
            self.assertEqual(errors.count("error:"), 1)
            self.assertIn("--accumulate", errors)


class Validation(ToolTest):
    def losses_of(self, program, *flags, data=TOKENS):
        status, output, errors = execute(RUN, program, "--comm", "thread", "--eval-data", data, *flags)
        self.assertEqual(status, 0, errors)
        line = next(line for line in output.splitlines() if line.startswith("validation: "))
        words = line.split()
        return float(words[2]), int(words[words.index("over") + 1])

    def test_mean_over_every_window_once(self):
        """As many labels as windows have, on any number of ranks, the same mean;
        the last batch is padded with what is not counted."""
        windows = (len(content(TOKENS)) // 2 - 1) // 32
        found = []
        for world in 1, 2, 3:
            program = self.program(f"p{world}.fsdp", "--mesh", f"shard={world}")
            loss, tokens = self.losses_of(program)
            self.assertEqual(tokens, windows * 32)
            found.append(loss)
        for loss in found[1:]:
            self.assertAlmostEqual(loss, found[0], delta=2e-4)  # four digits are printed

    def test_training_keeps_its_bits(self):
        program = self.program("p.fsdp", "--mesh", "shard=2")
        saved = []
        for name, flags in ("a", ()), ("b", ("--eval-data", TOKENS, "--eval-every", "1", "--eval-batches", "2")):
            save, metrics = self.path(name + ".safetensors"), self.path(name + ".jsonl")
            self.train(program, "--comm", "thread", "--steps", "3", "--lr", "2e-3", "--metrics", metrics,
                       "--save", save, "--check-plan", *flags)
            saved.append((content(save), [(s["loss"], s["grad_norm"]) for s in lines_of(metrics)]))
        self.assertEqual(saved[0], saved[1])
        for step in lines_of(self.path("b.jsonl")):
            self.assertEqual(step["eval_tokens"], 2 * 2 * 2 * 32)
            self.assertAlmostEqual(step["eval_perplexity"], math.exp(step["eval_loss"]), delta=1e-6 * step["eval_perplexity"])

    def test_first_loss_is_that_of_the_first_step(self):
        program = self.program("p.fsdp", "--mesh", "shard=2")
        metrics = self.path("m.jsonl")
        self.train(program, "--comm", "thread", "--steps", "1", "--lr", "1e-3", "--shuffle", "off", "--metrics", metrics)
        loss, tokens = self.losses_of(program, "--eval-batches", "1")
        self.assertEqual(tokens, 2 * 2 * 32)
        self.assertAlmostEqual(loss, lines_of(metrics)[0]["loss"], delta=1e-4)

    def test_bad_data(self):
        program = self.program("p.fsdp")
        short = self.path("short.u16")
        with open(short, "wb") as file:
            file.write(struct.pack("<5H", *range(5)))
        for flags, said in ((["--eval-data", short], "short.u16"),
                            (["--eval-data", self.path("none.u16")], "none.u16"),
                            (["--eval-every", "2"], "--eval-data"),
                            (["--eval-data", TOKENS, "--eval-batches", "0"], "--eval-batches")):
            status, _, errors = execute(RUN, program, "--comm", "thread", "--data", TOKENS, "--steps", "1", *flags)
            self.assertNotEqual(status, 0)
            self.assertEqual(errors.count("error:"), 1, errors)
            self.assertIn(said, errors)


if __name__ == "__main__":
    unittest.main()
