"""Assembles the kernels of example models and looks at what they need.

    ptx.py BIN

Lowers every kernel of each model below to PTX with fsdp-opt and assembles it
for each of the GPUs below with ptxas, from PATH, the toolkit or the package
nvidia-cuda-nvcc beside this Python. No kernel may spill, use stack or call a
function, and each must be spread over threads. Prints a line a kernel; exit
status 1 when one is refused.
"""
import concurrent.futures
import functools
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
FIXTURES = os.path.join(ROOT, "test", "parity", "fixtures")
# What fsdp-compile compiles for, and LLVM's name of the PTX that it makes for it.
CHIPS = {"sm_80": "sm_80", "sm_90": "sm_90", "sm_100": "sm_90"}

# Model, its flags, the passes' options that make other kernels of it.
MODELS = [
    (os.path.join(ROOT, "examples/gpt/model.onnx"), ["--init", "--dim", "batch=4", "--dim", "seq=256"], {}),
    (os.path.join(FIXTURES, "llama/dynamo18-dyn-raw.onnx"), ["--dim", "batch=2", "--dim", "seq=12"], {}),
    (os.path.join(FIXTURES, "llama/dynamo18-dyn-raw.onnx"), ["--dim", "batch=2", "--dim", "seq=12"],
     {"param-dtype": "bfloat16"}),
    (os.path.join(FIXTURES, "gpt2/dynamo18-dyn-raw.onnx"), ["--dim", "batch=2", "--dim", "seq=12"], {}),
    (os.path.join(FIXTURES, "gpt2/dynamo18-dyn-raw.onnx"), ["--dim", "batch=2", "--dim", "seq=12"],
     {"optimizer-dtype": "bfloat16"}),
    (os.path.join(FIXTURES, "gpt-neox/dynamo18-dyn-raw.onnx"), ["--dim", "batch=2", "--dim", "seq=12"], {}),
    (os.path.join(FIXTURES, "gpt2-eager/dynamo18-dyn-raw.onnx"), ["--dim", "batch=2", "--dim", "seq=12"], {}),
    # Ops that planning makes for a GPU, as they are.
    (os.path.join(ROOT, "test/passes/Kernel/attention-rows.mlir"), [], {}),
    (os.path.join(ROOT, "test/passes/Kernel/ptx-parts.mlir"), [], {}),
]
CLEAN = ["--canonicalize", "--cse"]


def passes(options):
    """fsdp-opt's flags for the stages of fsdp-compile, up to the kernels."""
    dtype = options.get("param-dtype")
    mixed = [f"--train-mixed-precision=param-dtype={dtype}", *CLEAN] if dtype else []
    units = f" param-dtype={dtype}" if dtype else ""
    kept = options.get("optimizer-dtype", "float32")
    return [*CLEAN, "--train-attach-loss=loss=cross_entropy", *CLEAN, "--train-form-attention", *CLEAN, *mixed,
            "--train-build-backward", *(["--train-narrow-saved"] if dtype else []), *CLEAN,
            *(["--train-widen-gradients"] if dtype else []),
            f"--train-build-update=optimizer=adamw numbers=weight_decay=0.1 clip-grad-norm=1 optimizer-dtype={kept}",
            "--train-verify",
            f"--fsdp-assign-units=mesh=shard=2{units}", "--fsdp-insert-gathers", "--fsdp-insert-reductions",
            "--fsdp-build-phases", *CLEAN, "--fsdp-verify", "--kernel-sink-casts", "--kernel-form-groups",
            "--kernel-split-reductions=least=64", "--kernel-order-gathers", "--convert-fsdp-to-fsdprt"]


def find_ptxas():
    """ptxas's path, or None."""
    folders = ["/usr/local/cuda", os.path.join(sys.prefix, "lib/python3*/site-packages/nvidia/*")]
    installed = [path for folder in folders for path in glob.glob(os.path.join(folder, "bin/ptxas"))]
    return shutil.which("ptxas") or next(iter(installed), None)


def problems(text, printed):
    """What is wrong with a kernel's PTX or with what ptxas says of it."""
    found = []
    if "%tid.x" not in text:
        found.append("runs the same in every thread")
    calls = re.findall(r"\.extern \.func.*?(\w+)\s*[(;]|\bcall\S*\s.*?(\w+)\s*,", text)
    if calls:
        found.append("calls " + ", ".join(sorted({a or b for a, b in calls})))
    if ".local" in text:
        found.append("has local memory")
    for count, what in re.findall(r"(\d+) bytes (stack frame|spill stores|spill loads)", printed):
        if int(count):
            found.append(f"{count} bytes of {what}")
    if "stack frame" not in printed:
        found.append("ptxas says nothing of its stack")
    return found


def assemble(ptxas, chip, path):
    """(head line, registers, shared bytes, problems) of one .ptx file."""
    with open(path) as file:
        text = file.read()
    done = subprocess.run([ptxas, f"-arch={chip}", "-v", path, "-o", f"{path}.{chip}.cubin"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    head = text.splitlines()[0].lstrip("/ ")
    if done.returncode:
        return head, 0, 0, ["ptxas: " + done.stdout.strip()]
    registers = int(re.search(r"Used (\d+) registers", done.stdout).group(1))
    shared = re.search(r"(\d+) bytes smem", done.stdout)
    return head, registers, int(shared.group(1)) if shared else 0, problems(text, done.stdout)


def lower(binary, model, flags, options, chip, folder):
    """Writes the model's kernels to `folder`; returns their paths, in order."""
    prepare = ["--kernel-form-groups"] if model.endswith(".mlir") else passes(options)
    command = [os.path.join(binary, "fsdp-opt"), model, *flags, *prepare,
               f"--kernel-to-ptx=chip={chip} output={folder}", "-o", os.devnull]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        sys.exit(f"{model}: fsdp-opt failed: {done.stdout.strip()}\n{' '.join(command)}")
    return sorted(glob.glob(os.path.join(folder, "*.ptx")), key=lambda p: int(re.search(r"k(\d+)\.", p).group(1)))


def main():
    ptxas = find_ptxas()
    if not ptxas:
        sys.exit("no ptxas in PATH or in this Python's packages: run "
                 "`.ci/setup install`, which installs nvidia-cuda-nvcc")
    failures = count = 0
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor() as pool:
        for number, (model, flags, options) in enumerate(MODELS):
            name = os.path.relpath(model, ROOT) + "".join(f" {key}={value}" for key, value in options.items())
            files = {ptx: lower(sys.argv[1], model, flags, options, ptx, os.path.join(folder, f"{number}.{ptx}"))
                     for ptx in sorted(set(CHIPS.values()))}
            for chip, ptx in CHIPS.items():
                print(f"{name} on {chip}: {len(files[ptx])} kernels")
                if not files[ptx]:
                    sys.exit(f"{name} has no kernels")
                check = functools.partial(assemble, ptxas, chip)
                for head, registers, shared, wrong in pool.map(check, files[ptx]):
                    count += 1
                    failures += bool(wrong)
                    print(f"{'FAIL' if wrong else 'ok  '} {registers:3} registers {shared:5} bytes shared  {head}"
                          + "".join(f"\n     {problem}" for problem in wrong))
    print(f"{count} kernels, {failures} refused")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
