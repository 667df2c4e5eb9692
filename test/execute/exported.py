#!/usr/bin/env python3
"""Exports whose records say more than their nodes train as PyTorch trains them.

exports/export.py makes the files and PyTorch's losses and gradient norms."""
import glob
import json
import os
import unittest

import numpy as np

from harness import HERE, LOSS, ToolTest, content, lines_of

EXPORTS = os.path.join(HERE, "exports")


class Exported(ToolTest):
    def test_two_steps(self):
        goldens = json.loads(content(os.path.join(EXPORTS, "goldens.json")))
        data = self.write("tokens.u16", np.array(goldens["tokens"], "<u2").tobytes())
        files = sorted(glob.glob(os.path.join(EXPORTS, "*.onnx")))
        self.assertEqual({os.path.basename(f).split(".")[0] for f in files}, set(goldens["steps"]))
        for file in files:
            name = os.path.basename(file)
            with self.subTest(file=name):
                program = self.program(f"{name}.fsdp", "--optimizer", "sgd", "--mesh", "shard=1",
                                       model=file, dims=[], loss=LOSS)
                metrics = self.path(f"{name}.jsonl")
                self.train(program, "-n", "1", "--steps", "2", "--shuffle", "off", "--lr", "0.1",
                           "--metrics", metrics, data=data)
                rows = lines_of(metrics)
                self.assertEqual(len(rows), 2)
                for row, wanted in zip(rows, goldens["steps"][name.split(".")[0]]):
                    np.testing.assert_allclose([row["loss"], row["grad_norm"]], wanted, rtol=2e-5)


if __name__ == "__main__":
    unittest.main()
