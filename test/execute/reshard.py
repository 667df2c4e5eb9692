#!/usr/bin/env python3
"""--reshard-after-forward: the same bits, with the gathers and the memory that each choice has."""
import itertools
import os
import unittest

from harness import FIXTURES, ToolTest, content, lines_of

GPT2, LLAMA, TIED, TOWER = (os.path.join(FIXTURES, name, "dynamo18-dyn-raw.onnx")
                            for name in ("gpt2", "llama", "llama-tied", "tower"))
FLAG = "--reshard-after-forward"


class Reshard(ToolTest):
    count = itertools.count()

    def outcome(self, model, world, *flags, run=()):
        """(what is computed, bytes gathered in a step, planned bytes, lines of the unit table)."""
        number = next(self.count)
        program = self.program(f"{number}.fsdp", "--mesh", f"shard={world}", "--clip-grad-norm", "1", *flags, model=model)
        metrics, save = self.path(f"{number}.jsonl"), self.path(f"{number}.safetensors")
        self.train(program, "--steps", "4", "--lr", "1e-2", "--comm", "thread", "--checked", "--check-plan", "--metrics",
                   metrics, "--save", save, *run)
        lines = lines_of(metrics)
        for line in lines:
            self.assertEqual(line["measured_peak_bytes"], line["planned_peak_bytes"])
        return ([(line["loss"], line["grad_norm"]) for line in lines], content(save)), lines[0]["gathered_bytes"], \
            lines[0]["planned_peak_bytes"]

    def check(self, model, world, *flags, run=()):
        usual, kept, resharded = (self.outcome(model, world, *more, *flags, run=run)
                                  for more in ((), (FLAG, "false"), (FLAG, "true")))
        for other in kept, resharded:
            self.assertEqual(other[0], usual[0])
        return usual, kept, resharded

    def test_traffic(self):
        """Kept: each parameter once a step. Resharded: twice, all of them. By default all but the root's."""
        for model in GPT2, LLAMA, TIED:
            for world in 2, 3:
                with self.subTest(model=model, world=world):
                    usual, kept, resharded = self.check(model, world)
                    self.assertEqual(resharded[1], 2 * kept[1])
                    self.assertTrue(kept[1] < usual[1] < resharded[1])
                    self.assertGreaterEqual(kept[2], resharded[2])

    def test_one_unit(self):
        usual, kept = (self.outcome(GPT2, 2, *flags) for flags in ((), (FLAG, "transformer.h.1=false")))
        everything = self.outcome(GPT2, 2, FLAG, "false")
        self.assertEqual(kept[0], usual[0])
        self.assertEqual(usual[1] - kept[1], kept[1] - everything[1]) # of two blocks of one size

    def test_with_the_rest(self):
        """Visited twice, recomputed, in bf16, cut between rows, accumulated, prefetched deeper, evaluated."""
        data = os.path.join(FIXTURES, "..", "tokens-131.u16")
        self.check(TOWER, 2, "--recompute", "**.0")
        self.check(LLAMA, 2, "--recompute", "model.layers.*", "--param-dtype", "bfloat16", "--placement", "dim0")
        self.check(GPT2, 3, "--accumulate-sync", "last", "--prefetch-forward", "2", "--prefetch-backward", "0",
                   run=("--accumulate", "2", "--eval-data", data, "--eval-every", "2", "--eval-batches", "2"))

    def test_refused(self):
        for flags, words in (
                (["maybe"], ["cannot read --reshard-after-forward 'maybe'", "expected true, false, PATTERN=true"]),
                (["h.9=false"], ["--reshard-after-forward 'h.9' matches no unit", "nearest"]),
                (["false", "--accumulate-gathered"], ["has no effect with --accumulate-gathered"])):
            self.assertOneError(self.compile("x.fsdp", FLAG, *flags, model=GPT2), *words, output="x.fsdp")


if __name__ == "__main__":
    unittest.main()
