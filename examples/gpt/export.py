"""Writes model.onnx: the GPT of model.py, without weights.

python export.py [model.onnx]
"""

import sys
from pathlib import Path

import onnx
import torch

from model import GPT, GPTConfig
from no_weights import export_without_weights, strip_traces


def main():
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "model.onnx")
    config = GPTConfig()
    proto = export_without_weights(
        lambda: GPT(config),
        lambda: {"input_ids": torch.zeros(2, config.seq // 2, dtype=torch.int64)},
        location=path.name + ".data",
        input_names=["input_ids"],
        output_names=["logits"],
        dynamic_shapes={"input_ids": {0: "batch", 1: "seq"}},
        opset_version=18,
        optimize=False,
    )
    onnx.save(strip_traces(proto), path)
    print(f"{path}: {path.stat().st_size} bytes, {len(proto.graph.node)} nodes")


if __name__ == "__main__":
    main()
