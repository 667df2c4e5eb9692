"""Watches what the CPU's kernels of example models touch.

    plan_access.py BIN

Plans the models below and has plan-access-test, in BIN, run every kernel. Exit status 1 when one touches what the plan
does not say.
"""
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
FIXTURES = os.path.join(ROOT, "test", "parity", "fixtures")
FLAGS = ["--init", "--dim", "batch=2", "--dim", "seq=12", "--mesh", "shard=2", "--clip-grad-norm", "1"]
LOSS = ["--loss", "cross_entropy"]
BF16 = ["--param-dtype", "bfloat16"]
PLANS = [
    ("gpt2", LOSS), ("gpt2", [*LOSS, *BF16]), ("gpt2-eager", LOSS), ("gpt2-loss", []), ("llama", LOSS),
    ("llama", [*LOSS, *BF16]), ("llama-tied", [*LOSS, *BF16]), ("qwen3", LOSS), ("qwen3", [*LOSS, *BF16]),
    ("gpt-neox", LOSS), ("gpt-neox", [*LOSS, *BF16]), ("nanogpt-uneven", [*LOSS, "--placement", "dim0"]),
    ("nanogpt-hard", [*LOSS, "--optimizer", "sgd", "--momentum", "0.9"]), ("tower", [*LOSS, "--recompute", "**.0"]),
    ("gpt2", [*LOSS, "--optimizer", "adafactor"]), ("llama", [*LOSS, "--optimizer", "adafactor", "--placement", "dim0"]),
    ("llama-tied", [*LOSS, *BF16, "--optimizer-dtype", "bfloat16"]),
]


def plan(binaries, name, flags, path):
    variant = "dynamo18-dyn-raw-kept" if name == "nanogpt-hard" else "dynamo18-dyn-raw"
    subprocess.run([os.path.join(binaries, "fsdp-compile"), os.path.join(FIXTURES, name, variant + ".onnx"), *FLAGS,
                    *flags, "--emit-ir", path], check=True, stderr=subprocess.DEVNULL)
    return path


def main():
    binaries = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        plans = [plan(binaries, name, flags, os.path.join(folder, f"{number}-{name}.mlir"))
                 for number, (name, flags) in enumerate(PLANS)]
        return subprocess.run([os.path.join(binaries, "plan-access-test"), *plans]).returncode


if __name__ == "__main__":
    sys.exit(main())
