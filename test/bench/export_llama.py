#!/usr/bin/env python3
"""Exports Llama in its published sizes, every layer and no weights.

    export_llama.py FOLDER [SHAPE[:LAYERS] ...]

Writes FOLDER/llama2-7b-32.onnx and so on; by default all that compile_time.py
compiles. Batch and sequence stay dimensions to be bound with --dim. Needs
PyTorch and transformers (test/parity/requirements.txt); allocates no weights.
"""

import sys
from pathlib import Path

import onnx
import torch
import transformers
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from llama_shapes import SHAPES, configure

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "gpt"))
from no_weights import export_without_weights, strip_traces  # noqa: E402

DEFAULT = ["llama2-7b:4", "llama2-7b:32", "llama3-70b:4", "llama3-70b:80"]


def frequencies(config):
    """The rotary embedding's buffer, which the fake module has no data for."""
    return {"model.rotary_emb.inv_freq": LlamaRotaryEmbedding(config).inv_freq}


def export(folder, shape, layers):
    config = configure(shape, layers)
    path = folder / f"{shape}-{layers}.onnx"
    proto = export_without_weights(
        lambda: transformers.LlamaForCausalLM(config),
        lambda: {"input_ids": torch.zeros(2, 128, dtype=torch.int64)},
        location=path.name + ".data",
        buffers=frequencies(config),
        input_names=["input_ids"],
        output_names=["logits"],
        dynamic_shapes={"input_ids": {0: "batch", 1: "seq"}},
        opset_version=18,
    )
    onnx.save(strip_traces(proto), path)
    print(f"{path}: {path.stat().st_size} bytes, {len(proto.graph.node)} nodes", flush=True)


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:] or DEFAULT:
        shape, _, layers = name.partition(":")
        if shape not in SHAPES:
            sys.exit(f"unknown shape '{shape}', expected one of {', '.join(SHAPES)}")
        export(folder, shape, int(layers or SHAPES[shape]["num_hidden_layers"]))


if __name__ == "__main__":
    main()
