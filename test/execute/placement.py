#!/usr/bin/env python3
"""--placement dim0: the same training as flat, parameters cut between rows."""
import itertools
import json
import math
import os
import unittest

from harness import FIXTURES, OPT, ToolTest, content, execute, lines_of

# Without a clip every element's arithmetic is the same; with one the partial
# sums of the norm are others, and so are their roundings.
CLIPPED = 1e-6
# Parameters of sizes 5 and 1, scalars, unused, frozen and tied ones.
HARD = "dynamo18-dyn-raw-kept.onnx"


class SameTraining(ToolTest):
    count = itertools.count()

    def outcome(self, model, world, *flags, run=()):
        """(losses, norms, bytes of the saved file) of a few steps."""
        number = next(self.count)
        program = self.program(f"{number}.fsdp", "--mesh", f"shard={world}", *flags, model=model)
        metrics, save = self.path(f"{number}.jsonl"), self.path(f"{number}.safetensors")
        self.train(program, "--steps", "5", "--lr", "1e-2", "--checked", "--check-plan", "--metrics", metrics,
                   "--save", save, *run)
        lines = lines_of(metrics)
        self.assertEqual(len(lines), 5)
        self.assertEqual({line["local_copy_bytes"] for line in lines}, {0})
        self.assertEqual({(line["gathered_bytes"], line["reduced_bytes"]) for line in lines},
                         {(lines[0]["gathered_bytes"], lines[0]["reduced_bytes"])})
        return [line["loss"] for line in lines], [line["grad_norm"] for line in lines], content(save)

    def check(self, name, world, *flags, run=("--comm", "thread")):
        model = os.path.join(FIXTURES, name, HARD if name == "nanogpt-hard" else "dynamo18-dyn-raw.onnx")
        with self.subTest(model=name, world=world, flags=flags, run=run):
            flat = self.outcome(model, world, *flags, run=run)
            dim0 = self.outcome(model, world, "--placement", "dim0", *flags, run=run)
            self.assertNotEqual(flat[0][0], flat[0][4])
            if "--clip-grad-norm" not in flags:
                self.assertEqual(dim0[0], flat[0])
                self.assertEqual(dim0[2], flat[2])
            self.assertEqual(dim0[0][0], flat[0][0])
            for of_dim0, of_flat in zip(dim0[0] + dim0[1], flat[0] + flat[1]):
                self.assertTrue(math.isclose(of_dim0, of_flat, rel_tol=CLIPPED), (of_dim0, of_flat))

    def test_worlds(self):
        # 131 rows of the vocabulary, 32 of the rest: no world but 1 divides all.
        for world in 1, 2, 3, 4:
            self.check("nanogpt", world)
        self.check("llama", 3)
        # More ranks than some parameters have rows.
        self.check("gpt2", 48)
        for world in 2, 8:
            self.check("nanogpt-hard", world)

    def test_processes(self):
        self.check("nanogpt", 2, run=("--comm", "mpi"))
        self.check("nanogpt", 3, run=("--comm", "mpi"))

    def test_clipping(self):
        for world in 1, 3:
            self.check("nanogpt", world, "--clip-grad-norm", "0.5")

    def test_decay_of_some_and_frozen_and_tied_parameters(self):
        for optimizer in ["--optimizer", "adamw"], ["--optimizer", "sgd", "--momentum", "0.9"]:
            self.check("nanogpt", 3, "--weight-decay", "0.3", "--no-decay", "**.bias", *optimizer)
        self.check("nanogpt", 3, "--freeze", "transformer.h.0.**")
        self.check("llama-tied", 3)

    def test_half_precision(self):
        self.check("nanogpt", 3, "--param-dtype", "bfloat16")
        self.check("nanogpt", 2, "--param-dtype", "bfloat16", "--reduce-dtype", "bfloat16")

    def test_recomputed_activations(self):
        self.check("nanogpt", 2, "--recompute", "transformer.h.*")


class Plan(ToolTest):
    def test_shards_are_rows_and_nothing_is_copied(self):
        plan = self.path("plan.mlir")
        program = self.program("p.fsdp", "--mesh", "shard=3", "--placement", "dim0", "--emit-ir", plan)
        manifest = json.loads(content(program + "/manifest.json"))
        for unit in manifest["units"]:
            for line in unit["lines"]:
                self.assertEqual(line["placement"], "dim0")
                end = 0
                for parameter in (manifest["parameters"][index] for index in line["parameters"]):
                    shape = parameter["shape"] or [1]
                    self.assertEqual(parameter["offset"], end)
                    rows = math.ceil(shape[0] / 3)
                    end = math.ceil((end + rows * math.prod(shape[1:])) / 16) * 16
                self.assertEqual(line["shard_elements"], end)
        status, _, errors = execute(OPT, plan, "--fsdprt-verify-copies", "-o", os.devnull)
        self.assertEqual(status, 0, errors)

    def test_one_collective_a_unit(self):
        calls = []
        for placement in "flat", "dim0":
            plan = self.path(placement + ".mlir")
            self.program("p.fsdp", "--mesh", "shard=2", "--placement", placement, "--emit-ir", plan)
            text = content(plan).decode()
            calls.append((text.count("fsdprt.all_gather"), text.count("fsdprt.reduce_scatter")))
        self.assertEqual(calls[0], calls[1])

    def test_an_unknown_placement_is_refused(self):
        self.assertOneError(self.compile("p.fsdp", "--placement", "dim1"),
                            "unknown --placement 'dim1', expected flat or dim0", output="p.fsdp")


if __name__ == "__main__":
    unittest.main()
