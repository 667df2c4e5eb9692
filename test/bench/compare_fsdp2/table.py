"""Where a step of ours spends its time, from fsdp-run --trace and the plan."""

import collections
import json
import re
import statistics

GEMM = re.compile(r"%(\d+) = fsdprt\.gemm .* (\d+) x (\d+) x (\d+) batch \[([\d, ]*)\] "
                  r"strides (\[\d+, \d+\]) (\[\d+, \d+\])")


class TraceOfRank:
    """Dispatches of rank 0: per step, operation and product, in milliseconds."""

    def __init__(self, events, gemms):
        self.gemms = gemms  # operation's index -> shape
        self.steps = len({e["args"]["step"] for e in events})
        self.events = events

    def totals(self, key):
        """{key of an event: (milliseconds a step, dispatches a step)}."""
        time, count = collections.Counter(), collections.Counter()
        for event in self.events:
            time[key(event)] += event["dur"] / 1e3 / self.steps
            count[key(event)] += 1 / self.steps
        return {k: (t, count[k]) for k, t in time.most_common()}

    def is_gemm(self, event):
        return event["args"]["index"] in self.gemms

    def by_operation(self):
        """{operation: milliseconds a step}; all products are "gemm"."""
        return {k: t for k, (t, _) in self.totals(self.operation).items()}

    def operation(self, event):
        return "gemm" if self.is_gemm(event) else event["name"].split(" ")[-1]


def read_trace(path, plan):
    with open(plan) as file:
        text = file.read()
    step = text[text.index("fsdprt.phase @step"):]
    step = step[:step.find("fsdprt.phase @", 1)]
    gemms = {int(found[1]): (*map(int, found.groups()[1:4]), *found.groups()[4:])
             for found in GEMM.finditer(step)}
    with open(path) as file:
        trace = json.load(file)
    events = trace["traceEvents"] if isinstance(trace, dict) else trace
    return TraceOfRank([e for e in events if e.get("cat") == "dispatch" and e["pid"] == 0
                        and e["args"]["phase"] == "step"], gemms)


def print_operations(trace, most=30):
    print(f"\n{'operation (rank 0)':32}{'ms a step':>10}{'dispatches':>12}{'GB':>8}{'GB/s':>8}  stream")
    streams, sizes = {}, collections.Counter()
    for event in trace.events:
        name = trace.operation(event)
        streams[name] = ("compute", "gather", "reduce", "copy")[event["tid"]]
        sizes[name] += event["args"]["bytes"] / 1e9 / trace.steps
    for name, (time, count) in list(trace.totals(trace.operation).items())[:most]:
        print(f"{name:32}{time:10.1f}{count:12.0f}{sizes[name]:8.2f}"
              f"{sizes[name] / (time or 1) * 1e3:8.1f}  {streams[name]}")


def print_gemms(trace, products):
    print(f"\n{'ours: M x N x K, strides of A, B':44}{'ms a step':>10}{'GFLOP/s':>9}")
    events = [e for e in trace.events if trace.is_gemm(e)]
    shapes = TraceOfRank(events, trace.gemms)
    for (m, n, k, batch, a, b), (time, count) in shapes.totals(
            lambda e: trace.gemms[e["args"]["index"]]).items():
        print(f"{f'{count:.0f} of {m} x {n} x {k} {a} {b} {batch}':44}{time:10.1f}"
              f"{2e-6 * m * n * k * count / time:9.0f}")
    print(f"\n{'PyTorch: product, back to back':44}{'ms a step':>10}{'GFLOP/s':>9}")
    for name in products[0]:
        time = statistics.median(p[name][0] for p in products)
        print(f"{name:44}{time:10.1f}{products[0][name][1] / time * 1e3:9.0f}")
