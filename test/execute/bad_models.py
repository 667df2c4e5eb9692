#!/usr/bin/env python3
"""Model files that fsdp-compile must refuse, each with one clear message."""
import os
import random
import shutil
import unittest

import onnx

from harness import COMPILE, FIXTURES, LOSS, NANOGPT, ToolTest, content, execute

EXTERNAL = os.path.join(FIXTURES, "nanogpt-uneven", "dynamo18-dyn-raw-external.onnx")
WEIGHTS = os.path.join(FIXTURES, "nanogpt-uneven", "weights.safetensors")
SHORT = ["--dim", "batch=2", "--dim", "seq=24"]


class Files(ToolTest):
    def refused(self, path, *words):
        return self.assertOneError(self.compile("out.fsdp", model=path), *words, output="out.fsdp")

    def test_truncated_at_many_lengths(self):
        whole = content(NANOGPT)
        random.seed(1)
        cuts = [1, 2, 3, 7, 8, 64, 1000, len(whole) - 1, len(whole) - 2]
        cuts += [random.randrange(len(whole)) for _ in range(30)]
        for cut in cuts:
            with self.subTest(length=cut):
                self.refused(self.write("cut.onnx", whole[:cut]), "cut.onnx")

    def test_corrupt_bytes_never_crash(self):
        # A changed byte of a weight is a model as good as any other: what
        # compiles is right, what does not must say so.
        whole = content(NANOGPT)
        random.seed(2)
        refused = 0
        for trial in range(60):
            data = bytearray(whole)
            for _ in range(random.choice([1, 8, 200])):
                data[random.randrange(len(data))] = random.randrange(256)
            with self.subTest(trial=trial):
                path = self.write("corrupt.onnx", bytes(data))
                result = self.compile("out.fsdp", model=path)
                if result[0] == 0:
                    shutil.rmtree(self.path("out.fsdp"))
                    continue
                refused += 1
                self.assertOneError(result, output="out.fsdp")
        self.assertGreater(refused, 10)

    def test_not_onnx(self):
        self.refused(self.write("text.onnx", b"once upon a time\n" * 50), "text.onnx", "not an ONNX model")
        self.refused(self.write("zeros.onnx", bytes(5000)), "zeros.onnx")
        self.refused(WEIGHTS, "weights.safetensors", "not an ONNX model")

    def test_no_file(self):
        self.refused(self.path("none.onnx"), "none.onnx", "No such file")
        self.refused(self.write("empty.onnx", b""), "is empty")
        self.refused(self.folder, "Is a directory")


class Contents(ToolTest):
    def edited(self, edit, source=NANOGPT):
        model = onnx.load(source, load_external_data=False)
        edit(model)
        return self.write("edited.onnx", model.SerializeToString())

    def test_data_of_the_wrong_size(self):
        for change in (lambda raw: raw[:-4], lambda raw: raw + bytes(4), lambda raw: raw[:-1]):
            names = []

            def edit(model):
                tensor = max((t for t in model.graph.initializer if t.raw_data),
                             key=lambda t: len(t.raw_data))
                names.append(tensor.name)
                tensor.raw_data = change(tensor.raw_data)

            self.assertOneError(self.compile("out.fsdp", model=self.edited(edit)), "bytes",
                                output="out.fsdp")
            self.assertTrue(names)

    def test_every_unsupported_operator_is_in_one_error(self):
        def edit(model):
            stored = {t.name for t in model.graph.initializer}
            adds = [n for n in model.graph.node
                    if n.op_type == "Add" and not stored.intersection(n.input)]
            adds[0].op_type = adds[1].op_type = "Frobnicate"
            adds[2].op_type = "Wobble"

        result = self.compile("out.fsdp", model=self.edited(edit))
        self.assertOneError(result, "unsupported", output="out.fsdp")
        self.assertIn("Frobnicate", result[2])
        self.assertIn("Wobble", result[2])


class ExternalData(ToolTest):
    def setUp(self):
        super().setUp()
        os.mkdir(self.path("model"))
        shutil.copy(WEIGHTS, self.path("model"))

    def compile_with(self, **keys):
        """The model, with these keys of its first tensor's external data."""
        model = onnx.load(EXTERNAL, load_external_data=False)
        for pair in model.graph.initializer[0].external_data:
            if pair.key in keys:
                pair.value = keys[pair.key]
        path = self.write("model/m.onnx", model.SerializeToString())
        return execute(COMPILE, path, *SHORT, *LOSS, "-o", self.path("out.fsdp"))

    def refused(self, *words, **keys):
        self.assertOneError(self.compile_with(**keys), *words, output="out.fsdp")

    def test_the_unchanged_model_compiles(self):
        status, _, errors = self.compile_with()
        self.assertEqual(status, 0, errors)

    def test_missing(self):
        os.remove(self.path("model/weights.safetensors"))
        self.refused("weights.safetensors", "is not there", "--init")

    def test_path_that_leaves_the_folder(self):
        shutil.copy(WEIGHTS, self.path("outside"))
        os.symlink("../outside", self.path("model/link"))
        os.mkdir(self.path("model/sub"))
        for location in "../outside", self.path("outside"), "link", "sub/../../outside":
            with self.subTest(location=location):
                self.refused("transformer.", location=location)

    def test_bad_places(self):
        for keys in ({"offset": "999999999"}, {"offset": "-5"}, {"offset": "many"}, {"length": "7"},
                     {"length": "99999999999999999999"}, {"offset": "18446744073709551615"}):
            with self.subTest(**keys):
                self.refused("transformer.", **keys)

    def test_truncated(self):
        os.truncate(self.path("model/weights.safetensors"), 5000)
        self.refused("weights.safetensors")


if __name__ == "__main__":
    unittest.main()
