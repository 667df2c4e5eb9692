"""Says what a planned program does with shards.

    shards.py PLAN GATHERED REDUCED

Checks that the step gathers GATHERED bytes an element and reduces REDUCED, and
that nothing in it reads a shard but a gather or the optimizer.
"""
import re
import sys

path, gathered, reduced = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
SHARDS = set(re.findall(r'fsdprt\.buffer (\d+) .*\bshard\b', open(path).read()))
BYTES = {"f32": 4, "bf16": 2}
wrong, derived, counts = [], 0, {"all_gather": 0, "reduce_scatter": 0}
phase = ""
for line in open(path):
    start = re.search(r"fsdprt\.phase \"?@?(\w+)", line)
    phase = start.group(1) if start else phase
    collective = re.search(r"fsdprt\.(all_gather|reduce_scatter) \"\w+\" (\w+)", line)
    reads = set(re.findall(r"<read\w* (\d+)\[", line)) & SHARDS
    if collective:
        kind, dtype = collective.groups()
        if phase in ("step", "evaluate"):
            counts[kind] += phase == "step"
            if BYTES[dtype] != {"all_gather": gathered, "reduce_scatter": reduced}[kind]:
                wrong.append(line)
        elif BYTES[dtype] != 4:
            wrong.append(line)
    elif "derive_source" in line:
        derived += 1
        wrong += [line] if phase != "init" else []
    elif phase in ("step", "accumulate", "update", "evaluate") and reads and '"adamw"' not in line:
        wrong.append(line)
if not SHARDS or not all(counts.values()):
    sys.exit("found no shards, gathers or reductions")
print(f"init derives a source of {derived} shards")
print(f"step gathers {counts['all_gather']} times, reduces {counts['reduce_scatter']} times")
print("export gathers masters of 4 bytes an element")
for line in wrong:
    print("wrong:", line.strip())
print(len(wrong), "wrong")
