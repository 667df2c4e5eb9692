#!/usr/bin/env python3
"""How near a program's planned peak is to the least any plan could need.

    fsdp-run ... --records records.json && lower_bound.py records.json model.fsdp
    fsdp-compile ... --emit-ir plan.mlir && lower_bound.py plan.mlir

The bound is the largest, over the operations of the step, of the bytes of every
value written and still to be read (in this step or the next) and of every
operand, result and scratch of each operation in progress; a collective is in
progress until compute has waited for its event. It is computed from the records
of what ran, apart from the allocator: each byte range of a buffer lives from a
write to its last read before the next write.
"""
import collections
import json
import sys

from plan_records import read_plan

COMPUTE = 0  # the stream's number
STATE, WORK = 0, 1  # arenas


def segments(accesses):
    """Cuts a buffer's accesses (op, begin, end, access) at every boundary."""
    cuts = sorted({edge for _, begin, end, _ in accesses for edge in (begin, end)})
    for low, high in zip(cuts, cuts[1:]):
        own = [(op, access) for op, begin, end, access in accesses if begin <= low and high <= end]
        yield high - low, own


def ends(operations):
    """The last operation at whose time each one may still be in progress."""
    clocks, streams, by_event, result, running = [], {}, {}, [], []
    for number, op in enumerate(operations):
        known = {number} | streams.get(op["stream"], set())
        for event in op["waits"]:
            known |= clocks[by_event[event]]
        clocks.append(known)
        streams[op["stream"]] = known
        by_event[op["event"]] = number
        result.append(number)
        if op["stream"] != COMPUTE:
            running.append(number)
            continue
        for other in [other for other in running if other in known]:
            result[other] = number - 1
            running.remove(other)
    for other in running:
        result[other] = len(operations) - 1
    return result


def lives(accesses, end_of):
    """(first, last) operation of each value of one segment."""
    first = last = end = None
    for op, access in accesses:
        writes, reads = access != "read", access in ("read", "update", "read_write")
        if writes and not reads and first is not None and op != last:
            yield first, end
            first = None
        first, end = (op, end_of[op]) if first is None else (first, max(end, end_of[op]))
        last = op
    if first is not None:
        yield first, end


def bound(records):
    # What a step of one microbatch runs, one phase after the other.
    operations = [op for p in records["phases"] if p["name"] in ("step", "update") for op in p["operations"]]
    work, state = collections.defaultdict(list), collections.defaultdict(list)
    for p in records["phases"]:
        for op in p["operations"] if p["name"] not in ("count", "accumulate", "evaluate") else ():
            for a in op["accesses"]:
                if a["arena"] == STATE:
                    state[a["buffer"]].append((0, a["offset"], a["offset"] + a["bytes"], "write"))
    persistent = sum(size for accesses in state.values() for size, own in segments(accesses) if own)
    for number, op in enumerate(operations):
        for a in op["accesses"]:
            if a["arena"] == WORK:
                work[a["buffer"]].append((number, a["offset"], a["offset"] + a["bytes"], a["access"]))
    end_of = ends(operations)
    change = collections.Counter()
    for accesses in work.values():
        for size, own in segments(accesses):
            for first, last in lives(own, end_of):
                change[first] += size
                change[last + 1] -= size
    live = most = 0
    for place in sorted(change):
        live += change[place]
        most = max(most, live)
    return persistent + most


def main():
    if sys.argv[1].endswith(".mlir"):
        records, planned = read_plan(sys.argv[1])
    else:
        records = json.load(open(sys.argv[1]))
        planned = json.load(open(sys.argv[2] + "/manifest.json"))["planned_peak_bytes"]
    least = bound(records)
    print(f"planned {planned}, lower bound {least}, ratio {planned / least:.4f}")


if __name__ == "__main__":
    main()
