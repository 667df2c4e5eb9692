#!/usr/bin/env python3
"""How long fsdp-compile takes for Llama in its published sizes, and in how much memory.

    compile_time.py BIN_FOLDER MODEL_FOLDER [FLAG...]

MODEL_FOLDER is what export_llama.py wrote; flags are fsdp-compile's, such as
--target cuda. Prints one line a model: wall time, peak
resident memory of fsdp-compile and its linker, and the times of its stages. Ends with
an error where a limit is exceeded, or the number of kernels depends on that of layers.
"""
import os
import re
import resource
import subprocess
import sys
import tempfile

STAGES = ("import", "passes", "kernels", "host code")
STAGE = re.compile(r"\[([a-z ]+)\] (\d+\.\d) s(?:, (\d+) compiled)?")
# Model, ranks, limits: seconds, GiB, seconds of host code.
RUNS = [
    ("llama2-7b-4", 8, None, None, None),
    ("llama2-7b-32", 8, 30, 3, None),
    ("llama3-70b-4", 64, None, None, None),
    ("llama3-70b-80", 64, 60, 4, 5),
]


def measure(command):
    """(wall seconds, peak resident GiB, standard error) of a command."""
    read, write = os.pipe()
    child = os.fork()  # so that the maximum over children is this command's alone
    if child == 0:
        begin = os.times().elapsed
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        wall = os.times().elapsed - begin
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        with os.fdopen(write, "w") as pipe:
            pipe.write(f"{wall} {peak}\n{done.stderr}")
        os._exit(done.returncode)
    os.close(write)
    with os.fdopen(read) as pipe:
        head, _, text = pipe.read().partition("\n")
    if os.waitpid(child, 0)[1]:
        sys.exit(f"{' '.join(command)}\n{text}")
    return (*map(float, head.split()), text)


def compile_model(tools, models, folder, name, ranks, flags):
    command = [f"{tools}/fsdp-compile", f"{models}/{name}.onnx", "--init", "--dim", "batch=1",
               "--dim", "seq=4096", "--loss", "cross_entropy", "--clip-grad-norm", "1.0",
               "--mesh", f"shard={ranks}", *flags, "-o", f"{folder}/{name}.fsdp"]
    wall, peak, text = measure(command)
    found = {stage: (float(time), count) for stage, time, count in STAGE.findall(text)}
    return wall, peak, {s: found[s][0] for s in STAGES}, int(found["kernels"][1])


def exceeded(name, *pairs):
    return [f"{name}: {value:.1f} {unit}, limit {limit}" for value, limit, unit in pairs
            if limit is not None and value > limit]


def main():
    tools, models, *flags = sys.argv[1:]
    problems, kernels_of = [], {}
    print(f"{'model':16}{'shard':>6}{'wall s':>8}{'GiB':>6}" + "".join(f"{s:>11}" for s in STAGES)
          + f"{'kernels':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for name, ranks, seconds, gigabytes, host in RUNS:
            wall, peak, stages, kernels = compile_model(tools, models, folder, name, ranks, flags)
            print(f"{name:16}{ranks:6}{wall:8.1f}{peak:6.2f}"
                  + "".join(f"{stages[s]:11.1f}" for s in STAGES) + f"{kernels:9}", flush=True)
            problems += exceeded(name, (wall, seconds, "s"), (peak, gigabytes, "GiB"),
                                 (stages["host code"], host, "s of host code"))
            shape = name.rsplit("-", 1)[0]
            if kernels_of.setdefault(shape, kernels) != kernels:
                problems.append(f"{name}: {kernels} kernels, with fewer layers {kernels_of[shape]}")
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
