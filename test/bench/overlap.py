#!/usr/bin/env python3
"""How much of a delay of every collective prefetch hides.

    overlap.py BIN [--model FILE --compile "FLAGS" --unit UNIT --steps N]

Compiles the model without and with overlap and runs both with no delay and with
half the forward compute of one repeated unit (`fsdp-run --comm-delay`), two
ranks, one thread each. Prints medians of step time and exposed communication.
With n collectives a step, u of which have nothing to hide behind (the first two
gathers, the last reduce-scatter, sums of scalars) and a delay D:

    hidden = (n D - (exposed with D - exposed without)) / ((n - u) D)
"""
import argparse
import collections
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
OFF = "--prefetch-forward 0 --prefetch-backward 0 --reduce-in-flight 0"
WARM_UP = 3


def call(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout[-2000:]}")


def compile_program(args, folder, name, flags):
    program, plan = os.path.join(folder, f"{name}.fsdp"), os.path.join(folder, f"{name}.mlir")
    call([os.path.join(args.bin, "fsdp-compile"), args.model, *args.compile.split(), *flags.split(),
          "-o", program, "--emit-ir", plan])
    return program, plan


def run_program(args, folder, program, delay, trace=None):
    """Medians of step_ms and exposed_comm_ms."""
    metrics = os.path.join(folder, "metrics.jsonl")
    call([os.path.join(args.bin, "fsdp-run"), "-n", "2", program, "--data", args.data, "--tokenizer", "bytes",
          "--threads", "1", "--steps", str(args.steps + WARM_UP), "--comm-delay", str(delay),
          "--metrics", metrics, *(["--trace", trace] if trace else [])])
    steps = [json.loads(line) for line in open(metrics)][WARM_UP:]
    return tuple(statistics.median(step[key] for step in steps) for key in ("step_ms", "exposed_comm_ms"))


def forward_milliseconds(trace, unit):
    """Median compute of `unit` before the loss, on rank 0."""
    total = collections.Counter()
    past_loss = set()
    events = [e for e in json.load(open(trace))["traceEvents"]
              if e.get("cat") == "dispatch" and e["pid"] == 0 and e["tid"] == 0 and e["args"]["phase"] == "step"]
    for event in sorted(events, key=lambda e: e["ts"]):
        step = event["args"]["step"]
        if "cross_entropy" in event["name"]:
            past_loss.add(step)
        if event["args"]["unit"] == unit and step not in past_loss:
            total[step] += event["dur"] / 1e3
    if not total:
        sys.exit(f"the trace has no compute of unit {unit}")
    return statistics.median(total.values())


def count_collectives(plan):
    step = open(plan).read().split("fsdprt.phase @step", 1)[1].split("fsdprt.phase @", 1)[0]
    return collections.Counter(re.findall(r"fsdprt\.(all_gather|reduce_scatter|all_reduce) ", step))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin", help="folder of fsdp-compile and fsdp-run")
    parser.add_argument("--model", default=os.path.join(ROOT, "examples", "gpt", "model.onnx"))
    parser.add_argument("--compile", default="--init --dim batch=2 --dim seq=256 --loss cross_entropy "
                        "--clip-grad-norm 1.0 --mesh shard=2", help="flags of fsdp-compile")
    parser.add_argument("--unit", default="transformer.h.3", help="one of the repeated units")
    parser.add_argument("--data", default="/usr/share/common-licenses/GPL-3", help="any text")
    parser.add_argument("--steps", type=int, default=10)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        programs = {"off": compile_program(args, folder, "off", OFF),
                    "on": compile_program(args, folder, "on", "")}
        trace = os.path.join(folder, "trace.json")
        run_program(args, folder, programs["on"][0], 0, trace)
        compute = forward_milliseconds(trace, args.unit)
        delay = round(compute / 2, 2)
        counts = count_collectives(programs["on"][1])
        total, unavoidable = sum(counts.values()), 3 + counts["all_reduce"]
        print(f"forward compute of {args.unit}: {compute:.2f} ms, delay {delay} ms; "
              f"{total} collectives a step, {unavoidable} with nothing to hide behind")
        print("| overlap | delay | step, ms | exposed, ms | of the step | hidden |\n|---|---|---|---|---|---|")
        for name, (program, _) in programs.items():
            base = run_program(args, folder, program, 0)
            late = run_program(args, folder, program, delay)
            hidden = (total * delay - (late[1] - base[1])) / ((total - unavoidable) * delay)
            for ms, (step, exposed), share in ((0, base, ""), (delay, late, f"{100 * hidden:.0f} %")):
                print(f"| {name} | {ms} ms | {step:.0f} | {exposed:.1f} | {100 * exposed / step:.0f} % | {share} |")


if __name__ == "__main__":
    main()
