"""Writes <model>.<variant>.onnx and goldens.json beside this file: models whose
parameters the file does not name as PyTorch does, and what PyTorch makes of
them. Needs torch 2.15 and onnxscript.

    python export.py
"""
import json
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import helper, numpy_helper
from torch import nn

HERE = Path(__file__).parent
VOCAB, WIDTH, BATCH, SEQ, STEPS, RATE = 7, 4, 2, 6, 3, 0.5


class Scaled(nn.Module):
    """A table and a head, and between them `f` of a parameter `g`."""

    def __init__(self, f, *shape):
        super().__init__()
        self.wte = nn.Embedding(VOCAB, WIDTH)
        self.g = nn.Parameter(torch.randn(*shape))
        self.head = nn.Linear(WIDTH, VOCAB)
        self.f = f

    def forward(self, input_ids):
        return self.head(self.f(self.wte(input_ids), self.g))


class TiedBias(nn.Module):
    """BERT's head: its bias is the decoder's."""

    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(VOCAB, WIDTH)
        self.bias = nn.Parameter(torch.randn(VOCAB))
        self.decoder = nn.Linear(WIDTH, VOCAB)
        self.decoder.bias = self.bias

    def forward(self, input_ids):
        return self.decoder(self.wte(input_ids))


class Stack(nn.Module):
    def __init__(self, table):
        super().__init__()
        self.embed_tokens = table
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, input_ids):
        return self.linear(self.embed_tokens(input_ids))


class Shared(nn.Module):
    """T5's table: four names, one of which is never called."""

    def __init__(self):
        super().__init__()
        self.shared = nn.Embedding(VOCAB, WIDTH)
        self.encoder, self.decoder = Stack(self.shared), Stack(self.shared)
        self.lm_head = nn.Linear(WIDTH, VOCAB, bias=False)
        self.lm_head.weight = self.shared.weight

    def forward(self, input_ids):
        return self.lm_head(self.encoder(input_ids) + self.decoder(input_ids))


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.spare = nn.Parameter(torch.randn(3))
        self.wte = nn.Embedding(VOCAB, WIDTH)
        self.head = nn.Linear(WIDTH, VOCAB)

    def forward(self, input_ids):
        return self.head(self.wte(input_ids))


class Classifier(nn.Module):
    """Three classes for each of seven tokens."""

    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(VOCAB, WIDTH)
        self.head = nn.Linear(WIDTH, 3)

    def forward(self, input_ids):
        return self.head(self.wte(input_ids))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(VOCAB, WIDTH)
        self.a = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.head = nn.Linear(WIDTH, VOCAB)

    def forward(self, input_ids):
        x = self.wte(input_ids)
        return self.head(x + self.a(x, x, x, need_weights=False)[0])


class Gained(nn.Module):
    """What `other_producer` writes: a constant table, and a gain of one element."""

    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(VOCAB, WIDTH)
        self.register_buffer("cos_table", torch.rand(1, SEQ, WIDTH) + 0.5)
        self.gain = nn.Linear(1, 1, bias=False)
        self.head = nn.Linear(WIDTH, VOCAB, bias=False)

    def forward(self, input_ids):
        return self.head(self.wte(input_ids) * self.cos_table * self.gain.weight[0])


def other_producer(model, file):
    state = {n: v.numpy() for n, v in model.state_dict().items()}
    state["gain.weight"] = state["gain.weight"][0]
    state["head.weight"] = np.ascontiguousarray(state["head.weight"].T)
    nodes = [helper.make_node("Gather", ["wte.weight", "input_ids"], ["a"]),
             helper.make_node("Mul", ["a", "cos_table"], ["b"]),
             helper.make_node("Mul", ["b", "gain.weight"], ["c"]),
             helper.make_node("MatMul", ["c", "head.weight"], ["logits"])]
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("input_ids", onnx.TensorProto.INT64, [BATCH, SEQ])],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, [BATCH, SEQ, VOCAB])],
        [numpy_helper.from_array(v, n) for n, v in state.items()])
    onnx.save(helper.make_model(graph, producer_name="onnxruntime.transformers", ir_version=10,
                                opset_imports=[helper.make_opsetid("", 18)]), file)


# What the file is called: the model, how it is exported, flags of the compiler.
CLONE = (lambda: Scaled(lambda x, g: x * g.clone(), WIDTH))
SLICE = (lambda: Scaled(lambda x, g: x @ g[:, :WIDTH], WIDTH, WIDTH))
LAYER = (lambda: Scaled(lambda x, g: F.linear(x, g.clone()), WIDTH, WIDTH))
FILES = {
    "clone.18.raw": (CLONE, []),
    "clone.23.opt": (CLONE, []),
    "full-slice.18.raw": (SLICE, []),
    "full-slice.18.opt": (SLICE, []),
    "cloned-layer.18.opt": (LAYER, []),
    "part.18.raw": (lambda: Scaled(lambda x, g: x @ g[:WIDTH], 2 * WIDTH, WIDTH), []),
    "tied-bias.18.raw": (TiedBias, ["--tie", "bias=decoder.bias"]),
    "shared.23.raw": (Shared, ["--tie", "shared.weight=lm_head.weight"]),
    "unused.18.raw": (Unused, ["--drop-unused", "spare"]),
    "classes.18.raw": (Classifier, []),
    "attention.17.folded": (Attention, ["--param", "a.in_proj_bias"]),
    "gained.18.other": (Gained, ["--train", "**.weight"]),
}


def export(model, file, opset, how):
    ids = torch.zeros(BATCH, SEQ, dtype=torch.long)
    names = dict(input_names=["input_ids"], output_names=["logits"])
    if how == "other":
        return other_producer(model, file)
    if how == "folded":
        torch.onnx.export(model, (ids,), file, dynamo=False, opset_version=opset,
                          do_constant_folding=True, **names)
    else:
        torch.onnx.export(model, (ids,), file, dynamo=True, opset_version=opset,
                          optimize=how == "opt", external_data=False, **names)
    proto = onnx.load(file)
    for node in proto.graph.node:
        node.doc_string = ""
        kept = [p for p in node.metadata_props
                if not p.key.endswith(("stack_trace", "namespace"))]
        del node.metadata_props[:]
        node.metadata_props.extend(kept)
    onnx.save(proto, file)


def train(model, tokens, labels):
    """Loss and gradient norm of each step, in file order."""
    optimizer = torch.optim.SGD(model.parameters(), RATE)
    windows, steps = (len(tokens) - 1) // SEQ, []
    for step in range(STEPS):
        starts = [(step * BATCH + row) % windows * SEQ for row in range(BATCH)]
        x = torch.tensor([tokens[i:i + SEQ] for i in starts])
        y = torch.tensor([labels[i + 1:i + 1 + SEQ] for i in starts])
        logits = model(x)
        loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), y.reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        squares = sum((p.grad.double() ** 2).sum() for p in model.parameters() if p.grad is not None)
        steps.append([loss.item(), squares.sqrt().item()])
        optimizer.step()
    return steps


def main():
    torch.set_num_threads(1)
    random = np.random.RandomState(0)
    tokens = random.randint(0, VOCAB, 100).tolist()
    classes = random.randint(0, 3, 100).tolist()
    files = {}
    for name, (make, flags) in FILES.items():
        torch.manual_seed(0)
        model = make().eval()
        _, opset, how = name.split(".")
        export(model, str(HERE / f"{name}.onnx"), int(opset), how)
        narrow = isinstance(model, Classifier)
        files[name] = {
            "flags": flags,
            "labels": narrow,
            "names": sorted(n for n, _ in model.named_parameters(remove_duplicate=False)),
            "steps": train(model, tokens, classes if narrow else tokens),
        }
    text = json.dumps({"tokens": tokens, "classes": classes, "rate": RATE, "files": files})
    (HERE / "goldens.json").write_text(text.replace('}, "', '},\n"') + "\n")


if __name__ == "__main__":
    main()
