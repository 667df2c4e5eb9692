#!/usr/bin/env python3
"""Trains the families' exports and compares them with PyTorch's goldens.

    check_families.py --bin build/bin [--all] [--jobs 2] [PATTERN ...]

PATTERN selects exports by shell pattern ("bert*/dynamo18-*"). Each export is
trained once: over the four of a family both optimizers on one and on two ranks;
with --all each with all of these. What the exporter's optimizer left no record
of must be refused as its entry says. EXPECTED.json has, by shell pattern, the
words that the refusal, one error, of an export must have ("names") that is not
supported yet, or not without the options beside them ("options"), after which saved
files may lack names ("lacks"). Prints one line a run and their number; exit status 1 when one differs by more than check.py's tolerance or
fails.
"""
import fnmatch
import json
import sys
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))
from check import Checker, options  # noqa: E402

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
    return entry


def runs_of(entry, goldens, everything):
    """(golden, number of ranks) of the runs of one export."""
    for golden in goldens.values():
        for world in golden["worlds"][:2]:
            if everything or (golden["optimizer"], world) == ONCE[entry["variant"]]:
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


def selected(patterns):
    """(entry, goldens) of every export that a pattern selects."""
    for path in sorted(HERE.glob("*.tar.xz")):
        family = json.loads(Path(str(path).replace(".tar.xz", ".json")).read_text())
        for entry in family["exports"]:
            if any(fnmatch.fnmatch(entry["file"], p) for p in patterns):
                yield entry, family["goldens"]


def main():
    parser = options(__doc__)
    parser.add_argument("--all", action="store_true", help="every export with every golden")
    parser.add_argument("--jobs", type=int, default=2, help="exports checked at a time")
    args = parser.parse_args()
    special = json.loads((HERE / "EXPECTED.json").read_text())
    exports = [(expected(e, special), g) for e, g in selected(args.patterns)]
    with tempfile.TemporaryDirectory() as models, ThreadPoolExecutor(args.jobs) as pool:
        for name in sorted({entry["model"] for entry, _ in exports}):
            with tarfile.open(HERE / f"{name}.tar.xz") as archive:
                archive.extractall(models, filter="data")
        done = list(pool.map(lambda export: check(args, models, *export), exports))
    failures, runs = sum(c.failures for c in done), sum(c.runs for c in done)
    print(f"{runs} runs, {sum(c.checks for c in done) - runs} refusals, {failures} failed")
    # A pattern that selects nothing is a mistake in the test.
    return 1 if failures or not done else 0


if __name__ == "__main__":
    sys.exit(main())
