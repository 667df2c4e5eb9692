#!/usr/bin/env python3
"""GPT-2-124M, exported by PyTorch without weights: compiles, trains 5 steps on 2
and 4 ranks, and stays within its plan.

    gpt2_size.py BIN_FOLDER

Checks, on every rank: measured peak equals the planned one, to the byte, and
the resident high-water minus its value before the program was loaded is at most
the plan plus 5 % plus 32 MiB. The same check must catch a rank that holds the
whole optimizer state: the program for one rank, held against the plan for two.
"""
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "..", "parity", "fixtures", "gpt2-124m", "dynamo18-dyn-raw.onnx")
STEPS = 5
RANK = re.compile(r"planned peak (\d+) bytes .*measured (\d+), resident growth (\d+)")


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=500)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}")
    return done.stdout


def train(tools, folder, ranks):
    """(planned, measured, resident growth) of each rank, in bytes."""
    program = os.path.join(folder, f"{ranks}.fsdp")
    run([f"{tools}/fsdp-compile", MODEL, "--init", "--dim", "batch=1", "--dim", "seq=256",
         "--loss", "cross_entropy", "--clip-grad-norm", "1.0", "--mesh", f"shard={ranks}", "-o", program])
    output = run([f"{tools}/fsdp-run", "-n", str(ranks), program, "--data", os.path.join(folder, "text"),
                  "--tokenizer", "bytes", "--steps", str(STEPS), "--lr", "1e-4", "--check-plan"])
    rows = [tuple(map(int, match)) for match in RANK.findall(output)]
    if len(rows) != ranks or f"step {STEPS}/{STEPS}" not in output:
        sys.exit(f"expected {ranks} ranks and {STEPS} steps:\n{output}")
    return rows


def fits(growth, planned):
    return growth <= planned * 1.05 + 32 * 2**20


def main():
    tools = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "text"), "w") as text:
            text.write("In the beginning God created the heaven and the earth. " * 1000)
        plans = {}
        for ranks in 2, 4:
            for planned, measured, growth in train(tools, folder, ranks):
                plans[ranks] = planned
                print(f"{ranks} ranks: planned {planned}, measured {measured}, resident growth {growth} "
                      f"({growth / planned:.3f} of the plan)", flush=True)
                assert measured == planned, "measured and planned peak differ"
                assert fits(growth, planned), "resident growth exceeds the plan"
        assert plans[4] < plans[2], "more ranks need less memory each"
        (_, _, growth), = train(tools, folder, 1)
        print(f"1 rank, whole optimizer state: resident growth {growth}")
        assert not fits(growth, plans[2]), "the check does not notice a whole optimizer state"


if __name__ == "__main__":
    main()
