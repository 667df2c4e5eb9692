#!/usr/bin/env python3
"""What fsdp-ckpt exports, loaded by transformers, goes on as the run does.

For each fixture five steps of SGD on two ranks, a checkpoint, an export in
several files, and from there five more steps here and in PyTorch on the same
rows. Needs torch, transformers and safetensors.

    python3 test/bench/round_trip.py --bin build/bin
"""
import argparse
import array
import json
import os
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file

PARITY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "parity")
sys.path.insert(0, PARITY)
import models  # noqa: E402

TOKENS = os.path.join(PARITY, "tokens-131.u16")
SEQ, ROWS, RATE = 32, 4, 0.1  # two ranks of two rows
BUILD = {"gpt2": models.gpt2, "llama": models.llama, "llama-tied": lambda: models.llama(tie_word_embeddings=True),
         "qwen3": models.qwen3}


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr}")


def state_of(folder):
    with open(folder + "/model.safetensors.index.json") as file:
        files = set(json.load(file)["weight_map"].values())
    return {name: tensor for file in files for name, tensor in load_file(f"{folder}/{file}").items()}


def go_on(model):
    """Losses of steps 6 to 10."""
    with open(TOKENS, "rb") as file:
        tokens = torch.tensor(array.array("H", file.read()).tolist())
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    losses = []
    for step in range(5, 10):
        rows = torch.stack([tokens[row * SEQ:row * SEQ + SEQ + 1] for row in range(ROWS * step, ROWS * (step + 1))])
        logits = model(input_ids=rows[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), rows[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def check(name, bin_folder, folder):
    tool = lambda tool: os.path.join(bin_folder, tool)
    program, checkpoints, out = (os.path.join(folder, part) for part in ("p.fsdp", "ckpt", "export"))
    run(tool("fsdp-compile"), f"{PARITY}/fixtures/{name}/dynamo18-dyn-raw.onnx", "--dim", "batch=2", "--dim",
        f"seq={SEQ}", "--loss", "cross_entropy", "--optimizer", "sgd", "--mesh", "shard=2", "-o", program)
    train = [tool("fsdp-run"), program, "--comm", "thread", "--lr", str(RATE), "--shuffle", "off",
             "--checkpoint-dir", checkpoints]
    run(*train, "--steps", "5", "--data", TOKENS)
    run(tool("fsdp-ckpt"), "export", checkpoints + "/step-5", out, "--max-shard", "60KB")
    model = BUILD[name]()
    model.load_state_dict(state_of(out), strict=True)
    model.config.save_pretrained(out)
    loaded, info = type(model).from_pretrained(out, output_loading_info=True)
    if any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")):
        sys.exit(f"{name}: from_pretrained: {info}")
    if not all(torch.equal(a, b) for a, b in zip(model.parameters(), loaded.parameters())):
        sys.exit(f"{name}: from_pretrained has other values")
    metrics = os.path.join(folder, "m.jsonl")
    run(*train, "--steps", "10", "--resume", "latest", "--metrics", metrics, "--data", TOKENS)
    with open(metrics) as file:
        ours = [json.loads(line)["loss"] for line in file]
    return max(abs(a - b) for a, b in zip(ours, go_on(loaded), strict=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/bin", help="where the tools are")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    worst = 0
    for name in BUILD:
        with tempfile.TemporaryDirectory() as folder:
            apart = check(name, arguments.bin, folder)
        print(f"{name}: loads strictly, losses of 5 steps apart by at most {apart:.1e}", flush=True)
        worst = max(worst, apart)
    sys.exit(worst > 1e-5)


if __name__ == "__main__":
    main()
