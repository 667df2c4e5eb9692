"""Imports every fixture of the parity tests and holds the parameters that come
out against PyTorch's: names, shapes, ties, padding rows; or finds it refused.

    python fixtures.py FSDP_OPT FIXTURES [--report]
"""

import json
import re
import subprocess
import sys
from pathlib import Path

PARAMETER = re.compile(r'onnx\.parameter @"?([^" ]+)"? : tensor<((?:\d+x)*)f32>(.*)')


def arguments(entry):
    flags = ["--init", "--mlir-elide-elementsattrs-if-larger=8"]
    if "batch" in entry["inputs"][0]["dims"]:
        flags += ["--dim", "batch=2", "--dim", f"seq={entry['seq']}"]
    names = [given["name"] for given in entry["inputs"]]
    if "attention_mask" in names:
        flags += ["--bind", "attention_mask=1"]
    if entry["exporter"] == "legacy":
        for name, row in entry["padding_idx"].items():
            flags += ["--padding-idx", f"{name}={row}"]
        for name, *_ in entry["buffers"]:
            flags += ["--freeze", name]
    if entry["weights"] == "inputs" or entry["variant"].endswith("-inputs"):
        flags += ["--param", "**.weight", "--param", "**.bias"]
    return flags


def imported(text):
    parameters, ties = {}, {}
    for name, dims, rest in PARAMETER.findall(text):
        if re.search(r"[{ ,]buffer[,}]", rest):
            continue
        shape = [int(extent) for extent in dims.split("x") if extent]
        parameters[name] = shape
        aliases = re.search(r"aliases = \[([^\]]*)\]", rest)
        for alias in re.findall(r'"([^"]*)"', aliases[1]) if aliases else []:
            parameters[alias] = shape
            ties[alias] = name
    return parameters, ties


def check(entry, run):
    """What is wrong with the import of one fixture, or None."""
    refused = entry["expected"].startswith("refused")
    if refused != (run.returncode != 0):
        return f"expected '{entry['expected']}', got status {run.returncode}: {run.stderr}"
    if refused:
        return None if run.stderr.count("error: ") == 1 else f"not one error: {run.stderr}"
    parameters, ties = imported(run.stdout)
    wanted = dict(map(tuple, entry["parameters"]))
    if entry["exporter"] == "legacy":
        # This exporter does not tell buffers from parameters.
        wanted.update({name: dims for name, dims, _ in entry["buffers"]})
        # It leaves no trace of what is not read.
        wanted = {n: s for n, s in wanted.items() if n not in entry["unused"] or n in parameters}
    if parameters != wanted:
        differ = {n for n in {*parameters, *wanted} if parameters.get(n) != wanted.get(n)}
        return f"parameters differ: {sorted(differ)}"
    if ties != entry["ties"]:
        return f"ties {ties}, expected {entry['ties']}"
    padding = len(entry["padding_idx"])
    if run.stdout.count("padding_idx = ") != padding:
        return f"{run.stdout.count('padding_idx = ')} padding rows, expected {padding}"
    if "onnx.node" in run.stdout:
        return "has unsupported nodes"
    return None


def main():
    tool, folder = sys.argv[1], Path(sys.argv[2])
    entries = json.loads((folder / "MANIFEST.json").read_text())
    failures = 0
    for entry in entries:
        run = subprocess.run(
            [tool, folder / entry["file"], *arguments(entry)],
            capture_output=True, text=True, timeout=120,
        )
        problem = check(entry, run)
        failures += problem is not None
        print(f"{entry['file']}: {problem or 'as expected'}")
    print(f"{len(entries)} fixtures, {failures} not as expected")
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
