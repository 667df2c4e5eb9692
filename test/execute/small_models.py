#!/usr/bin/env python3
"""Small models made by hand: loss and gradient norm beside NumPy's formula in
double, differentiated by central differences."""
import os
import sys
import unittest

import numpy as np
from onnx import save

from harness import ROOT, ToolTest, content, lines_of

sys.path.insert(0, os.path.join(ROOT, "test", "import"))
from make_model import INT64, model, node, signed, value, weight  # noqa: E402

TOKENS, WIDTH, SEQ = 7, 4, 16


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def cross_entropy(logits, labels):
    return -np.log(softmax(logits)[np.arange(len(labels)), labels]).mean()


def attention(q, k, v, heads):
    """Causal, of [seq, width] tensors."""
    split = [np.stack(np.split(x, heads, axis=1)) for x in (q, k, v)]
    scores = split[0] @ split[1].swapaxes(1, 2) / np.sqrt(q.shape[1] // heads)
    scores = np.where(np.tril(np.ones(scores.shape[1:], bool)), scores, -np.inf)
    return np.concatenate(softmax(scores) @ split[2], axis=1)


class SmallModel(ToolTest):
    def setUp(self):
        super().setUp()
        self.numbers = np.random.default_rng(3)
        self.ids = self.numbers.integers(0, TOKENS, SEQ + 1)
        self.data = self.write("tokens.u16", np.tile(self.ids, 3).astype("<u2").tobytes())

    def matrix(self, *shape):
        return self.numbers.normal(size=shape).astype(np.float32)

    def check(self, nodes, forward, parameters, constants=(), opset=18):
        """`nodes` make "logits" of "input_ids", as `forward` does of the token
        numbers and the parameters in double."""
        proto = model(
            nodes, [value("input_ids", ["batch", "seq"], INT64)],
            [value("logits", ["batch", "seq", TOKENS])],
            [weight(name, array) for name, array in parameters.items()] + list(constants), opset)
        proto.producer_name = "pytorch"
        signed(proto, **{"p_" + name.replace(".", "_"): name for name in parameters})
        save(proto, self.path("model.onnx"))
        program = self.program("model.fsdp", "--optimizer", "sgd", model=self.path("model.onnx"),
                               dims=["--dim", "batch=1", "--dim", f"seq={SEQ}"])
        self.train(program, "--steps", "1", "--lr", "0.1", "--shuffle", "off", "--checked",
                   "--metrics", self.path("metrics.jsonl"), "--save", self.path("model.safetensors"),
                   data=self.data)
        line = lines_of(self.path("metrics.jsonl"))[0]
        doubles = {name: array.astype(np.float64) for name, array in parameters.items()}

        def loss():
            return cross_entropy(forward(self.ids[:-1], **{
                name.replace(".", "_"): array for name, array in doubles.items()}), self.ids[1:])

        self.assertAlmostEqual(line["loss"], loss(), delta=1e-6 * max(loss(), 1))
        square = 0
        for array in doubles.values():
            for place in np.ndindex(array.shape):
                before, sides = array[place], []
                for step in (1e-5, -1e-5):
                    array[place] = before + step
                    sides.append(loss())
                array[place] = before
                square += ((sides[0] - sides[1]) / 2e-5) ** 2
        self.assertAlmostEqual(line["grad_norm"], np.sqrt(square), delta=1e-5 * np.sqrt(square))


class SharedValues(SmallModel):
    """One value in several places of an op whose gradient is computed in place."""

    def check_attention(self, names, heads):
        self.check(
            [node("Gather", ["wte.weight", "input_ids"], ["x"], "wte"),
             node("MatMul", ["x", "proj.weight"], ["z"], "proj"),
             node("Attention", names, ["y"], "attn", is_causal=1, q_num_heads=heads,
                  kv_num_heads=heads),
             node("MatMul", ["y", "head.weight"], ["logits"], "head")],
            lambda ids, wte_weight, proj_weight, head_weight: attention(
                *({"x": wte_weight[ids], "z": wte_weight[ids] @ proj_weight}[name]
                  for name in names), heads) @ head_weight,
            {"wte.weight": self.matrix(TOKENS, WIDTH), "proj.weight": self.matrix(WIDTH, WIDTH),
             "head.weight": self.matrix(WIDTH, TOKENS)}, opset=23)

    def test_attention(self):
        for heads in 1, 2:
            for names in "zzz", "zzx", "zxz", "xzz":
                with self.subTest(names=names, heads=heads):
                    self.check_attention(list(names), heads)


class ZeroExtents(SmallModel):
    """Tensors without elements, in the graph and as parameters."""

    def around(self, *inner, output="y"):
        """An embedding, `inner` from "x" to `output`, and a head."""
        return [node("Gather", ["wte.weight", "input_ids"], ["x"], "wte"), *inner,
                node("MatMul", [output, "head.weight"], ["logits"], "head")]

    def matrices(self, **others):
        return {"wte.weight": self.matrix(TOKENS, WIDTH), "head.weight": self.matrix(WIDTH, TOKENS),
                **{name.replace("_", "."): array for name, array in others.items()}}

    def behind(self):
        """The columns behind the last one: "e", of width 0."""
        return node("Slice", ["x", "width", "end", "last"], ["e"])

    def constants(self, **others):
        numbers = {"width": [WIDTH], "end": [1 << 62], "last": [-1], **others}
        return [weight(name, np.asarray(array)) for name, array in numbers.items()]

    def test_slices(self):
        def plain(ids, wte_weight, head_weight):
            return wte_weight[ids] @ head_weight

        for name, inner in {
            "concat": [node("Concat", ["x", "e"], ["y"], axis=2)],
            "concat of a negation": [node("Neg", ["e"], ["n"]),
                                     node("Concat", ["n", "x", "e"], ["y"], axis=-1)],
            "sum": [node("ReduceSum", ["e", "last"], ["s"], keepdims=1),
                    node("Add", ["x", "s"], ["y"])],
            "product of two": [node("Transpose", ["e"], ["t"], perm=[0, 2, 1]),
                               node("MatMul", ["e", "t"], ["s"]),
                               node("MatMul", ["s", "x"], ["z"]),
                               node("Add", ["x", "z"], ["y"])],
            "pad": [node("Pad", ["e", "pads"], ["z"]), node("Add", ["x", "z"], ["y"])],
            "split": [node("Split", ["x", "cuts"], ["y", "rest"], axis=2),
                      node("Neg", ["rest"], ["n"])],
            "softmax": [node("Softmax", ["e"], ["p"]),
                        node("Concat", ["x", "p"], ["y"], axis=2)],
        }.items():
            with self.subTest(name):
                self.check(self.around(self.behind(), *inner), plain, self.matrices(),
                           self.constants(pads=[0, 0, WIDTH, 0, 0, 0], cuts=[WIDTH, 0]))

    def test_parameters(self):
        for shape in (5, 0), (3, 0), (0, WIDTH), (0,):
            with self.subTest(shape=shape):
                self.check(
                    self.around(node("ReduceSum", ["e"], ["s"], keepdims=0),
                                node("Add", ["x", "s"], ["y"])),
                    lambda ids, wte_weight, head_weight, e: (wte_weight[ids] + e.sum()) @ head_weight,
                    self.matrices(e=self.matrix(*shape)))

    def test_rank_of_zero(self):
        self.check(
            self.around(node("MatMul", ["x", "a.weight"], ["h"]), node("MatMul", ["h", "b.weight"], ["z"]),
                        node("Add", ["x", "z"], ["y"])),
            lambda ids, wte_weight, head_weight, a_weight, b_weight: (
                wte_weight[ids] + wte_weight[ids] @ a_weight @ b_weight) @ head_weight,
            self.matrices(a_weight=self.matrix(WIDTH, 0), b_weight=self.matrix(0, WIDTH)))
        saved = content(self.path("model.safetensors"))
        self.assertIn(b"a.weight", saved)
        self.assertIn(b"b.weight", saved)

    def test_refused(self):
        proto = model([node("Gather", ["wte.weight", "input_ids"], ["logits"], "wte")],
                      [value("input_ids", [2, 0], INT64)], [value("logits", [2, 0, TOKENS])],
                      [weight("wte.weight", self.matrix(TOKENS, TOKENS))])
        save(proto, self.path("model.onnx"))
        self.assertOneError(self.compile("a.fsdp", model=self.path("model.onnx"), dims=[]),
                            "input 'input_ids'", "no elements", output="a.fsdp")


class WholeNumbers(SmallModel):
    """Reductions of token numbers, and of what they are compared with."""

    def test_reductions(self):
        for op, kind, function in (
                ("ReduceMax", "ids", np.max), ("ReduceMin", "ids", np.min),
                ("ReduceSum", "ids", np.sum), ("ReduceMean", "ids", lambda x: x.sum() // x.size),
                ("ReduceMax", "small", np.max), ("ReduceMin", "small", np.min)):
            with self.subTest(op=op, kind=kind):
                self.check(
                    [node("Less", ["input_ids", "three"], ["small"]),
                     node("Identity", ["input_ids"], ["ids"]),
                     node(op, [kind, "row"], ["r"], keepdims=1),
                     node("Cast", ["r"], ["f"], to=1), node("Unsqueeze", ["f", "row"], ["u"]),
                     node("Mul", ["u", "scale"], ["s"]),
                     node("Gather", ["wte.weight", "input_ids"], ["x"], "wte"),
                     node("Add", ["x", "s"], ["y"]),
                     node("MatMul", ["y", "head.weight"], ["logits"], "head")],
                    lambda ids, wte_weight, head_weight, scale, kind=kind, function=function: (
                        wte_weight[ids] + scale * function(ids if kind == "ids" else ids < 3)
                    ) @ head_weight,
                    {"wte.weight": self.matrix(TOKENS, WIDTH), "head.weight": self.matrix(WIDTH, TOKENS),
                     "scale": self.matrix(WIDTH)},
                    [weight("three", np.int64(3)), weight("row", [1])], opset=20)


if __name__ == "__main__":
    unittest.main()
