"""A program beside PyTorch, in turns."""

import json
import os
import statistics
import sys

import numpy as np

from machine import MemoryWatch

HERE = os.path.dirname(os.path.abspath(__file__))
STEPS, WARM_UP = 25, 5


def write_tokens(path, case):
    """Text-like tokens: few frequent ones, many rare ones."""
    draw = np.random.default_rng(0).random(case.batch * case.seq * 8 + 1)
    tokens = np.minimum(case.vocab - 1, 1 / (1 - draw) ** 2)
    tokens.astype("<u4" if path.endswith(".u32") else "<u2").tofile(path)


def median(values):
    return statistics.median(values[WARM_UP:])


def run_own(machine, case, program, tokens):
    """{"ms", "mfu", ...} of a run, or what went wrong."""
    metrics = program + ".jsonl"
    with MemoryWatch() as memory:
        status, output, _ = machine.run("fsdp-run", program, "--data", tokens, "--steps", str(STEPS), "--lr", "1e-4",
                                        "--metrics", metrics)
    if status:
        return output.strip().splitlines()[-1] if output.strip() else f"exit status {status}"
    steps = [json.loads(line) for line in open(metrics)]
    row = {key: median([step.get(key) or 0 for step in steps]) for key in ("step_ms", "mfu", "host_ms")}
    row.update(memory=memory.most, planned=steps[-1]["planned_peak_bytes"], loss=steps[-1]["loss"])
    return row


def run_torch(machine, case, mode, tokens):
    settings = dict(model=case.torch, batch=case.batch, seq=case.seq, steps=STEPS, tokens=tokens, device="cuda")
    with MemoryWatch() as memory:
        status, output, _ = machine.run(sys.executable, os.path.join(HERE, "torch_side.py"), mode, json.dumps(settings),
                                        own=False)
    if status:
        return output.strip().splitlines()[-1] if output.strip() else f"exit status {status}"
    row = json.loads(output.strip().splitlines()[-1])
    return dict(step_ms=median(row["ms"]), host_ms=median(row["host_ms"]), memory=memory.most,
                planned=row["allocated"], loss=row["loss"][-1])


def gib(count):
    return "" if count is None else f"{count / 2**30:.2f}"


def compare(machine, case, program):
    """Rows of the table: ours before and after PyTorch's, as a machine grows warm. PyTorch's share of the peak is
    from the same count of products."""
    tokens = os.path.join(os.path.dirname(program), "tokens.u32" if case.vocab > 65536 else "tokens.u16")
    write_tokens(tokens, case)
    sides = [("fsdp-run", lambda: run_own(machine, case, program, tokens))]
    sides += [(f"PyTorch, {mode}", lambda mode=mode: run_torch(machine, case, mode, tokens))
              for mode in ("compiled", "eager")]
    rows, products = [], None
    for name, side in [*sides, sides[0]]:
        row = side()
        if isinstance(row, str):
            rows.append([case.name, name, "failed: " + row[:200]])
            continue
        products = products or (row["mfu"] * row["step_ms"] if "mfu" in row else None)
        mfu = f"{100 * products / row['step_ms']:.1f} %" if products else ""
        rows.append([case.name, name, f"{row['step_ms']:.1f}", f"{case.batch * case.seq / row['step_ms'] * 1e3:,.0f}", mfu,
                     f"{row['host_ms']:.1f}", gib(row["planned"]), gib(row["memory"]), f"{row['loss']:.3f}"])
    return rows
