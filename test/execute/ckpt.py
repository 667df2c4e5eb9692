#!/usr/bin/env python3
"""fsdp-ckpt on checkpoints that fsdp-run makes."""
import json
import os
import shutil
import struct
import unittest

from harness import BIN, NANOGPT, ToolTest, content, entry, execute, lines_of, tensors_of

CKPT = os.path.join(BIN, "fsdp-ckpt")


class Checkpoints(ToolTest):
    def setUp(self):
        super().setUp()
        self.model = self.program("p.fsdp", "--mesh", "shard=2")
        self.saved = self.path("saved.safetensors")
        self.train(self.model, "--comm", "thread", "--steps", "4", "--checkpoint-dir", self.path("d"),
                   "--checkpoint-every", "2", "--save", self.saved)
        self.last = self.path("d/step-4")

    def ckpt(self, *args):
        status, output, errors = execute(CKPT, *args)
        self.assertEqual(status, 0, errors)
        return output

    def refused(self, words, *args):
        self.assertOneError(execute(CKPT, *args), *words)

    def export(self, name, *flags, checkpoint=None):
        self.ckpt("export", checkpoint or self.last, self.path(name), *flags)
        return self.path(name)

    def test_list_and_show(self):
        lines = self.ckpt("list", self.path("d")).splitlines()
        self.assertEqual(len(lines), 2)
        self.assertRegex(lines[0], r"d/step-2  step 2  row 8  shard=2  .* MiB|KiB  .*\.onnx$")
        self.assertIn("step-4  step 4  row 16", lines[1])
        shown = dict(line.split(None, 1) for line in self.ckpt("show", self.last).splitlines())
        self.assertEqual(shown["step"], "4")
        self.assertEqual(shown["rows"].split(",")[0], "16")
        self.assertIn("tokens-131.u16", shown["data"])
        self.assertTrue({"parameter", "exp_avg", "exp_avg_sq", "rank-0.safetensors"} <= set(shown))
        self.assertEqual(shown["parameter"], shown["exp_avg"])
        os.mkdir(self.path("empty"))
        self.assertIn("no complete checkpoint", self.ckpt("list", self.path("empty")))
        self.refused(["empty"], "show", self.path("empty"))
        self.refused(["cannot read folder", "No such file"], "list", self.path("none"))

    def test_verify(self):
        self.assertIn("whole", self.ckpt("verify", self.last))
        path = self.last + "/rank-1.safetensors"
        data = bytearray(content(path))
        data[-5] ^= 4
        self.write("d/step-4/rank-1.safetensors", bytes(data))
        status, _, errors = execute(CKPT, "verify", self.last)
        self.assertEqual(status, 1)
        self.assertIn("damaged", errors)
        self.refused(["damaged"], "export", self.last, self.path("out"))
        self.refused(["damaged"], "reshard", self.last, self.path("other"), "-n", "1")
        self.assertFalse(os.path.exists(self.path("other/step-4")))

    def test_export_is_what_is_saved(self):
        out = self.export("out")
        self.assertEqual(os.listdir(out), ["model.safetensors"])
        expected = tensors_of(self.saved)
        self.assertEqual(tensors_of(out + "/model.safetensors"), expected)
        # Names and shapes are those of PyTorch's state_dict, which loads it strictly.
        shapes = {name: shape for name, (_, shape, _) in expected.items()}
        for name, shape in entry("nanogpt/dynamo18-dyn-raw.onnx")["parameters"]:
            self.assertEqual(shapes[name], shape)
        self.assertIn(b'"__metadata__":{"format":"pt"}', content(out + "/model.safetensors")[:64])
        self.refused(["model.safetensors' already"], "export", self.last, out)
        # Files of at most 50 kB, and an index.
        out = self.export("shards", "--max-shard", "50KB")
        index = json.loads(content(out + "/model.safetensors.index.json"))
        files = sorted(set(index["weight_map"].values()))
        self.assertEqual(files[0], f"model-00001-of-{len(files):05}.safetensors")
        self.assertGreater(len(files), 2)
        found = {}
        for file in files:
            tensors = tensors_of(os.path.join(out, file))
            distinct = {data for _, _, data in tensors.values()}
            self.assertTrue(sum(map(len, distinct)) <= 50000 or len(distinct) == 1)
            self.assertEqual({name for name, at in index["weight_map"].items() if at == file}, set(tensors))
            found.update(tensors)
        self.assertEqual(found, expected)
        self.assertEqual(index["metadata"]["total_size"], sum(len(data) for _, _, data in expected.values()))
        # --weights reads them; the next step is the same.
        flags = ["--comm", "thread", "--steps", "1", "--lr", "0"]
        for name, weights in ("a", self.saved), ("b", out), ("c", self.last):
            self.train(self.model, *flags, "--weights", weights, "--metrics", self.path(name))
        losses = {lines_of(self.path(name))[0]["loss"] for name in "abc"}
        self.assertEqual(len(losses), 1)

    def test_export_in_another_type(self):
        out = tensors_of(self.export("out", "--dtype", "bfloat16") + "/model.safetensors")
        for name, (dtype, shape, data) in tensors_of(self.saved).items():
            self.assertEqual(dtype, "F32")
            words = struct.unpack(f"<{len(data) // 4}I", data)
            # Round to nearest, ties to even.
            rounded = [(w + 0x7fff + (w >> 16 & 1)) >> 16 for w in words]
            self.assertEqual(out[name], ("BF16", shape, struct.pack(f"<{len(rounded)}H", *rounded)))

    def test_export_to_onnx(self):
        """The copy compiles, and its first loss is that of the weights."""
        out = self.export("out", "--onnx", NANOGPT, "--program", self.model)
        status, _, errors = self.compile("again.fsdp", "--mesh", "shard=2",
                                         model=os.path.join(out, os.path.basename(NANOGPT)))
        self.assertEqual(status, 0, errors)
        flags = ["--comm", "thread", "--steps", "1", "--lr", "0"]
        self.train(self.path("again.fsdp"), *flags, "--metrics", self.path("a"), "--save", self.path("a.safetensors"))
        self.train(self.model, *flags, "--weights", self.saved, "--metrics", self.path("b"))
        self.assertEqual(lines_of(self.path("a"))[0]["loss"], lines_of(self.path("b"))[0]["loss"])
        self.assertEqual(tensors_of(self.path("a.safetensors")), tensors_of(self.saved))
        self.refused(["is there already"], "export", self.last, out, "--onnx", NANOGPT, "--program", self.model)
        self.refused(["--onnx and --program belong together"], "export", self.last, out, "--onnx", NANOGPT)
        self.refused(["was compiled from"], "export", self.last, self.path("o"), "--onnx", self.path("x.onnx"),
                     "--program", self.model)
        os.mkdir(self.path("other"))
        other = self.path("other/" + os.path.basename(NANOGPT))
        data = bytearray(content(NANOGPT))
        data[len(data) // 2:] = bytes(len(data) - len(data) // 2)
        self.write("other/" + os.path.basename(NANOGPT), bytes(data))
        for name in os.listdir(os.path.dirname(NANOGPT)):
            if name.startswith(os.path.basename(NANOGPT) + "."):
                self.write("other/" + name, bytes(os.path.getsize(os.path.join(os.path.dirname(NANOGPT), name))))
        self.refused(["is not the file that parameter"], "export", self.last, self.path("o2"), "--onnx", other,
                     "--program", self.model)

    def test_reshard(self):
        """Other ranks have the same values, and the same run goes on from them."""
        for name, flags in [("one", ["-n", "1"]), ("three", ["-n", "3"]), ("same", ["--program", self.model])]:
            self.ckpt("reshard", self.last, self.path(name), *flags)
            made = self.path(name + "/step-4")
            self.ckpt("verify", made)
            self.assertIn(" differ\n", self.ckpt("diff", self.last, made))
            self.assertEqual(tensors_of(self.export("out-" + name, checkpoint=made) + "/model.safetensors"),
                             tensors_of(self.saved))
        for rank in 0, 1:
            file = f"/step-4/rank-{rank}.safetensors"
            self.assertEqual(tensors_of(self.path("same" + file)), tensors_of(self.path("d" + file)))
        saved = []
        for folder in "d", "three":
            saved.append(self.path(folder + ".safetensors"))
            self.train(self.model, "--comm", "thread", "--steps", "6", "--checkpoint-dir", self.path(folder),
                       "--resume", "latest", "--save", saved[-1])
        self.assertEqual(tensors_of(saved[0]), tensors_of(saved[1]))
        self.refused(["step-4"], "reshard", self.last, self.path("three"), "-n", "2")
        self.refused(["--ranks N or --program"], "reshard", self.last, self.path("x"))
        self.refused(["--ranks N or --program"], "reshard", self.last, self.path("x"), "-n", "2", "--program",
                     self.model)

    def test_diff(self):
        status, output, _ = execute(CKPT, "diff", self.path("d/step-2"), self.last)
        self.assertEqual(status, 1)
        count = len(output.splitlines()) - 1
        self.assertRegex(output.splitlines()[-1], rf"^{count} of \d+ tensors differ, by at most \d")
        self.assertIn("exp_avg_sq/", output)
        shutil.copytree(self.last, self.path("copy"))
        self.assertRegex(self.ckpt("diff", self.last, self.path("copy")), r"^0 of \d+ tensors differ\n$")
        other = self.program("sgd.fsdp", "--optimizer", "sgd")
        self.train(other, "--steps", "1", "--checkpoint-dir", self.path("sgd"), "--checkpoint-every", "1")
        result = execute(CKPT, "diff", self.last, self.path("sgd/step-1"))
        self.assertEqual(result[0], 2)
        self.assertOneError(result, "has the states exp_avg, exp_avg_sq")

    def test_command_lines(self):
        for words, args in [(["no command is given, expected one of list, show, "], []),
                            (["'shwo' is no command, expected one of list, "], ["shwo"]), (["checkpoint"], ["show"]), (["none"], ["show", "none"]),
                            (["--max-shard is '5XB'"], ["export", self.last, self.path("o"), "--max-shard", "5XB"]),
                            (["--dtype"], ["export", self.last, self.path("o"), "--dtype", "int8"])]:
            self.refused(words, *args)


if __name__ == "__main__":
    unittest.main()
