#!/usr/bin/env python3
"""Checks and measures, on this machine's GPU, what `run.sh pack` has packed.

    run.sh check [build/gpu.tar.xz] [--minutes 8] [--output FOLDER]

Prints tables, in Markdown; --output keeps them as tables.md, with the metrics.
Exit status 1 if an operation, a loss or a norm is not what it should be, or a
sanitizer finds something; what there was no time for is said. Needs Python 3
with numpy; PyTorch's times need torch and transformers.
"""

import argparse
import glob
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile

import cases
from cases import PARITY_CASES, ROOT, ParityCase, parity, speed_cases
from machine import OUT_OF_TIME, Machine, describe
from speed import compare

SANITIZED = ["gpt2-adamw-1", "llama-adamw-bf16-1"]


class Tables:
    def __init__(self):
        self.text, self.failures = "", []

    def say(self, line=""):
        print(line, flush=True)
        self.text += line + "\n"

    def table(self, title, columns, rows):
        """`rows` may be a generator, whose rows are printed as they come."""
        self.say(f"\n## {title}\n")
        self.say("| " + " | ".join(columns) + " |")
        self.say("|" + "---|" * len(columns))
        for row in rows:
            self.say("| " + " | ".join(map(str, row)) + " |")

    def fail(self, what, message):
        self.failures.append(f"{what}: {message}")
        return "**failed**"


class PackedCase(ParityCase):
    """A packed program with a golden, trained and compared with it."""

    def __init__(self, machine, name):
        comm = "nccl" if name[2] == 1 else "mpi"  # ranks share the GPU
        super().__init__(machine.bin, machine.pack, *name, comm=comm)
        self.machine, self.models = machine, os.path.join(machine.pack, "weights")
        self.entry = dict(self.entry, weights="weights.safetensors")
        self.settings = machine.environment

    def compile(self, entry, golden, world, batch):
        return 0, ""

    def self_test(self):
        metrics = os.path.join(self.folder, "self-test.jsonl")
        weights = os.path.join(self.models, self.entry["model"], "weights.safetensors")
        status, output, _ = self.machine.run("fsdp-run", "-n", str(self.world), "--comm", self.comm, self.program,
                                             "--self-test", "--weights", weights, "--metrics", metrics)
        return status, output, read_lines(metrics)


def read_lines(path):
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return [json.loads(line) for line in file]


def problem(output):
    """The first line that says so: what comes after it follows from it."""
    lines = output.strip().splitlines() or ["no output"]
    return next((line for line in lines if "error:" in line), lines[-1])


def packed(machine):
    """The parity cases that are there."""
    for name in PARITY_CASES:
        case = PackedCase(machine, name)
        if os.path.isdir(case.program):
            yield case


def of_class(lines, name):
    return [line for line in lines if line["class"] == name]


CLASSES = ("kernel", "product", "attention", "collective", "memory")


def in_allowed(line):
    """An error in parts of the allowed one; no number stands for one that has no size, as of a byte."""
    if line["error"] is None:
        return float("inf")
    return line["error"] / line["allowed"] if line["allowed"] else float("inf") if line["error"] else 0


def self_tests(machine, tables):
    """A row a program: of each class how many kinds, and the worst error in parts of the allowed one."""
    for case in packed(machine):
        status, output, lines = case.self_test()
        state = "right"
        if status == OUT_OF_TIME:
            state = "no time left"
        elif status or not lines:
            state = tables.fail(f"self-test of {case.name}", problem(output))
        cells = []
        for name in CLASSES:
            found = of_class(lines, name)
            cells.append(f"{len(found)}, {max(map(in_allowed, found)):.2f}" if found else "")
        yield [case.name, *cells, state]


def nccl_alone(machine, tables):
    """NCCL's collectives of one rank, which programs on one GPU have not."""
    status, output, _ = machine.run("nccl-alone")
    if status == OUT_OF_TIME:
        yield ["no time left"]
        return
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    for line in lines:
        if line["problem"]:
            tables.fail(line["name"], line["problem"])
    if status and not any(line["problem"] for line in lines):
        tables.fail("NCCL with one rank", problem(output))
    yield [len(lines), sum(bool(line["problem"]) for line in lines), "**failed**" if status else "right"]


def with_goldens(machine, tables):
    for case in packed(machine):
        if machine.left() <= 0:
            yield [case.name, "", "no time left"]
            continue
        case.worst, case.runs = {}, 0
        error, _ = case.run_and_compare(case.entry, case.golden, case.world)
        state = "right" if not error else tables.fail(f"{case.name} beside PyTorch's", error)
        yield [case.name, ", ".join(f"{key} {worst:.1e}" for key, worst in case.worst.items()), state]


def bandwidths(machine, tables, case, program):
    """Each operation of a program of the size that people train: time, share of a plain copy's bandwidth."""
    metrics = program + ".self-test.jsonl"
    status, output, _ = machine.run("fsdp-run", program, "--self-test", "--metrics", metrics)
    if status == OUT_OF_TIME:
        yield ["no time left"]
    elif status:
        yield [tables.fail(f"self-test of {case.name}", problem(output))]
    for line in read_lines(metrics):
        if line["class"] == "device" or line.get("us") is None:
            continue
        share = f"{100 * line['copy_share']:.0f} %" if line.get("copy_share") is not None else ""
        flops = f"{line['tflops']:.0f}" if line.get("tflops") else ""
        yield [line["class"], line["name"], line["count"], f"{line['us']:.1f}", f"{line['bytes'] / 1e6:,.1f}", share, flops]


def sanitized(machine, tables):
    tool = shutil.which("compute-sanitizer") or shutil.which("compute-sanitizer", path="/usr/local/cuda/bin")
    for name in SANITIZED:
        program = os.path.join(machine.pack, "programs", name, "program.fsdp")
        for check in ("memcheck", "racecheck", "synccheck", "initcheck"):
            if not os.path.isdir(program) or not tool:
                yield [name, check, "not there"]
                continue
            model = name.split("-adamw")[0]
            weights = os.path.join(machine.pack, "weights", model, "weights.safetensors")
            data = os.path.join(cases.PARITY, "tokens-131.u16")
            status, output, seconds = machine.run(
                tool, "--tool", check, "--error-exitcode", "9", "--target-processes", "all",
                os.path.join(machine.bin, "fsdp-run"), program, "--data", data, "--weights", weights, "--steps", "2")
            if status == OUT_OF_TIME:
                yield [name, check, "no time left"]
                continue
            state = "nothing found" if status == 0 else tables.fail(f"{check} of {name}", problem(output))
            yield [name, check, f"{state}, {seconds:.0f} s"]


def check_all(machine, tables, output):
    tables.say(f"# {describe() or 'A GPU that nvidia-smi does not know'}")
    tables.table("Every kind of operation against the CPU: kinds, worst error in parts of the allowed one",
                 ["program", *CLASSES, ""], self_tests(machine, tables))
    tables.table("Collectives of NCCL with one rank, on a stream and in a graph", ["kinds", "wrong", ""],
                 nccl_alone(machine, tables))
    tables.table("Largest relative difference from PyTorch's goldens", ["program", "differences", ""],
                 with_goldens(machine, tables))
    sizes = [(case, os.path.join(machine.pack, "programs", case.name, "program.fsdp")) for case in speed_cases("")]
    sizes = [(case, program) for case, program in sizes if os.path.isdir(program)]
    for case, program in sizes:
        if not case.torch:
            tables.table(f"Operations of {case.name}, batch {case.batch}, sequence {case.seq}",
                         ["class", "operation", "a step", "us", "MB", "of a copy's bandwidth", "TFLOP/s"],
                         bandwidths(machine, tables, case, program))
    if importlib.util.find_spec("torch") and importlib.util.find_spec("transformers"):
        columns = ["program", "side", "ms a step", "tokens/s", "share of the peak", "host ms", "tensors GiB", "GPU GiB",
                   "last loss"]
        for case, program in sizes:
            if case.torch and machine.left() > 60:
                tables.table(f"{case.name}, batch {case.batch}, sequence {case.seq}, bf16, beside FSDP2", columns,
                             compare(machine, case, program))
    tables.table("compute-sanitizer", ["program", "check", ""], sanitized(machine, tables))
    for failure in tables.failures:
        tables.say(f"\nfailed: {failure}")
    tables.say(f"\n{len(tables.failures)} failures, {machine.left():.0f} s left")
    if output:
        with open(os.path.join(output, "tables.md"), "w") as file:
            file.write(tables.text)
        for path in glob.glob(os.path.join(machine.pack, "programs", "*", "*.jsonl")):
            case, name = path.split(os.sep)[-2:]
            shutil.copy(path, os.path.join(output, f"{case}-{name}"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", nargs="?", default=os.path.join(ROOT, "build", "gpu.tar.xz"))
    parser.add_argument("--minutes", type=float, default=8, help="after which nothing more is begun")
    parser.add_argument("--output", help="folder for the tables")
    args = parser.parse_args()
    if not os.path.exists(args.pack):
        sys.exit(f"check: there is no '{args.pack}': make it where the compiler is, by test/gpu/run.sh pack")
    if args.output:
        os.makedirs(args.output, exist_ok=True)
    # Bounds of f32 runs; see cases.py.
    parity.TOLERANCE = cases.TOLERANCE
    with tempfile.TemporaryDirectory() as folder:
        if subprocess.run(["tar", "-xf", args.pack, "-C", folder]).returncode or not os.listdir(folder):
            sys.exit(f"check: '{args.pack}' is no archive of test/gpu/run.sh pack")
        tables = Tables()
        check_all(Machine(os.path.join(folder, "gpu"), args.minutes), tables, args.output)
    return 1 if tables.failures else 0


if __name__ == "__main__":
    sys.exit(main())
