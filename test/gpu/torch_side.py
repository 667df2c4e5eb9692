"""PyTorch's side: FSDP2 on one GPU, as users set it up for speed.

    torch_side.py eager|compiled '{"model": "gpt2", "batch", "seq", "steps", "tokens", "device"}'

bf16 (parameters bf16, reduction fp32, the root's output fp32), SDPA, fused AdamW,
clip 1.0. Prints one JSON line: times a step, losses, the most memory that tensors
had. The device "cpu" is for trying this where there is no GPU.
"""

import json
import os
import sys
import time

import numpy as np
import torch
import torch.distributed as dist
import transformers
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.nn import functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench"))
from llama_shapes import SHAPES, configure  # noqa: E402

LLAMA = "llama3.2-1b"


def build(name, device):
    """(model, its blocks)."""
    with torch.device(device):
        if name == "gpt2":
            config = transformers.GPT2Config(resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, use_cache=False,
                                             attn_implementation="sdpa")
            model = transformers.GPT2LMHeadModel(config)
            return model, model.transformer.h
        model = transformers.LlamaForCausalLM(configure(LLAMA, SHAPES[LLAMA]["num_hidden_layers"]))
        return model, model.model.layers


def shard(model, blocks, compiled):
    dtypes = dict(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    for block in blocks:
        if compiled:
            block.compile()
        fully_shard(block, mp_policy=MixedPrecisionPolicy(**dtypes))
    fully_shard(model, mp_policy=MixedPrecisionPolicy(**dtypes, output_dtype=torch.float32))


def main():
    mode, settings = sys.argv[1], json.loads(sys.argv[2])
    torch.manual_seed(0)
    device = settings["device"]
    is_gpu = device == "cuda"
    dist.init_process_group("nccl" if is_gpu else "gloo", store=dist.HashStore(), rank=0, world_size=1)
    model, blocks = build(settings["model"], device)
    shard(model, blocks, mode == "compiled")
    loss_of = torch.compile(F.cross_entropy) if mode == "compiled" else F.cross_entropy
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.1, fused=True)
    kind = np.uint32 if settings["tokens"].endswith("32") else np.uint16
    tokens = torch.from_numpy(np.fromfile(settings["tokens"], kind).astype(np.int64)).to(device)
    rows = settings["batch"] * settings["seq"]
    result = {"ms": [], "host_ms": [], "loss": []}
    for step in range(settings["steps"]):
        at = step * rows % (len(tokens) - rows)
        if is_gpu:
            torch.cuda.synchronize()
        begin = time.perf_counter()
        x = tokens[at : at + rows].view(settings["batch"], -1)
        y = tokens[at + 1 : at + rows + 1]
        loss = loss_of(model(input_ids=x).logits.flatten(0, 1), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        result["host_ms"].append((time.perf_counter() - begin) * 1e3)
        if is_gpu:
            torch.cuda.synchronize()
        result["ms"].append((time.perf_counter() - begin) * 1e3)
        result["loss"].append(loss.item())
    result["allocated"] = torch.cuda.max_memory_allocated() if is_gpu else 0
    print(json.dumps(result), flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
