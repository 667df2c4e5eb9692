#!/usr/bin/env python3
"""GPT-2-124M here and with PyTorch's FSDP2, step by step in turn.

    compare_fsdp2 BIN_FOLDER --torch-python PYTHON [--dtype fp32|bf16] [--modes eager,compiled]

Two ranks over two cores, each rank with all its threads on one core; batch 4 a rank,
sequence 256, AdamW, clip 1.0. Every side runs one step while the others stand still:
fsdp-run blocks in writing its metrics to a full pipe, and its ranks are stopped;
PyTorch's ranks wait for a line of standard input. Prints medians over the steps after
the warm-up, memory, and where the time goes.
"""

import argparse
import os
import statistics
import subprocess
import tempfile

from sides import Ours, Torch
from table import print_gemms, print_operations, read_trace

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "..", "..", "parity", "fixtures", "gpt2-124m", "dynamo18-dyn-raw.onnx")
WARM_UP = 3


def write_tokens(path):
    """Text-like tokens, the same on every machine: few frequent ones, many rare ones."""
    state, tokens = 12345, []
    for _ in range(60000):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        tokens.append(min(50256, int(1 / (1 - (state >> 11) / 2**53) ** 2)))
    with open(path, "wb") as file:
        file.write(b"".join(token.to_bytes(2, "little") for token in tokens))


def compile_program(args, settings, folder):
    program, plan = os.path.join(folder, "gpt2.fsdp"), os.path.join(folder, "plan.mlir")
    command = [f"{args.bin}/fsdp-compile", MODEL, "--init", "--loss", "cross_entropy",
               "--dim", f"batch={settings['batch']}", "--dim", f"seq={settings['seq']}",
               "--clip-grad-norm", str(settings["clip"]), "--mesh", f"shard={len(args.cores)}",
               "--weight-decay", str(settings["weight_decay"]), "--emit-ir", plan, "-o", program]
    if settings["dtype"] == "bf16":
        command += ["--param-dtype", "bfloat16", "--reduce-dtype", "float32", "--output-dtype", "float32"]
    subprocess.run(command + args.compile_args.split(), check=True, stderr=subprocess.DEVNULL)
    return program, plan


def run(args, settings, folder):
    """Runs all sides in turn; (rows of ours, rows of each mode, growths, GEMMs, trace)."""
    program, plan = compile_program(args, settings, folder)
    trace = os.path.join(folder, "trace.json")
    steps = WARM_UP + args.steps
    gemms = Torch(args.torch_python, "gemms", settings, args.cores)
    torch = {mode: Torch(args.torch_python, mode, settings, args.cores) for mode in args.modes}
    ours = Ours(args.bin, program, settings, args.cores, folder, steps, trace)
    rows, products = {mode: [] for mode in torch}, []
    for step in range(steps):
        if step:
            ours.step()
        for mode, side in torch.items():
            rows[mode].append(side.step())
        if step >= WARM_UP and step % 3 == 0:
            products.append(gemms.ask("gemms")[0])
        print(f"step {step + 1}/{steps}: " + ", ".join(
            f"{mode} {rows[mode][-1]['ms']:.0f} ms" for mode in torch), flush=True)
    growth = {mode: max(side.finish()) for mode, side in torch.items()}
    growth["ours"] = max(ours.finish())
    gemms.finish()
    return ours.rows, rows, growth, products, read_trace(trace, plan)


def median(rows, key):
    return statistics.median(row[key] for row in rows[WARM_UP:])


def report(ours, torch, growth, products, trace):
    step = median(ours, "step_ms")
    own_gemms = sum(time for kind, time in trace.by_operation().items() if kind == "gemm")
    times = {mode: median(rows, "ms") for mode, rows in torch.items()}
    their_gemms = statistics.median(sum(ms for ms, _ in p.values()) for p in products)
    best = min(times.values())
    print("\nours: step {:.0f} ms, GEMMs {:.0f} ms, resident growth {:.3f} GiB".format(
        step, own_gemms, growth["ours"] / 2**30))
    for mode, time in times.items():
        worst = max(abs(a["loss"] - b["loss"]) / abs(b["loss"]) for a, b in zip(ours, torch[mode]))
        print(f"PyTorch {mode}: step {time:.0f} ms, resident growth {growth[mode] / 2**30:.3f} GiB; "
              f"largest relative difference of the loss {worst:.1e}")
    print(f"PyTorch's GEMMs back to back: {their_gemms:.0f} ms")
    print(f"step / PyTorch's: {step / best:.3f}")
    print(f"(step - GEMMs) / PyTorch's: {(step - own_gemms) / (best - their_gemms):.3f}")
    least = min(growth[mode] for mode in torch)
    print(f"resident growth / PyTorch's: {growth['ours'] / least:.3f}")
    print_operations(trace)
    print_gemms(trace, products)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin")
    parser.add_argument("--torch-python", required=True)
    parser.add_argument("--dtype", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--modes", type=lambda text: text.split(","), default=["eager", "compiled"])
    parser.add_argument("--steps", type=int, default=10, help="measured, after 3 of warm-up")
    parser.add_argument("--cores", type=lambda text: [int(c) for c in text.split(",")], default=[0, 1])
    parser.add_argument("--compile-args", default="", help="more arguments of fsdp-compile")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = dict(batch=4, seq=256, lr=1e-4, clip=1.0, weight_decay=0.1, dtype=args.dtype,
                        tokens=os.path.join(folder, "tokens.u16"),
                        weights=os.path.join(folder, "weights.safetensors"))
        write_tokens(settings["tokens"])
        subprocess.run([args.torch_python, os.path.join(HERE, "fsdp2_rank.py"), "weights",
                        settings["weights"]], check=True)
        report(*run(args, settings, folder))


if __name__ == "__main__":
    main()
