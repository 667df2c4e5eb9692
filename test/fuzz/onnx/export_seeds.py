"""Writes the seeds that PyTorch's dynamo exporter makes: tiny models with a
graph signature and a record of the call beside each node.

    python export_seeds.py FOLDER

Needs torch and onnxscript, as ../../parity/export.py does.
"""

import sys
from pathlib import Path

import onnx
import torch
from torch import nn
from torch.nn import functional as F

from make_seeds import LOSS, PLAN, TEXT


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width, bias=False)

    def forward(self, x):
        return x + self.down(F.gelu(self.up(self.norm(x))))


class Tied(nn.Module):
    """Two blocks with equal norms, zero biases, a padding row, a tied head."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(9, 4, padding_idx=2)
        self.blocks = nn.ModuleList(Block(4) for _ in range(2))
        self.head = nn.Linear(4, 9, bias=False)
        self.head.weight = self.embed.weight
        for block in self.blocks:
            nn.init.zeros_(block.up.bias)

    def forward(self, ids):
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


class Heads(nn.Module):
    """Causal attention with a buffer, and a value without gradient."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(9, 4)
        self.query = nn.Linear(4, 12)
        self.register_buffer("scale", torch.linspace(0.5, 1.0, 4))

    def forward(self, ids):
        x = self.embed(ids)
        q, k, v = self.query(x * self.scale).chunk(3, dim=-1)
        q, k, v = (t.unflatten(2, (2, 2)).transpose(1, 2) for t in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        y = y.transpose(1, 2).flatten(2) + x.detach()
        return y @ self.embed.weight.T


READ = (
    "pkg.torch.onnx.fx_node", "pkg.torch.onnx.name_scopes",
    "pkg.torch.export.ExportedProgram.graph_signature",
    "pkg.onnxscript.optimizer.folded_from",
)


def strip(proto):
    """Leaves only the records that the importer reads: no traces, no paths."""
    graph = proto.graph
    for holder in [proto, graph, *graph.node, *graph.value_info, *graph.input, *graph.output]:
        kept = [entry for entry in holder.metadata_props if entry.key in READ]
        del holder.metadata_props[:]
        holder.metadata_props.extend(kept)
        holder.doc_string = ""


def export(module, opset, optimize):
    torch.manual_seed(0)
    ids = torch.arange(6).reshape(2, 3)
    program = torch.onnx.export(
        module().eval(), (ids,), dynamo=True, opset_version=opset, optimize=optimize,
        input_names=["input_ids"], output_names=["logits"], verbose=False,
        dynamic_shapes=({0: "batch", 1: "seq"},),
    )
    proto = program.model_proto
    strip(proto)
    return proto


SEEDS = {
    "tied-raw": (Tied, 18, False, PLAN | LOSS), "tied-opt": (Tied, 18, True, PLAN | LOSS),
    "heads-opt": (Heads, 18, True, PLAN | LOSS), "heads-23-raw": (Heads, 23, False, TEXT),
}


def main():
    folder = Path(sys.argv[1])
    for name, (module, opset, optimize, variant) in SEEDS.items():
        proto = export(module, opset, optimize)
        proto.model_version = variant
        data = proto.SerializeToString()
        assert len(data) < 20480, f"{name} is too large for a seed: {len(data)} bytes"
        onnx.checker.check_model(proto)
        (folder / f"{name}.onnx").write_bytes(data)


if __name__ == "__main__":
    main()
