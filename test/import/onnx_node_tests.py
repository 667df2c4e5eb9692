"""Runs ONNX's own tests of single operators (onnx/backend/test/data/node):
each model is imported, compiled and run, its results held against the file's.

    python onnx_node_tests.py ONNX_VALUES [--floor N] [--list] [PATTERN...]

A model is tried as it is, then with the inputs that an operator may need to
know (integers and truth values, and scalars after the first) as constants.
Prints how many import, and what is still outside the set by operator; fails
where a result is wrong, or fewer than `--floor` are right.
"""

import argparse
import collections
import fnmatch
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
from onnx import helper, numpy_helper

FOLDER = pathlib.Path(onnx.__file__).parent / "backend/test/data/node"


class Refused(Exception):
    pass


class Tool:
    """One process of onnx-values, fed with requests; one that takes minutes to answer hangs."""
    SECONDS = 120

    def __init__(self, path):
        self.command = [path]
        self.process = None

    def ask(self, model, inputs):
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=subprocess.DEVNULL, text=True)
        with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
            file.write(model.SerializeToString())
            file.flush()
            request = {"model": file.name, "inputs": [elements(x) for x in inputs]}
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line, hangs = self.answer()
        if hangs:
            raise RuntimeError(f"no answer in {self.SECONDS} s")
        if not line:
            raise RuntimeError(f"crashed with status {self.process.wait()}")
        reply = json.loads(line)
        if "error" in reply:
            raise Refused(reply["error"])
        return reply["outputs"]

    def answer(self):
        """A line, and whether the process was ended because none came."""
        late = []

        def end():
            late.append(True)
            self.process.kill()
        watch = threading.Timer(self.SECONDS, end)
        watch.start()
        line = self.process.stdout.readline()
        watch.cancel()
        if not line:
            self.process.wait()
        return line, bool(late) and not line


def elements(array):
    values = np.asarray(array).reshape(-1)
    if values.dtype.kind not in "fiub":
        raise Refused(f"elements of type {values.dtype}")
    return [x if np.isfinite(x) else str(x) for x in values.astype(float).tolist()]


def load(path):
    """The tensor in a file of a data set, None for what is no tensor."""
    tensor = onnx.TensorProto()
    try:
        tensor.ParseFromString(path.read_bytes())
        array = numpy_helper.to_array(tensor)
    except Exception:  # a sequence, an optional, a type that numpy has not
        return None
    return array.astype(np.float32) if array.dtype.kind == "V" else array


def data(folder, kind):
    count = len(list((folder / "test_data_set_0").glob(f"{kind}_*.pb")))
    return [load(folder / "test_data_set_0" / f"{kind}_{i}.pb") for i in range(count)]


def with_constants(model, inputs):
    """The model with what an operator may need to know as constants."""
    known = onnx.ModelProto()
    known.CopyFrom(model)
    graph, kept = known.graph, []
    places = [i for i, x in enumerate(inputs)
              if x is not None and (x.dtype.kind in "iub" or (i > 0 and x.size == 1))]
    for i in reversed(places):
        value = numpy_helper.from_array(inputs[i], graph.input[i].name)
        graph.node.insert(0, helper.make_node("Constant", [], [graph.input[i].name], value=value))
        del graph.input[i]
    kept = [x for i, x in enumerate(inputs) if i not in places]
    return known, kept


def outputs_of(tool, folder):
    """The tool's outputs and whether constants were needed."""
    model = onnx.load(folder / "model.onnx")
    inputs = data(folder, "input")
    if any(x is None for x in inputs):
        raise Refused("an input that is no tensor of numbers")
    try:
        return tool.ask(model, inputs), False
    except Refused as first:
        known, kept = with_constants(model, inputs)
        if len(kept) == len(inputs):
            raise
        try:
            return tool.ask(known, kept), True
        except Refused as second:
            raise second if "unsupported" in str(first) else first


def problem_of(outputs, wanted):
    for i, (output, expected) in enumerate(zip(outputs, wanted)):
        if expected is None:
            return f"output {i} is no tensor"
        if list(expected.shape) != output["shape"]:
            return f"output {i} of shape {output['shape']}, expected {list(expected.shape)}"
        values = np.array(output["values"], np.float64).reshape(expected.shape)
        loose = expected.dtype.itemsize == 2
        if not np.allclose(values, expected.astype(np.float64), rtol=2e-2 if loose else 1e-3,
                           atol=1e-2 if loose else 1e-6, equal_nan=True):
            return f"output {i} is {values.reshape(-1)[:8]}, expected {expected.reshape(-1)[:8]}"
    return None


def run(tool, folder):
    try:
        outputs, needed = outputs_of(tool, folder)
    except Refused as refusal:
        return "not run" if "no kernel" in str(refusal) else "refused", str(refusal)
    except RuntimeError as crash:
        return "wrong", str(crash)
    problem = problem_of(outputs, data(folder, "output"))
    return ("wrong", problem) if problem else ("constants" if needed else "as it is", "")


def reasons(refusal):
    """The operators that a refusal names, else what it says in general."""
    operators = re.findall(r"^  (\w+) \(\d+\), first in", refusal, re.MULTILINE)
    return operators or ["(" + re.sub(r"'[^']*'|\d[\dx<>a-z]*", "..", refusal.splitlines()[0])[:60] + ")"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("--floor", type=int, default=0)
    parser.add_argument("--list", action="store_true", help="print every model that is refused, and why")
    parser.add_argument("patterns", nargs="*", default=["*"])
    arguments = parser.parse_args()
    folders = sorted(f for f in FOLDER.iterdir() if (f / "model.onnx").exists()
                     and any(fnmatch.fnmatch(f.name, p) for p in arguments.patterns))
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        tools = [Tool(arguments.tool) for _ in range(workers)]
        parts = pool.map(lambda i: [(f, *run(tools[i], f)) for f in folders[i::workers]], range(workers))
        results = sorted(result for part in parts for result in part)
    for tool in tools:
        if tool.process:
            tool.process.stdin.close()
            tool.process.wait()
    counts = collections.Counter(kind for _, kind, _ in results)
    outside = collections.Counter()
    for folder, kind, why in results:
        if kind == "refused":
            outside.update(reasons(why))
        if kind == "wrong" or (kind == "refused" and arguments.list):
            print(f"{folder.name}: {kind}: {why}")
    print("refused, by operator or reason:", ", ".join(f"{what} {n}" for what, n in sorted(outside.items())))
    right = counts["as it is"] + counts["constants"]
    print(f"{len(results)} models: {right} import and give ONNX's values ({counts['as it is']} as they are), "
          f"{counts['wrong']} do not, {counts['not run']} import and have no kernel here, "
          f"{counts['refused']} refused")
    sys.exit(counts["wrong"] > 0 or right < arguments.floor)


if __name__ == "__main__":
    main()
