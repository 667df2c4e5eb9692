#!/usr/bin/env python3
"""Breaks a plan in small ways and runs what comes of it on the simulated GPU.

    check.py --bin build/bin --simulator build/test/simcuda [--schedules 50] [--arguments 20] [--seed 1]

For each kind of mistake in kinds.py mutants of a few plans, in turn, are drawn until as many were rejected by the
compiler's verifiers as --schedules (--arguments for those of a kernel's arguments) says; those that were accepted on
the way are run too. Which dispatches race is found out by plan.py. Then
- a mutant of which two dispatches touch the same bytes unordered must be reported as a race of two such dispatches,
- one that announces less than a kernel touches must be reported as an access of that kernel,
- of the rest, those in which everything reads what it did in the plan must end with the plan's bits; the others read
  other bytes, but in order: they may end with any, or in another failure than a race,
- the verifier accepts no mutant that races.
Prints a table and every mutant that breaks a rule; exit status 1 if one does.
"""
import argparse
import collections
import itertools
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

import kinds
from plan import Flow, Plan, races

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
PARITY = os.path.join(ROOT, "test", "parity")
PLANS = [("gpt2", []), ("llama", ["--param-dtype", "bfloat16"]), ("qwen3", ["--placement", "dim0"]),
         ("gpt-neox", ["--reduce-in-flight", "2", "--recompute", "**.0"])]
FLAGS = ["--dim", "batch=1", "--dim", "seq=4", "--loss", "cross_entropy", "--clip-grad-norm", "1", "--mesh", "shard=2",
         "--target", "cuda", "--gpu-arch", "simulated"]
NAMED = r"'([^']*)'(?: of unit '([^']*)')?"
RACE = re.compile(rf"simcuda: race on device \d+: {NAMED} on [^:]*? and {NAMED} on ")
ACCESS = re.compile(rf"simcuda: kernel '[^']*' of {NAMED} on [^:]*: thread \d+ of block \d+ (?:loads|stores) ")
COLUMNS = ("made", "rejected", "racing", "reported", "missed", "accesses reported", "missed ", "same bits",
           "other bytes, in order", "wrong")


def must(command, **rest):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **rest)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


def label(match, first):
    return match[first], match[first + 1] or ""


class Runner:
    """Lowers what becomes of a model's plan, and runs it."""

    def __init__(self, args, folder, name, flags):
        self.args, self.folder, self.name, self.runs = args, os.path.join(folder, name), name, 0
        os.mkdir(self.folder)
        self.base = self.path("base.fsdp")
        model = os.path.join(PARITY, "fixtures", name, "dynamo18-dyn-raw.onnx")
        must([os.path.join(args.bin, "fsdp-compile"), model, *FLAGS, *flags, "-o", self.base, "--emit-ir",
              self.path("p.mlir")])
        with open(self.path("p.mlir")) as file:
            self.plan = Plan(file.read())
        self.flow = Flow(self.plan).found
        status, self.errors, self.bits = self.run(self.base)
        if status or races(self.plan):
            sys.exit(f"the plan of {name} itself fails or races: {self.errors}")

    def path(self, name):
        return os.path.join(self.folder, name)

    def lower(self, text):
        """What the verifiers say of a plan, and its program."""
        with open(self.path("mutant.mlir"), "w") as file:
            file.write(text)
        program = self.path("mutant.fsdp")
        shutil.rmtree(program, ignore_errors=True)
        return must([os.path.join(self.args.bin, "lower-unchecked"), self.path("mutant.mlir"), self.base,
                     program]).strip(), program

    def run(self, program):
        """(exit status, what was said, losses and parameters)."""
        self.runs += 1
        save, metrics = self.path("s.safetensors"), self.path("m.jsonl")
        for file in save, metrics:
            if os.path.exists(file):
                os.remove(file)
        done = subprocess.run(
            [os.path.join(self.args.bin, "fsdp-run"), program, "--data", os.path.join(PARITY, "tokens-131.u16"),
             "--steps", "3", "--accumulate", "2", "--timeout", "120", "--comm", self.args.comm, "--save", save, "--metrics", metrics],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=600,
            env=dict(os.environ, LD_LIBRARY_PATH=os.path.abspath(self.args.simulator), SIMCUDA_ORDERS="0",
                     SIMCUDA_SEED=str(1000 * self.args.seed + self.runs)))
        if done.returncode:
            return done.returncode, done.stderr, None
        with open(save, "rb") as file, open(metrics) as lines:
            steps = [json.loads(line) for line in lines]
            return 0, done.stderr, (file.read(), [(one["loss"], one["grad_norm"]) for one in steps])


class Verdict:
    """What became of one mutant; `wrong` is "" where it is as it must be."""

    def __init__(self, runner, mutant, line, is_argument):
        self.rejected, program = runner.lower(mutant.text())
        self.is_rejected = self.rejected != "accepted"
        self.pairs = races(mutant)
        self.status, self.errors, bits = runner.run(program)
        race = RACE.search(self.errors)
        self.reported = race and (label(race, 1), label(race, 3))
        self.is_racing, self.is_argument = bool(self.pairs), is_argument
        access, changed = ACCESS.search(self.errors), mutant.dispatch_at(line)
        self.access = is_argument and access and label(access, 1) == changed.label
        self.same_bits = bits == runner.bits
        self.same_flow = not self.pairs and not is_argument and Flow(mutant).found == runner.flow
        self.wrong = self.judge()

    def judge(self):
        if self.pairs and not self.is_rejected:
            return "races and the verifier accepts it"
        if self.access:
            return ""
        if self.reported:
            known = {frozenset((a.label, b.label)) for a, b in self.pairs}
            return "" if frozenset(self.reported) in known else "is no race of these two"
        if self.pairs or self.is_argument:
            return "is not reported"
        if self.same_flow and not self.same_bits:
            return "does not end with the plan's bits"
        return ""

    def count(self, row):
        row["made"] += 1
        row["rejected"] += self.is_rejected
        row["racing"] += self.is_racing
        row["reported"] += bool(self.reported)
        row["missed"] += self.is_racing and not self.reported and not self.access
        row["accesses reported"] += bool(self.access)
        row["missed "] += bool(self.is_argument and not self.access and not self.reported)
        row["same bits"] += self.same_bits
        row["other bytes, in order"] += not (self.is_racing or self.is_argument or self.same_flow)
        row["wrong"] += bool(self.wrong)


def mutants(make, runners, draws):
    """Distinct ones, of each plan in turn, until a hundred draws gave no new one."""
    seen, vain = set(), 0
    for runner in itertools.cycle(runners):
        made = make(runner.plan, draws)
        if not made or (runner.name, *made[:2]) in seen:
            vain += 1
            if vain == 100:
                return
            continue
        vain = 0
        line, text, description = made
        seen.add((runner.name, line, text))
        yield runner, f"{runner.name}: {description}", Plan(runner.plan.text(line, text)), line


def check(runners, name, make, wanted, draws, verbose):
    """A row of the table."""
    row = collections.Counter({column: 0 for column in COLUMNS})
    for runner, description, mutant, line in mutants(make, runners, draws):
        if row["rejected"] >= wanted:
            break
        verdict = Verdict(runner, mutant, line, make in kinds.ARGUMENTS.values())
        verdict.count(row)
        if verdict.wrong or verbose:
            pairs = ", ".join(f"{a} and {b}" for a, b in verdict.pairs[:3])
            print(f"{'FAIL' if verdict.wrong else 'ok  '} {name}: {description}: {verdict.wrong}\n"
                  f"  verifier: {verdict.rejected}\n  races: {pairs or 'none'}\n  exit status {verdict.status}, bits "
                  f"{'same' if verdict.same_bits else 'other'}: {verdict.errors.strip()[:400]}", flush=True)
    print("| " + " | ".join([name, *(str(row[column]) for column in COLUMNS)]) + " |", flush=True)
    if row["rejected"] < wanted:
        sys.exit(f"{name}: only {row['rejected']} mutants that the verifiers reject")
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/bin", help="folder of the tools and of lower-unchecked")
    parser.add_argument("--simulator", default="build/test/simcuda", help="folder of the simulated libraries")
    parser.add_argument("--schedules", type=int, default=50, help="rejected mutants of each kind of schedule")
    parser.add_argument("--arguments", type=int, default=20, help="rejected mutants of each kind of argument")
    parser.add_argument("--comm", default="nccl", choices=["nccl", "mpi"], help="who moves collectives")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random")
    parser.add_argument("--verbose", action="store_true", help="a line of each mutant")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runners = [Runner(args, folder, name, flags) for name, flags in PLANS]
        print("| mutants | " + " | ".join(column.strip() for column in COLUMNS) + " |")
        rows = [check(runners, name, make, wanted, random.Random(f"{args.seed} {name}"), args.verbose)
                for group, wanted in ((kinds.SCHEDULE, args.schedules), (kinds.ARGUMENTS, args.arguments))
                for name, make in group.items() if wanted]
    total = sum((row for row in rows), collections.Counter())
    print("| all | " + " | ".join(str(total[column]) for column in COLUMNS) + " |")
    return 1 if total["wrong"] or total["missed"] or total["missed "] else 0


if __name__ == "__main__":
    sys.exit(main())
