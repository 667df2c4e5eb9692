"""One rank of PyTorch's side: FSDP2 over gloo, or its GEMMs alone.

    fsdp2_rank.py weights FILE                 write fresh weights
    fsdp2_rank.py eager|compiled|gemms JSON    obey standard input: step, gemms, memory

Each command is answered by one JSON line. Needs torch, transformers, safetensors.
"""

import json
import os
import sys
import time

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel

WIDTH, LAYERS, VOCAB = 768, 12, 50257


def build():
    config = GPT2Config(
        n_layer=LAYERS,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        use_cache=False,
        attn_implementation="sdpa",
    )
    return GPT2LMHeadModel(config)


def status_bytes(key):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(key))


def write_weights(path):
    torch.manual_seed(0)
    state = build().state_dict()
    state.pop("lm_head.weight")  # tied to the embedding
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)


class Training:
    def __init__(self, settings, rank, compiled):
        self.settings, self.rank, self.count = settings, rank, 0
        self.tokens = np.fromfile(settings["tokens"], dtype=np.uint16).astype(np.int64)
        self.model = build().eval()
        self.model.load_state_dict(load_file(settings["weights"]), strict=False)
        policy = root = MixedPrecisionPolicy()
        if settings["dtype"] == "bf16":
            dtypes = dict(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
            policy = MixedPrecisionPolicy(**dtypes)
            root = MixedPrecisionPolicy(**dtypes, output_dtype=torch.float32)
        for block in self.model.transformer.h:
            if compiled:
                block.compile()
            fully_shard(block, mp_policy=policy)
        fully_shard(self.model, mp_policy=root)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=settings["lr"],
            weight_decay=settings["weight_decay"],
            fused=True,
        )

    def rows(self):
        """Inputs and targets of the rank's step: windows in file order."""
        batch, seq = self.settings["batch"], self.settings["seq"]
        first = (self.count * dist.get_world_size() + self.rank) * batch
        windows = (len(self.tokens) - 1) // seq
        starts = [(first + row) % windows * seq for row in range(batch)]
        x = np.stack([self.tokens[s : s + seq] for s in starts])
        y = np.stack([self.tokens[s + 1 : s + seq + 1] for s in starts])
        return torch.from_numpy(x), torch.from_numpy(y)

    def step(self):
        begin = time.perf_counter()
        x, y = self.rows()
        logits = self.model(input_ids=x).logits
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings["clip"])
        self.optimizer.step()
        self.optimizer.zero_grad()
        total = loss.detach().clone()
        dist.all_reduce(total)
        loss, norm = total.item() / dist.get_world_size(), norm.full_tensor().item()
        self.count += 1
        return {"ms": (time.perf_counter() - begin) * 1e3, "loss": loss, "grad_norm": norm}


class Gemms:
    """The products of one step of a rank, with their operands as PyTorch has them."""

    def __init__(self, settings):
        dtype = torch.bfloat16 if settings["dtype"] == "bf16" else torch.float32
        rows = settings["batch"] * settings["seq"]
        sizes = [(f, i, o, LAYERS) for f, i, o in (("qkv", WIDTH, 3 * WIDTH), ("proj", WIDTH, WIDTH),
                 ("fc", WIDTH, 4 * WIDTH), ("fc2", 4 * WIDTH, WIDTH))] + [("head", WIDTH, VOCAB, 1)]
        self.products = []
        for name, ins, outs, count in sizes:
            x, dy = torch.randn(rows, ins, dtype=dtype), torch.randn(rows, outs, dtype=dtype)
            # transformers' Conv1D holds [in, out], nn.Linear [out, in].
            weight = torch.randn(outs, ins, dtype=dtype).t() if name == "head" else torch.randn(ins, outs, dtype=dtype)
            y, dx, dw = torch.empty_like(dy), torch.empty_like(x), torch.empty_like(weight)
            grad = (dy.t(), x, dw.t()) if name == "head" else (x.t(), dy, dw)
            for kind, a, b, out in ((" y", x, weight, y), (" dx", dy, weight.t(), dx), (" dw", *grad)):
                self.products.append((name + kind, a, b, out, count, 2e-9 * rows * ins * outs))

    def run(self):
        """{name: (milliseconds of a step, GFLOP of a step)}."""
        result = {}
        for name, a, b, out, count, gflop in self.products:
            begin = time.perf_counter()
            for _ in range(count):
                torch.mm(a, b, out=out)
            result[name] = ((time.perf_counter() - begin) * 1e3, gflop * count)
        return result


def main():
    mode = sys.argv[1]
    if mode == "weights":
        return write_weights(sys.argv[2])
    settings = json.loads(sys.argv[2])
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    loaded = status_bytes("VmRSS")
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    subject = Gemms(settings) if mode == "gemms" else Training(settings, rank, mode == "compiled")
    print(json.dumps({"ready": os.getpid()}), flush=True)
    for command in sys.stdin:
        if command.strip() == "step":
            answer = subject.step()
        elif command.strip() == "gemms":
            answer = subject.run()
        else:
            answer = {"growth": status_bytes("VmHWM") - loaded}
        print(json.dumps(answer), flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
