#!/usr/bin/env python3
"""Models whose parameters the file names otherwise than PyTorch train as PyTorch
trains them, and are saved under PyTorch's names.

parameters/export.py makes the files and PyTorch's losses and gradient norms."""
import json
import os
import struct
import unittest

import numpy as np

from harness import HERE, LOSS, ToolTest, content, execute, lines_of, RUN

FOLDER = os.path.join(HERE, "parameters")
GOLDENS = json.loads(content(os.path.join(FOLDER, "goldens.json")))


def names_of(path):
    data = content(path)
    header = json.loads(data[8:8 + struct.unpack("<Q", data[:8])[0]])
    return sorted(name for name in header if name != "__metadata__")


class Parameters(ToolTest):
    def setUp(self):
        super().setUp()
        self.data = self.write("t.u16", np.array(GOLDENS["tokens"], "<u2").tobytes())
        self.labels = self.write("y.i32", np.array(GOLDENS["classes"], "<i4").tobytes())

    def compiled(self, name):
        return self.program(name + ".fsdp", "--optimizer", "sgd", "--mesh", "shard=1",
                            *GOLDENS["files"][name]["flags"], dims=[],
                            model=os.path.join(FOLDER, name + ".onnx"))

    def flags(self, name):
        labels = ["--labels", self.labels] if GOLDENS["files"][name]["labels"] else []
        return ["-n", "1", "--steps", "3", "--shuffle", "off", "--lr", str(GOLDENS["rate"]), *labels]

    def check(self, name, golden):
        metrics, saved = self.path(name + ".jsonl"), self.path(name + ".safetensors")
        output = self.train(self.compiled(name), *self.flags(name), "--metrics", metrics,
                            "--save", saved, data=self.data)
        rows = [[row["loss"], row["grad_norm"]] for row in lines_of(metrics)]
        np.testing.assert_allclose(rows, golden["steps"], rtol=2e-5)
        drops = "--drop-unused" in golden["flags"]
        wanted = [n for n in golden["names"] if not (drops and n == "spare")]
        # A constant of another producer is kept as it is.
        self.assertEqual([n for n in names_of(saved) if n != "cos_table"], wanted)
        self.assertEqual("without what --drop-unused left out: 'spare'" in output, drops)

    def test_trains_as_in_pytorch(self):
        for name, golden in GOLDENS["files"].items():
            with self.subTest(file=name):
                self.check(name, golden)

    def test_is_refused_without_its_flags(self):
        """What the file does not tell is asked for, by name."""
        for name, golden in GOLDENS["files"].items():
            if golden["flags"]:
                with self.subTest(file=name):
                    result = self.compile("no.fsdp", "--optimizer", "sgd", dims=[], loss=LOSS,
                                          model=os.path.join(FOLDER, name + ".onnx"))
                    self.assertOneError(result, golden["flags"][0], output="no.fsdp")

    def test_a_narrow_head_needs_labels_of_its_own(self):
        program = self.compiled("classes.18.raw")
        result = execute(RUN, program, "-n", "1", "--steps", "1", "--data", self.data)
        self.assertOneError(result, "the model's 3 classes", "--labels")

    def test_another_models_data_of_the_same_size(self):
        model = self.write("m.onnx", content(os.path.join(FOLDER, "unused.18.raw.onnx")))
        program = self.program("p.fsdp", "--optimizer", "sgd", "--mesh", "shard=1", dims=[],
                               *GOLDENS["files"]["unused.18.raw"]["flags"], model=model)
        data = bytearray(content(model))
        at = json.loads(content(os.path.join(program, "manifest.json")))["parameters"][0]["source"]
        self.write("m.onnx", data)  # a copy is accepted
        self.train(program, "-n", "1", "--steps", "1", data=self.data)
        data[at["offset"]] ^= 1
        self.write("m.onnx", data)
        result = execute(RUN, program, "-n", "1", "--steps", "1", "--data", self.data)
        self.assertOneError(result, "has other values of parameter", "compile the program again")


if __name__ == "__main__":
    unittest.main()
