"""Writes this folder's files: small models as PyTorch exports them, and what
PyTorch makes of two steps of SGD on them (goldens.json).

    OMP_NUM_THREADS=1 python export.py

Stack traces, which hold paths of the exporting machine, are left out.
"""
import json
import os

import onnx
import torch
import torch.nn.functional as F
from torch import nn

VOCAB, WIDTH, BATCH, SEQ = 11, 8, 2, 6
HERE = os.path.dirname(os.path.abspath(__file__))
TOKENS = [(7 * i + i // 5) % VOCAB for i in range(1 + 2 * BATCH * SEQ)]


class Model(nn.Module):
    """An embedding, a product, `body` of both, and a head."""

    def __init__(self, body):
        super().__init__()
        self.wte = nn.Embedding(VOCAB, WIDTH)
        self.fc = nn.Linear(WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, VOCAB)
        self.norm = nn.BatchNorm1d(WIDTH)
        self.body = body

    def forward(self, input_ids):
        x = self.wte(input_ids)
        return self.head(self.body(self, x, self.fc(x), input_ids))


def attention(x, h, mask):
    query, key = (t.view(BATCH, SEQ, 2, 4).transpose(1, 2) for t in (h, x))
    y = F.scaled_dot_product_attention(query, key, query, attn_mask=mask)
    return y.transpose(1, 2).reshape(BATCH, SEQ, WIDTH)


def visible():
    """The first query sees no key."""
    return torch.ones(SEQ, SEQ, dtype=torch.bool).tril(-1)


def seen(ids):
    """Token 0 is padding, which no query sees."""
    causal = torch.ones(SEQ, SEQ, dtype=torch.bool).tril()
    return causal & (ids != 0)[:, None, None, :]


def hidden():
    return torch.zeros(SEQ, SEQ).masked_fill(visible().logical_not(), -float("inf"))


MODELS = {
    "detach": lambda m, x, h, ids: x + torch.tanh(h).detach(),
    "detach-beside": lambda m, x, h, ids: h * h.detach() + h,
    "detach-gelu": lambda m, x, h, ids: x * F.gelu(h.detach(), approximate="tanh") + h,
    "detach-parameter": lambda m, x, h, ids: F.linear(x, m.fc.weight.detach()) + h,
    "masked-row": lambda m, x, h, ids: attention(x, h, visible()),
    "masked-row-float": lambda m, x, h, ids: attention(x, h, hidden()),
    "masked-tokens": lambda m, x, h, ids: attention(x, h, seen(ids)),
    "batch-norm": lambda m, x, h, ids: m.norm(h.transpose(1, 2)).transpose(1, 2),
}
FILES = ["detach.18.raw", "detach.23.opt", "detach-beside.18.opt", "detach-gelu.18.opt",
         "detach-parameter.18.raw", "masked-row.18.opt", "masked-row.23.opt",
         "masked-row-float.18.opt", "masked-row-float.23.opt", "masked-tokens.18.raw",
         "masked-tokens.23.opt", "batch-norm.18.raw", "batch-norm.18.opt"]


def made(name):
    torch.manual_seed(0)
    model = Model(MODELS[name]).eval()
    if name != "batch-norm":
        del model.norm
        return model
    with torch.no_grad():
        for tensor in (model.norm.running_mean, model.norm.running_var, *model.norm.parameters()):
            tensor.copy_(torch.rand(WIDTH) + 0.5)
    return model


def steps(name):
    """(loss, gradient norm) of two steps, learning rate 0.1."""
    model = made(name)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    rows = []
    for step in range(2):
        at = step * BATCH * SEQ
        window = [TOKENS[at + i * SEQ : at + (i + 1) * SEQ + 1] for i in range(BATCH)]
        ids = torch.tensor(window)
        loss = F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), float("inf"))
        optimizer.step()
        rows.append([loss.item(), norm.item()])
    return rows


def export(file):
    name, opset, kind = file.split(".")
    ids = torch.zeros(BATCH, SEQ, dtype=torch.int64)
    program = torch.onnx.export(made(name), (ids,), dynamo=True, opset_version=int(opset),
                                optimize=kind == "opt", verbose=False)
    proto = program.model_proto
    for node in proto.graph.node:
        kept = [e for e in node.metadata_props
                if e.key.endswith(("fx_node", "name_scopes"))]
        del node.metadata_props[:]
        node.metadata_props.extend(kept)
        node.doc_string = ""
    onnx.save(proto, os.path.join(HERE, f"{file}.onnx"))


if __name__ == "__main__":
    for file in FILES:
        export(file)
    goldens = {"tokens": TOKENS, "steps": {name: steps(name) for name in MODELS}}
    with open(os.path.join(HERE, "goldens.json"), "w") as out:
        json.dump(goldens, out, indent=1)
        out.write("\n")
