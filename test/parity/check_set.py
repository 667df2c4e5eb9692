#!/usr/bin/env python3
"""Trains a set's exports and compares them with PyTorch's goldens.

    check_set.py families|cases --bin build/bin [--all] [--jobs 2] [PATTERN ...]

PATTERN selects exports by shell pattern ("bert*/dynamo18-*"). Each export is
trained once: over the four usual ones of a model both optimizers on one and on
two ranks; with --all each with all of these. What the exporter's optimizer left
no record of must be refused as its entry says. EXPECTED.json has, by shell
pattern, what is otherwise: the words that the refusal, one error, of an export
must have ("names") that is not supported, or not without the options beside them
("options"), which may leave parameters out of saved files ("lacks"). Prints one
line a run and their number; exit status 1 when one differs by more than
check.py's tolerance or fails.
"""
import argparse
import fnmatch
import json
import sys
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from check import Checker, options

HERE = Path(__file__).resolve().parent

# The optimizer and the ranks of the one run that an export gets.
ONCE = {
    "dynamo18-dyn-raw": ("adamw", 2),
    "dynamo18-dyn-opt": ("sgd", 1),
    "dynamo23-dyn-raw": ("sgd", 2),
    "dynamo23-dyn-opt": ("adamw", 1),
}


def expected(entry, special):
    """The entry with what EXPECTED.json says of the export, if it does."""
    name = entry["file"].removesuffix(".onnx")
    for pattern, what in special.items():
        if fnmatch.fnmatch(name, pattern):
            refusal = {"expected": "refused: not supported", "option": ""}
            entry = {**entry, **(refusal if "names" in what else {}), **what}
    lacks = entry.get("lacks", ())
    return {**entry, "parameters": [p for p in entry["parameters"] if p[0] not in lacks]}


def runs_of(entry, goldens, everything):
    """(golden, number of ranks) of the runs of one export."""
    once = ONCE.get(entry["variant"], ("adamw", 2))
    for golden in goldens.values():
        for world in golden["worlds"][:2]:
            if everything or (golden["optimizer"], world) == once:
                yield golden, world


def check(args, models, entry, goldens):
    """Every check of one export, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        checker = Checker(args, folder, models)
        if entry["expected"].startswith("refused"):
            checker.check_refusal(entry)
            if "options" not in entry:
                return checker
            checker.compile_args = checker.compile_args + entry["options"]
        for golden, world in runs_of(entry, goldens, args.all):
            error, _ = checker.run_and_compare(entry, golden, world)
            checker.report(f"{entry['file']} {golden['optimizer']} on {world}", error)
        return checker


def selected(folder, patterns):
    """(entry, goldens) of every export that a pattern selects."""
    for path in sorted(folder.glob("*.tar.xz")):
        family = json.loads(Path(str(path).replace(".tar.xz", ".json")).read_text())
        for entry in family["exports"]:
            if any(fnmatch.fnmatch(entry["file"], p) for p in patterns):
                yield entry, family["goldens"]


def main():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("set", choices=("families", "cases"))
    parser = options(__doc__, [parser])
    parser.add_argument("--all", action="store_true", help="every export with every golden")
    parser.add_argument("--jobs", type=int, default=2, help="exports checked at a time")
    args = parser.parse_intermixed_args()
    folder = HERE / args.set
    special = json.loads((folder / "EXPECTED.json").read_text())
    exports = [(expected(e, special), g) for e, g in selected(folder, args.patterns)]
    with tempfile.TemporaryDirectory() as models, ThreadPoolExecutor(args.jobs) as pool:
        for name in sorted({entry["model"] for entry, _ in exports}):
            with tarfile.open(folder / f"{name}.tar.xz") as archive:
                archive.extractall(models, filter="data")
        done = list(pool.map(lambda export: check(args, models, *export), exports))
    failures, runs = sum(c.failures for c in done), sum(c.runs for c in done)
    print(f"{runs} runs, {sum(c.checks for c in done) - runs} refusals, {failures} failed")
    # A pattern that selects nothing is a mistake in the test.
    return 1 if failures or not done else 0


if __name__ == "__main__":
    sys.exit(main())
