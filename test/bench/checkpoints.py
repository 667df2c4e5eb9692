#!/usr/bin/env python3
"""What checkpoints cost.

    checkpoints.py BIN MODEL.onnx --compile "FLAGS" [--ranks N --steps N --every N --rounds N]
    checkpoints.py BIN MODEL.onnx --compile "FLAGS" --times

Without --times: the step without checkpoints, with one in the background every
--every steps, and with one that training waits for (--checkpoint-wait), in
turns; medians over the rounds of each round's median step, and their ratios to
the step without. A step that a save falls into is one of them, so that means
are given too.

With --times: a program runs two steps and saves each; how long that save takes
(checkpoint_wait_ms, with --checkpoint-wait), `fsdp-ckpt verify`, and a run that
resumes and has no step to make beside one that begins and makes one.
"""
import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
WARM_UP = 3


def call(command):
    """(standard output, seconds)"""
    begin = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout[-2000:]}")
    return done.stdout, time.monotonic() - begin


class Runs:
    def __init__(self, args, folder):
        self.args, self.folder = args, folder
        self.program, self.saves, self.metrics = (os.path.join(folder, name) for name in ("p.fsdp", "D", "m.jsonl"))
        call([self.tool("compile"), args.model, *args.compile.split(), "--mesh", f"shard={args.ranks}", "-o", self.program])

    def tool(self, name):
        return os.path.join(self.args.bin, f"fsdp-{name}")

    def run(self, steps, *flags, resumes=False):
        """(lines of metrics, standard output, seconds)"""
        if not resumes:
            shutil.rmtree(self.saves, ignore_errors=True)
        output, seconds = call([self.tool("run"), self.program, "--data", self.args.data, "--tokenizer", "bytes",
                                "--comm", "mpi", "--threads", "1", "--steps", str(steps), "--metrics", self.metrics, *flags])
        return [json.loads(line) for line in open(self.metrics)], output, seconds

    def bytes_saved(self):
        newest = max(os.listdir(self.saves), key=lambda name: int(name[5:]) if name.startswith("step-") else -1)
        folder = os.path.join(self.saves, newest)
        return folder, sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder))


def compare_steps(runs):
    args = runs.args
    save = ["--checkpoint-dir", runs.saves, "--checkpoint-every", str(args.every), "--keep", "1"]
    kinds = {"without": [], "background": save, "waiting": [*save, "--checkpoint-wait"]}
    medians, means, waits, growth = ({kind: [] for kind in kinds} for _ in range(4))
    for number in range(args.rounds):
        for kind, flags in kinds.items():
            lines, output, _ = runs.run(args.steps + WARM_UP, *flags)
            steps = [line["step_ms"] + (line.get("checkpoint_wait_ms", 0) if kind == "waiting" else 0) for line in lines[WARM_UP:]]
            medians[kind].append(statistics.median(steps))
            means[kind].append(statistics.mean(steps))
            waits[kind].append(sum(line.get("checkpoint_wait_ms", 0) for line in lines) / (args.steps / args.every))
            growth[kind] += re.findall(r"resident.*", output)[:1]
            print(f"round {number + 1}, {kind}: median {medians[kind][-1]:.0f} ms, mean {means[kind][-1]:.0f} ms, "
                  f"waited {waits[kind][-1]:.0f} ms a checkpoint", flush=True)
    print(f"a checkpoint: {runs.bytes_saved()[1] / 1e9:.2f} GB")
    for kind in kinds:
        print(f"{kind}: median {statistics.median(medians[kind]):.0f} ms "
              f"({statistics.median(medians[kind]) / statistics.median(medians['without']):.3f}), "
              f"mean {statistics.median(means[kind]):.0f} ms "
              f"({statistics.median(means[kind]) / statistics.median(means['without']):.3f}); {growth[kind][-1:]}")


def take_times(runs):
    # What the first save takes is told with the second step.
    save = ["--checkpoint-dir", runs.saves, "--checkpoint-every", "1", "--keep", "1", "--checkpoint-wait"]
    lines, output, _ = runs.run(2, *save)
    print(output[-1500:])
    folder, size = runs.bytes_saved()
    print(f"a checkpoint of {size / 1e9:.2f} GB: step {lines[0]['step_ms'] / 1000:.1f} s, "
          f"save {lines[1]['checkpoint_wait_ms'] / 1000:.1f} s", flush=True)
    verify = call([runs.tool("ckpt"), "verify", folder])[1]
    print(f"fsdp-ckpt verify {verify:.1f} s", flush=True)
    seconds = runs.run(2, *save, "--resume", "latest", resumes=True)[2]
    print(f"resume without a step {seconds:.1f} s", flush=True)
    print(f"beginning with a step {runs.run(1)[2]:.1f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin", metavar="BIN")
    parser.add_argument("model", metavar="MODEL.onnx")
    parser.add_argument("--compile", default="", help="flags of fsdp-compile")
    parser.add_argument("--data", default=os.path.join(ROOT, "README.md"))
    parser.add_argument("--folder", help="where checkpoints are written (default: a temporary one)")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--every", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--times", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        (take_times if args.times else compare_steps)(Runs(args, folder))


if __name__ == "__main__":
    main()
