"""Runs every pass of the compiler on every part of a split .mlir file.

    odd_input.py FILE

Each part must go through or be refused with one error, by each pass.
"""
import re
import subprocess
import sys

PASSES = [
    "train-attach-loss", "train-attach-loss=loss=cross_entropy", "train-form-attention", "train-mixed-precision=param-dtype=bfloat16",
    "train-build-evaluation", "train-narrow-saved", "train-widen-gradients", "train-build-backward",
    "train-build-update=optimizer=adamw", "train-recompute", "train-recompute=rules=**", "train-verify",
    "fsdp-assign-units", "fsdp-assign-units=placement=dim0", "fsdp-apply-strategy", "fsdp-apply-strategy=reshard-after-forward=false",
    "fsdp-insert-gathers", "fsdp-insert-reductions", "fsdp-build-phases", "fsdp-prefetch",
    "fsdp-sink-gradients", "fsdp-overlap-reductions", "fsdp-verify",
    "kernel-sink-casts", "kernel-fold-adds", "kernel-form-groups", "kernel-form-groups=library-bf16=false",
    "kernel-split-reductions", "kernel-split-reductions=least=1", "kernel-order-gathers", "kernel-to-assembly", "kernel-to-ptx",
    "convert-fsdp-to-fsdprt", "plan-assign-offsets", "plan-check-memory=limit=1B", "fsdprt-verify", "fsdprt-verify-copies",
    "program-verify", "train-fold-empty", "train-form-norms", "train-form-gelu",
]
ERROR = re.compile(r"^within split at \S+:(\d+) offset .*? error: (.*)", re.M)
OWN = re.compile(r"^ {6}--((?:train|fsdp|kernel|convert|plan|fsdprt|program)-[\w-]+) ", re.M)


def problem(name, path):
    """What is wrong with pass `name`, or None."""
    done = subprocess.run(["fsdp-opt", path, "--split-input-file", f"--{name}"],
                          capture_output=True, text=True)
    if done.returncode not in (0, 1):
        return f"ends with status {done.returncode}\n{done.stderr}"
    parts = [part for part, _ in ERROR.findall(done.stderr)]
    if len(set(parts)) != len(parts):
        return f"has several errors for one input\n{done.stderr}"
    if bool(parts) != bool(done.returncode):
        return f"ends with status {done.returncode} and {len(parts)} errors\n{done.stderr}"
    return None


def main():
    listed = subprocess.run(["fsdp-opt", "--help"], capture_output=True, text=True).stdout
    own = set(OWN.findall(listed))
    missing = own - {name.split("=")[0] for name in PASSES}
    if not own:
        sys.exit("fsdp-opt --help lists no pass of ours")
    problems = [f"--{name} is not tested here" for name in sorted(missing)]
    for name in PASSES:
        found = problem(name, sys.argv[1])
        if found:
            problems.append(f"--{name} {found}")
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
