"""Trains models with PyTorch's FSDP2 in bf16 and records loss and gradient norm.

    python golden_bf16.py [MODEL ...]

Writes goldens/<model>.adamw-b24-bf16.json: two ranks over gloo,
MixedPrecisionPolicy(param bf16, reduce fp32, output fp32), one thread a rank.
The fp32 run that it is measured against is goldens/<model>.adamw-b24.json.
"""

import json
import os
import sys
import tempfile

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

import golden
import models

WORLD = 2
RUN = golden.Run()
DTYPES = dict(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
MODELS = ["gpt2", "llama", "llama-tied", "qwen3", "gpt-neox", "nanogpt", "nanogpt-uneven", "tower"]


def shard(model):
    """The elements of the outermost module list are units, as here."""
    blocks = next(m for m in model.modules() if isinstance(m, nn.ModuleList))
    for block in blocks:
        fully_shard(block, mp_policy=MixedPrecisionPolicy(**DTYPES))
    # The output dtype is the root's: a block hands on what it computes in.
    root = MixedPrecisionPolicy(**DTYPES, output_dtype=torch.float32)
    fully_shard(model, mp_policy=root)


def gradient_norm(parameters):
    norms = [
        torch.linalg.vector_norm(p.grad.full_tensor(), dtype=torch.float64)
        for p in parameters
        if p.grad is not None
    ]
    return torch.linalg.vector_norm(torch.stack(norms))


def train(name, rank):
    spec = models.MODELS[name]
    model = models.build(name)
    shard(model)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        golden.groups(model, RUN), foreach=False, **golden.settings(name, RUN)
    )
    losses, norms = [], []
    for step in range(golden.STEPS):
        x, y = (part.chunk(WORLD)[rank] for part in golden.windows(spec, RUN, step))
        loss = golden.loss_of(model, spec, x, y)
        optimizer.zero_grad()
        loss.backward()
        norm = gradient_norm(trained)
        for p in trained:
            if p.grad is not None:
                p.grad.mul_(min(1.0, golden.CLIP / (norm.item() + 1e-6)))
        optimizer.step()
        mean = loss.detach().double()
        dist.all_reduce(mean)
        losses.append(mean.item() / WORLD)
        norms.append(norm.item())
    return losses, norms


def write(name, losses, norms):
    path = golden.GOLDENS / f"{name}.{RUN.name}"
    item = json.loads(open(f"{path}.json").read())
    for key in [k for k in item if "fp64" in k]:
        del item[key]
    item["fp32_loss"], item["fp32_grad_norm"] = item["loss"], item["grad_norm"]
    item.update(
        loss=losses, grad_norm=norms, param_dtype="bfloat16", reduce_dtype="float32",
        output_dtype="float32", fsdp2_world=WORLD, torch=torch.__version__.split("+")[0],
    )
    open(f"{path}-bf16.json", "w").write(json.dumps(item, indent=1) + "\n")


def work(rank, names, store):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=WORLD)
    for name in names:
        losses, norms = train(name, rank)
        if rank == 0:
            write(name, losses, norms)
            print(f"{name}: loss {losses[0]:.4f} to {losses[-1]:.4f}", flush=True)
    dist.destroy_process_group()


def main():
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(work, (sys.argv[1:] or MODELS, os.path.join(folder, "store")), nprocs=WORLD)


if __name__ == "__main__":
    main()
