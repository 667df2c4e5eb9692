#!/usr/bin/env python3
"""What a call of the program costs: microseconds each of 10,000 in a step.

    python3 test/bench/dispatch/run.py build [--against OTHER/fsdp-run]

The programs (dispatch_program.c) make launches of a kernel that adds one
number, launches that each wait for the one before, launches that two workers
share, and products of 16 x 16 matrices. With --against the runtimes take turns;
a figure is the median of the steps of all turns, and the fastest one, which
other processes that share the cores disturb less.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import tempfile

CALLS = 10000
KINDS = {  # program: what it measures, worker threads
    "launch": ("launch", 1),
    "ordered": ("launch after an event", 1),
    "shared": ("launch on two workers", 2),
    "product": ("product of 16 x 16", 1),
}


def place(offset: int, dtype: str, shape: list) -> dict:
    size = 8 if dtype == "i64" else 4
    for dim in shape:
        size *= dim
    return {"arena": 0, "offset": offset, "bytes": size, "dtype": dtype, "shape": shape}


def manifest(abi: int) -> dict:
    return {
        "format": "fsdp-opt program", "abi": abi, "model": "dispatch_program.c",
        "target": {"kind": "cpu", "triple": "x86_64-unknown-linux-gnu", "cpu": "generic",
                   "features": ["sse2"]},
        "mesh": [{"axis": "shard", "size": 1}], "communicators": [],
        "arenas": [{"name": "work", "bytes": 8192}], "planned_peak_bytes": 8192,
        "phases": [{"name": "init", "symbol": "program_init", "runs": "once"},
                   {"name": "step", "symbol": "program_step", "runs": "microbatch"}],
        "inputs": [{"name": name, "role": name, "place": place(4096 + at, "i64", [1, 8])}
                   for name, at in (("tokens", 0), ("labels", 64))],
        "scalars": {}, "results": {"loss": place(4352, "f32", [])},
        "batch": 1, "seq": 8, "labels_shift": "data", "ignore_index": -100, "vocab_size": 256,
        "units": [], "parameters": [], "buffers": [],
    }


def abi_version(source: pathlib.Path) -> int:
    for line in (source / "runtime/abi/fsdprt.h").read_text().splitlines():
        if line.startswith("#define FSDPRT_ABI_VERSION"):
            return int(line.split()[-1])
    raise SystemExit("no ABI version in fsdprt.h")


def step_times(fsdp_run: pathlib.Path, folder: pathlib.Path, threads: int,
               steps: int) -> list:
    metrics = folder / "metrics.jsonl"
    subprocess.run([fsdp_run, folder / "program", "--data", folder / "text", "--tokenizer", "bytes",
                    "--steps", str(steps), "--threads", str(threads), "--metrics", metrics],
                   check=True, stdout=subprocess.DEVNULL)
    times = [json.loads(line)["step_ms"] for line in metrics.read_text().splitlines()]
    return times[steps // 5:]  # the first ones bind


def describe(times: list) -> str:
    median, fastest = (of(times) / CALLS * 1000 for of in (statistics.median, min))
    return f"{median:.3f} ({fastest:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--against", type=pathlib.Path, help="the fsdp-run of another build")
    parser.add_argument("--kinds", default=",".join(KINDS), help="which of %(default)s")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--steps", type=int, default=50)
    options = parser.parse_args()
    source = pathlib.Path(__file__).resolve().parents[3]
    runtimes = [options.build / "bin/fsdp-run"] + ([options.against] if options.against else [])
    print(f"{'us a call':24}" + "".join(f"{str(r)[-38:]:>40}" for r in runtimes))
    for kind in options.kinds.split(","):
        title, threads = KINDS[kind]
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "program").mkdir()
            (folder / "program/manifest.json").write_text(
                json.dumps(manifest(abi_version(source))))
            shutil.copy(options.build / f"test/bench/dispatch/dispatch_{kind}.so",
                        folder / "program/program.so")
            (folder / "text").write_text("what is counted here is time " * 40)
            times = [[] for _ in runtimes]
            for _ in range(options.turns):
                for runtime, kept in zip(runtimes, times):
                    kept += step_times(runtime, folder, threads, options.steps)
        print(f"{title:24}" + "".join(f"{describe(kept):>40}" for kept in times))


if __name__ == "__main__":
    main()
