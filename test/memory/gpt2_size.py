#!/usr/bin/env python3
"""GPT-2-124M, exported by PyTorch without weights: compiles, trains 5 steps on 2
and 4 ranks, and stays within its plan.

    gpt2_size.py BIN_FOLDER

Checks, on every rank: measured peak equals the planned one, to the byte; the
resident high-water minus its value before the program was loaded is at most the
plan plus 5 % plus 64 MiB; the plan is at most 1.25 of the lower bound. The
second must catch a variant of the same program whose ranks hold the whole
optimizer state, held against the unchanged program's plan.
"""
import json
import os
import re
import subprocess
import sys
import tempfile

from lower_bound import bound
from plan_records import read_plan

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "..", "parity", "fixtures", "gpt2-124m", "dynamo18-dyn-raw.onnx")
STEPS = 5
RANK = re.compile(r"planned peak (\d+) bytes .*measured (\d+), resident growth (\d+)")


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=500)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}")
    return done.stdout


def compile_program(tools, folder, ranks):
    """Compiles for `ranks`; path of the program and of its planned IR."""
    program, plan = (os.path.join(folder, f"{ranks}.{end}") for end in ("fsdp", "mlir"))
    run([f"{tools}/fsdp-compile", MODEL, "--init", "--dim", "batch=1", "--dim", "seq=256",
         "--loss", "cross_entropy", "--clip-grad-norm", "1.0", "--mesh", f"shard={ranks}",
         "--emit-ir", plan, "-o", program])
    return program, plan


def with_whole_state(tools, folder, plan, ranks):
    """Compiles `plan` again with what a rank has not of the optimizer state: one more
    buffer, zeroed with the rest of the state."""
    with open(plan) as file:
        text = file.read()
    shards = re.findall(r"fsdprt.buffer .*  optimizer .* bytes (\d+) arena", text)
    assert shards, "no optimizer state in the plan"
    rest = sum(map(int, shards)) * (ranks - 1)
    arena = re.search(r'fsdprt.arena 0 "state" bytes (\d+)', text)
    state = int(arena[1])
    text = text.replace(arena[0], f'fsdprt.arena 0 "state" bytes {state + rest}')
    text = text.replace("  fsdprt.phase @init", f'''\
  fsdprt.buffer 999999 "rest" constant unit "" phase "" bytes {rest} arena 0 at {state}
  fsdprt.phase @init''')
    text = re.sub(r'(\n    %\d+ = fsdprt.join)', f'''
    %rest = fsdprt.fill "zero_state" byte 0 on compute [#fsdprt.arg<write 999999[0 : {rest}]>] unit "" scope ""\\1''',
                  text, count=1)
    whole, program = (os.path.join(folder, f"whole.{end}") for end in ("mlir", "fsdp"))
    with open(whole, "w") as file:
        file.write(text)
    run([f"{tools}/fsdp-compile", whole, "-o", program])
    return program


def train(tools, folder, program, ranks):
    """(planned, measured, resident growth) of each rank, in bytes."""
    output = run([f"{tools}/fsdp-run", "-n", str(ranks), program, "--data", os.path.join(folder, "text"),
                  "--tokenizer", "bytes", "--steps", str(STEPS), "--lr", "1e-4", "--check-plan",
                  "--records", os.path.join(folder, "records.json")])
    rows = [tuple(map(int, match)) for match in RANK.findall(output)]
    if len(rows) != ranks or f"step {STEPS}/{STEPS}" not in output:
        sys.exit(f"expected {ranks} ranks and {STEPS} steps:\n{output}")
    return rows


def fits(growth, planned):
    # Beside the plan: libraries' own memory, and what MPI buffers of messages whose
    # receiver is late (up to 55 MB seen, in one of four ranks on two cores).
    return growth <= planned * 1.05 + 64 * 2**20


def check_size(tools, folder, ranks):
    """Trains on `ranks`; returns the planned peak and the planned IR's path."""
    program, plan = compile_program(tools, folder, ranks)
    for planned, measured, growth in train(tools, folder, program, ranks):
        print(f"{ranks} ranks: planned {planned}, measured {measured}, resident growth {growth} "
              f"({growth / planned:.3f} of the plan)", flush=True)
        assert measured == planned, "measured and planned peak differ"
        assert fits(growth, planned), "resident growth exceeds the plan"
    with open(os.path.join(folder, "records.json")) as records:
        least = bound(json.load(records))
    print(f"{ranks} ranks: lower bound {least}, plan / bound {planned / least:.4f}", flush=True)
    assert bound(read_plan(plan)[0]) == least, "the plan's own bound is another"
    assert planned <= 1.25 * least, "the plan is far above the lower bound"
    return planned, plan


def main():
    tools = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "text"), "w") as text:
            text.write("In the beginning God created the heaven and the earth. " * 1000)
        planned, plan = check_size(tools, folder, 2)
        assert check_size(tools, folder, 4)[0] < planned, "more ranks need less memory each"
        program = with_whole_state(tools, folder, plan, 2)
        for _, _, growth in train(tools, folder, program, 2):
            print(f"2 ranks, whole optimizer state: resident growth {growth} "
                  f"({growth / planned:.3f} of the unchanged plan)", flush=True)
            assert not fits(growth, planned), "the check does not notice a whole optimizer state"


if __name__ == "__main__":
    main()
