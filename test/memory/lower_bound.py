#!/usr/bin/env python3
"""How near a program's planned peak is to the least any plan could need.

    fsdp-run ... --records records.json && lower_bound.py records.json model.fsdp

The bound is the largest, over the operations of the step, of the bytes of every
value written and still to be read (in this step or the next) and of every
operand, result and scratch of the operation in progress. It is computed from the
records of what ran, apart from the allocator: each byte range of a buffer lives
from a write to its last read before the next write.
"""
import collections
import json
import sys


def segments(accesses):
    """Cuts a buffer's accesses (op, begin, end, access) at every boundary."""
    cuts = sorted({edge for _, begin, end, _ in accesses for edge in (begin, end)})
    for low, high in zip(cuts, cuts[1:]):
        own = [(op, access) for op, begin, end, access in accesses if begin <= low and high <= end]
        yield high - low, own


def lives(accesses):
    """(first, last) operation of each value of one segment."""
    first = last = None
    for op, access in accesses:
        writes, reads = access != "read", access in ("read", "update", "read_write")
        if writes and not reads and first is not None and op != last:
            yield first, last
            first = None
        first = op if first is None else first
        last = op
    if first is not None:
        yield first, last


def bound(records):
    phase = next(p for p in records["phases"] if p["name"] == "step")
    work, state = collections.defaultdict(list), collections.defaultdict(list)
    for p in records["phases"]:
        for op in p["operations"]:
            for a in op["accesses"]:
                if a["arena"] == 0:
                    state[a["buffer"]].append((0, a["offset"], a["offset"] + a["bytes"], "write"))
    persistent = sum(size for accesses in state.values() for size, own in segments(accesses) if own)
    for number, op in enumerate(phase["operations"]):
        for a in op["accesses"]:
            if a["arena"] != 0:
                work[a["buffer"]].append((number, a["offset"], a["offset"] + a["bytes"], a["access"]))
    change = collections.Counter()
    for accesses in work.values():
        for size, own in segments(accesses):
            for first, last in lives(own):
                change[first] += size
                change[last + 1] -= size
    live = most = 0
    for place in sorted(change):
        live += change[place]
        most = max(most, live)
    return persistent + most


def main():
    records = json.load(open(sys.argv[1]))
    planned = json.load(open(sys.argv[2] + "/manifest.json"))["planned_peak_bytes"]
    least = bound(records)
    print(f"planned {planned}, lower bound {least}, ratio {planned / least:.4f}")


if __name__ == "__main__":
    main()
