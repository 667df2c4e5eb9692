#!/usr/bin/env python3
"""--placement flat against dim0: planned peak, step and exposed communication.

    placement.py BIN [--rounds N] [--model FILE]

The two programs run in turns, --rounds times each; medians over all steps after
the first 3 of every turn.
"""
import argparse
import json
import os
import random
import statistics
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PLACEMENTS = "flat", "dim0"
WARM = 3


def compile_model(args, placement, output):
    subprocess.run([os.path.join(args.bin, "fsdp-compile"), args.model, "--init", "--dim", "batch=2", "--dim",
                    "seq=256", "--loss", "cross_entropy", "--clip-grad-norm", "1", "--mesh", "shard=2",
                    "--placement", placement, "-o", output], check=True, stderr=subprocess.DEVNULL)


def run_turn(args, program, data, metrics):
    subprocess.run([os.path.join(args.bin, "fsdp-run"), "-n", "2", program, "--data", data, "--tokenizer", "bytes",
                    "--threads", "1", "--steps", str(args.steps + WARM), "--lr", "1e-3", "--metrics", metrics],
                   check=True, stdout=subprocess.DEVNULL)
    with open(metrics) as file:
        return [json.loads(line) for line in file]


def show(placement, steps):
    def median(key):
        return statistics.median(step[key] for step in steps)
    print(f"{placement:4}  peak {steps[0]['planned_peak_bytes']} bytes, step {median('step_ms'):.0f} ms, "
          f"exposed {median('exposed_comm_ms'):.1f} ms, copies {steps[0]['local_copy_bytes']} bytes, "
          f"fastest step {min(step['step_ms'] for step in steps):.0f} ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin", help="folder of fsdp-compile and fsdp-run")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5, help="of each turn, after the warm-up")
    parser.add_argument("--model", default=os.path.join(ROOT, "examples", "gpt", "model.onnx"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "data.txt")
        with open(data, "wb") as file:
            file.write(random.Random(0).randbytes(1 << 18))
        losses, steps = {}, {placement: [] for placement in PLACEMENTS}
        for placement in PLACEMENTS:
            compile_model(args, placement, os.path.join(folder, placement))
        for _ in range(args.rounds):
            for placement in PLACEMENTS:
                lines = run_turn(args, os.path.join(folder, placement), data, os.path.join(folder, "metrics"))
                losses[placement] = [line["loss"] for line in lines]
                steps[placement] += lines[WARM:]
    for placement in PLACEMENTS:
        show(placement, steps[placement])
    apart = max(abs(a - b) / a for a, b in zip(losses["flat"], losses["dim0"]))
    print(f"losses differ by at most {apart:.1e}")


if __name__ == "__main__":
    main()
