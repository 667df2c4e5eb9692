#!/usr/bin/env python3
"""--recompute: the same bits with less memory, and what cannot be asked for."""
import itertools
import os
import re
import unittest

from harness import COMPILE, FIXTURES, NANOGPT, ROOT, ToolTest, content, execute, lines_of

GPT2 = os.path.join(FIXTURES, "gpt2", "dynamo18-dyn-raw.onnx")
LLAMA = os.path.join(FIXTURES, "llama", "dynamo18-dyn-raw.onnx")
TOWER = os.path.join(FIXTURES, "tower", "dynamo18-dyn-raw.onnx")
SIX_LAYERS = os.path.join(ROOT, "examples", "gpt", "model.onnx")
TIMES = ("step_ms", "exposed_comm_ms", "tokens_per_s")


class SameBits(ToolTest):
    count = itertools.count()

    def outcome(self, model, world, *flags):
        """(losses and all other metrics but times, bytes of the saved file)."""
        number = next(self.count)
        program = self.program(f"{number}.fsdp", "--mesh", f"shard={world}", "--clip-grad-norm", "1",
                               *flags, model=model)
        metrics, save = self.path(f"{number}.jsonl"), self.path(f"{number}.safetensors")
        self.train(program, "--steps", "5", "--lr", "1e-2", "--comm", "thread", "--checked", "--check-plan",
                   "--metrics", metrics, "--save", save)
        lines = lines_of(metrics)
        self.assertEqual(len(lines), 5)
        return [(line["loss"], line["grad_norm"]) for line in lines], content(save)

    def check(self, model, world, *rules, flags=()):
        plain = self.outcome(model, world, *flags)
        self.assertNotEqual(plain[0][0], plain[0][4])
        for rule in rules:
            with self.subTest(model=model, world=world, rule=rule):
                flag = [word for text in rule.split() for word in ("--recompute", text)]
                self.assertEqual(self.outcome(model, world, *flags, *flag), plain)

    def test_gpt2(self):
        for world in 1, 2:
            self.check(GPT2, world, "transformer.h.*", "transformer.h.*=elementwise")

    def test_llama(self):
        for world in 1, 2:
            self.check(LLAMA, world, "model.layers.*", "model.layers.*=elementwise")

    def test_bf16(self):
        # A gate whose saved values backward reads through casts; other placements
        # and types of what is reduced.
        half = ["--param-dtype", "bfloat16"]
        for model in TOWER, LLAMA:
            self.check(model, 2, "**", "**=elementwise", flags=half)
        self.check(GPT2, 3, "**", flags=[*half, "--reduce-dtype", "bfloat16", "--placement", "dim0"])

    def test_exact_gelu_and_mixed_rules(self):
        # The exact GELU is a chain of five ops, which forward fuses otherwise
        # once backward reads none of them.
        self.check(NANOGPT, 2, "transformer.h.*", "transformer.h.*=elementwise",
                   "transformer.h.* transformer.h.0=elementwise", "transformer.h.*.mlp",
                   "transformer.h.*=elementwise transformer.h.*.attn")

    def test_the_root_and_modules_around_units(self):
        # The token embedding is tied to the head and stays gathered.
        self.check(NANOGPT, 2, "transformer", "**=elementwise", "**")
        self.check(LLAMA, 2, "model")

    def test_frozen_parameters(self):
        # The first block has no backward, the second no gradients of its own.
        for pattern in "transformer.h.0.**", "transformer.h.1.**", "transformer.wte.**":
            self.check(NANOGPT, 2, "transformer.h.*", "transformer.h.*=elementwise", flags=["--freeze", pattern])

    def test_units_inside_the_module_and_around_it(self):
        for unit in "transformer.h.*.mlp", "transformer":
            self.check(NANOGPT, 2, "transformer.h.*", "transformer.h.*=elementwise", flags=["--unit", unit])
        inside = ["--unit", "transformer.h.*.mlp", "--unit", "transformer.h.*.attn"]
        self.check(NANOGPT, 2, "transformer.h.*", flags=inside)

    def test_every_schedule(self):
        for flags in ["--prefetch-forward", "0", "--prefetch-backward", "0", "--reduce-in-flight", "0"], \
                     ["--prefetch-backward", "2", "--reduce-in-flight", "2"]:
            self.check(GPT2, 2, "transformer.h.*", "transformer.h.*=elementwise", flags=flags)


class Memory(ToolTest):
    def plan(self, *flags):
        """(planned peak, planned program) of six layers of width 384."""
        plan = self.path("plan.mlir")
        status, _, errors = execute(COMPILE, SIX_LAYERS, "--init", "--dim", "batch=4", "--dim", "seq=256",
                                    "--loss", "cross_entropy", "--mesh", "shard=2", "--emit-ir", plan,
                                    "--report", self.path("plan.html"), *flags)
        self.assertEqual(status, 0, errors)
        return int(re.search(r"peak per rank: (\d+)", errors)[1]), content(plan).decode()

    @staticmethod
    def kernels(plan, name):
        """The compiled kernels that dispatches called `name` run."""
        return set(re.findall(rf'fsdprt.launch "{name}" (@\w+) ', plan))

    def test_units_inside_a_module_are_gathered_one_by_one(self):
        # All six at once would be against the rule of two at a time (fsdp_v5).
        everything, plan = self.plan("--recompute", "**")
        units, _ = self.plan("--recompute", "**.h.*")
        self.assertLessEqual(everything, units)
        step = plan[plan.index("fsdprt.phase @step"):plan.index("fsdprt.phase @accumulate")]
        self.assertEqual(len(re.findall(r'fsdprt.all_gather .*"transformer.h.3"', step)), 2)

    def test_the_peak_is_smaller(self):
        plain, _ = self.plan()
        cheap, _ = self.plan("--recompute", "**.h.*=elementwise")
        whole, plan = self.plan("--recompute", "**.h.*")
        # Not less: GELU is one op, whose backward reads its argument alone.
        self.assertLess(cheap, 0.85 * plain)
        self.assertLess(whole, 0.65 * plain)
        self.assertLess(whole, cheap)
        # What is computed again runs the same compiled kernels, under a name
        # that says what it is.
        for name in "layer_normalization", "attention":
            again = self.kernels(plan, "recompute_" + name)
            self.assertEqual(len(again), 1)
            self.assertLessEqual(again, self.kernels(plan, name))
        self.assertIn('"recompute_matmul"', plan)
        self.assertIn('"recompute_layer_normalization"', content(self.path("plan.html")).decode())


class Refused(ToolTest):
    def refused(self, rule, *words):
        self.assertOneError(self.compile("p.fsdp", "--recompute", rule), *words, output="p.fsdp")

    def test_a_pattern_without_module(self):
        self.refused("model.layers.*", "--recompute 'model.layers.*' matches no module; nearest: ", "'transformer.h'")
        # Neither the loss nor the root unit is a module.
        self.refused("loss", "--recompute 'loss' matches no module")
        self.refused("(root)", "--recompute '(root)' matches no module")

    def test_what_is_not_a_rule(self):
        for rule in "transformer.h.*=all", "=elementwise", "transformer.h.*=":
            self.refused(rule, f"cannot read --recompute '{rule}', expected PATTERN or PATTERN=elementwise")


if __name__ == "__main__":
    unittest.main()
