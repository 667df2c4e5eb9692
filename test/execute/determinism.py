#!/usr/bin/env python3
"""Same program, same data, same seed: the same bits."""
import itertools
import os
import unittest

from harness import COMPILE, FIXTURES, TOKENS, ToolTest, content, execute, lines_of

TIMES = ("step_ms", "exposed_comm_ms", "tokens_per_s")
GPT2 = os.path.join(FIXTURES, "gpt2", "dynamo18-dyn-raw.onnx")


class Determinism(ToolTest):
    count = itertools.count()

    def outcome(self, program, *flags):
        """(metrics without times, bytes of the saved file) of a run."""
        number = next(self.count)
        metrics, save = self.path(f"m{number}.jsonl"), self.path(f"s{number}.safetensors")
        self.train(program, "--steps", "10", "--lr", "1e-2", "--metrics", metrics, "--save", save, *flags)
        lines = lines_of(metrics)
        self.assertEqual(len(lines), 10)
        for line in lines:
            for key in TIMES:
                del line[key]
        return lines, content(save)

    def test_two_runs_and_both_transports(self):
        for model, world in (GPT2, 2), (GPT2, 3):
            program = self.program("p.fsdp", "--mesh", f"shard={world}", "--clip-grad-norm", "1", model=model)
            first = self.outcome(program, "--comm", "thread")
            self.assertNotEqual(first[0][0]["loss"], first[0][9]["loss"])
            for comm in "thread", "mpi", "mpi":
                with self.subTest(world=world, comm=comm):
                    self.assertEqual(self.outcome(program, "--comm", comm), first)
            # What is compared depends on the data: another order, other bits.
            other = self.outcome(program, "--comm", "thread", "--seed", "1")
            self.assertNotEqual(other[0], first[0])
            self.assertNotEqual(other[1], first[1])

    def test_checked_mode(self):
        program = self.program("p.fsdp", "--mesh", "shard=2", model=GPT2)
        for comm in "thread", "mpi":
            plain = self.outcome(program, "--comm", comm)
            self.assertEqual(self.outcome(program, "--comm", comm, "--checked", "--check-plan"), plain)

    def test_compiling_twice_gives_the_same_program(self):
        first, second = (self.program(name, "--mesh", "shard=2") for name in ("a.fsdp", "b.fsdp"))
        for name in "program.so", "manifest.json":
            self.assertEqual(content(os.path.join(first, name)), content(os.path.join(second, name)), name)

    def test_lowering_the_emitted_plan_gives_the_same_program(self):
        plan = self.path("plan.mlir")
        first = self.program("a.fsdp", "--mesh", "shard=2", "--emit-ir", plan)
        status, _, errors = execute(COMPILE, plan, "-o", self.path("b.fsdp"))
        self.assertEqual(status, 0, errors)
        for name in "program.so", "manifest.json":
            self.assertEqual(content(os.path.join(first, name)), content(self.path(f"b.fsdp/{name}")), name)

    def test_saved_weights_come_back(self):
        # One window a row and no shuffling over 128 tokens: all steps see the
        # same batch, so a run from saved weights starts where the other stood.
        program = self.program("p.fsdp", "--mesh", "shard=2", "--optimizer", "sgd", model=GPT2)
        data = self.write("one.u16", content(TOKENS)[:258])
        save, metrics = self.path("s"), self.path("m")
        flags = ["--shuffle", "off", "--metrics", metrics, "--lr", "0.1"]
        self.train(program, "--steps", "5", *flags, "--save", save, data=data)
        self.train(program, "--steps", "6", *flags, data=data)
        expected = lines_of(metrics)
        self.train(program, "--steps", "1", *flags, "--weights", save, data=data)
        [resumed] = lines_of(metrics)
        for key in "loss", "grad_norm":
            self.assertEqual(resumed[key], expected[5][key])
            self.assertNotEqual(resumed[key], expected[0][key])

    def test_saving_what_was_loaded_changes_nothing(self):
        program = self.program("p.fsdp", "--mesh", "shard=3", model=GPT2)
        _, saved = self.outcome(program)
        file, again = self.write("w.safetensors", saved), self.path("again.safetensors")
        self.train(program, "--steps", "2", "--lr", "0", "--weights", file, "--save", again)
        self.assertEqual(content(again), saved)


if __name__ == "__main__":
    unittest.main()
