"""The records that a program would leave, read from its plan (fsdp-compile --emit-ir).

For programs too large to run: lower_bound.py takes either.
"""
import re

STREAMS = {"compute": 0, "gather": 1, "reduce": 2, "copy": 3}
# Not those that only steps of several microbatches need.
ARENA = re.compile(r'^  fsdprt\.arena \d+ "[^"]*" bytes (\d+)(?!.* for )', re.M)
BUFFER = re.compile(r"^  fsdprt\.buffer (\d+) .* arena (\d+) at (\d+)", re.M)
PHASE = re.compile(r"^  fsdprt\.phase @(\w+)", re.M)
OPERATION = re.compile(r'^    %(\d+) = fsdprt\.\w+ "([^"]*)".* on  (\w+) \[(.*?)\](?: wait\(([^)]*)\))? unit', re.M)
ACCESS = re.compile(r"<(\w+) (\d+)\[(\d+) : (\d+)\]>")


def operations(text, arena_of):
    for event, name, stream, accesses, waits in OPERATION.findall(text):
        yield {
            "name": name, "stream": STREAMS[stream], "event": int(event),
            "waits": [int(wait) for wait in re.findall(r"\d+", waits)],
            "accesses": [
                {"access": access, "buffer": int(buffer), "offset": int(offset),
                 "bytes": int(size), "arena": arena_of[int(buffer)]}
                for access, buffer, offset, size in ACCESS.findall(accesses)],
        }


def read_plan(path):
    """(records, planned peak in bytes)."""
    with open(path) as file:
        text = file.read()
    arena_of = {int(buffer): int(arena) for buffer, arena, _ in BUFFER.findall(text)}
    places = [(found[1], found.start()) for found in PHASE.finditer(text)]
    ends = [start for _, start in places[1:]] + [len(text)]
    phases = [{"name": name, "operations": list(operations(text[start:end], arena_of))}
              for (name, start), end in zip(places, ends)]
    return {"phases": phases}, sum(map(int, ARENA.findall(text)))
