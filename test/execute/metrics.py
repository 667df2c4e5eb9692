#!/usr/bin/env python3
"""Metrics and stored sizes against what follows from the model alone."""
import json
import math
import os
import unittest

from harness import FIXTURES, TOKENS, ToolTest, content, entry, lines_of

KEYS = {"step", "rows", "epoch", "loss", "grad_norm", "lr", "step_ms", "exposed_comm_ms", "tokens_per_s", "planned_peak_bytes",
        "measured_peak_bytes", "gathered_bytes", "reduced_bytes", "local_copy_bytes"}
# (file, names frozen, whether parameters are tied)
MODELS = [("nanogpt/dynamo18-dyn-raw.onnx", [], True), ("llama/dynamo18-dyn-raw.onnx", [], False),
          ("llama-tied/dynamo18-dyn-raw.onnx", [], True), ("gpt-neox/dynamo18-dyn-raw.onnx", [], False),
          ("nanogpt/dynamo18-dyn-raw.onnx", ["transformer.wpe.weight"], True)]


class Metrics(ToolTest):
    def expectations(self, file, frozen, program):
        """(gathered, reduced) bytes of a step from the fixture's shapes.

        Repeated units are the modules '<path>.<number>' of the names, all else
        is the root's. A tied parameter counts once; which names are one is
        read from the program and compared with the fixture's shapes."""
        shapes = dict(entry(file)["parameters"])
        tied = {name: p["names"][0] for p in program["parameters"] if p["kind"] == "parameter"
                for name in p["names"]}
        self.assertEqual(set(tied), set(shapes))
        gathered = reduced = 0
        for name, shape in shapes.items():
            if tied[name] != name:
                self.assertEqual(shape, shapes[tied[name]])
                continue
            size = 4 * math.prod(shape)
            inner = any(part.isdigit() for part in name.split("."))
            gathered += size * (2 if inner else 1)
            reduced += size * (name not in frozen)
        return gathered, reduced

    def check(self, file, frozen, tied, world):
        flags = [x for name in frozen for x in ("--freeze", name)]
        path = self.program(f"p{world}.fsdp", "--mesh", f"shard={world}", *flags,
                            model=os.path.join(FIXTURES, file))
        program = json.loads(content(path + "/manifest.json"))
        metrics = self.path("m.jsonl")
        self.train(path, "--comm", "thread", "--steps", "4", "--lr", "2e-3", "--schedule", "cosine",
                   "--warmup", "2", "--metrics", metrics, "--check-plan")
        names = [p["names"] for p in program["parameters"] if len(p["names"]) > 1]
        self.assertEqual(bool(names), tied)
        gathered, reduced = self.expectations(file, frozen, program)
        if world == 1:  # which has all of it
            gathered = reduced = 0
        lines = lines_of(metrics)
        windows = (len(content(TOKENS)) // 2 - 1) // 32
        self.assertEqual([line["step"] for line in lines], [1, 2, 3, 4])
        for line, rate in zip(lines, [0, 1e-3, 2e-3, 1e-3]):
            self.assertEqual(set(line), KEYS)
            self.assertTrue(all(math.isfinite(value) for value in line.values()))
            self.assertAlmostEqual(line["lr"], rate, delta=1e-8)
            self.assertEqual(line["rows"], line["step"] * 2 * world)
            self.assertAlmostEqual(line["epoch"], line["rows"] / windows, delta=1e-12)
            self.assertEqual(line["gathered_bytes"], gathered)
            self.assertEqual(line["reduced_bytes"], reduced)
            self.assertEqual(line["local_copy_bytes"], 0)
            self.assertEqual(line["measured_peak_bytes"], line["planned_peak_bytes"])
            tokens = 2 * 32 * world * 1000 / line["step_ms"]
            self.assertAlmostEqual(line["tokens_per_s"], tokens, delta=1e-6 * tokens)
        self.check_shares(program, world)

    def check_shares(self, program, world):
        """What a rank stores of a unit: 1/N and at most 64 bytes of padding
        for each parameter and rank, for shards, gradients, optimizer states."""
        for number, unit in enumerate(program["units"]):
            members = [p for p in program["parameters"] if p["unit"] == number]
            whole = sum(4 * math.prod(p["shape"]) for p in members)
            trainable = sum(4 * math.prod(p["shape"]) for p in members if p["trainable"])
            padding = 64 * (len(members) + world)
            sizes = {}
            for buffer in program["buffers"]:
                if buffer["unit"] == unit["name"]:
                    sizes[buffer["kind"]] = sizes.get(buffer["kind"], 0) + buffer["bytes"]
            shards, states = sizes.get("shard", 0), sizes.get("optimizer", 0)
            # One rank's gradients are reduced already.
            reduced = sizes.get("reduced" if world > 1 else "gradient", 0)
            self.assertGreaterEqual(shards * world, whole, unit["name"])
            self.assertLessEqual(shards, whole / world + padding, unit["name"])
            # AdamW has two states.
            self.assertGreaterEqual(states * world, 2 * trainable, unit["name"])
            self.assertLessEqual(states, 2 * (trainable / world + padding), unit["name"])
            self.assertGreaterEqual(reduced * world, trainable, unit["name"])
            self.assertLessEqual(reduced, trainable / world + padding, unit["name"])

    def test_models(self):
        for file, frozen, tied in MODELS:
            for world in 1, 2, 5:
                with self.subTest(file=file, frozen=frozen, world=world):
                    self.check(file, frozen, tied, world)


if __name__ == "__main__":
    unittest.main()
