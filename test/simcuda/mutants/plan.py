"""Plans as text, and what follows from it: which dispatches are ordered on a GPU, which of them touch the same bytes
unordered, and whose bytes each of them reads. Written from the rules of dialects/FsdpRt/SPEC.md and from what a stream
of CUDA promises, with nothing of the compiler's verifier or of the simulator."""
import bisect
import re

import numpy as np

STREAMS = ("compute", "gather", "reduce", "copy")
PHASE = re.compile(r'^\s*fsdprt\.phase @(\w+) runs +(\w+)')
BUFFER = re.compile(r'^\s*fsdprt\.buffer (\d+) "[^"]*"\s+\w+ unit "[^"]*" phase "(\w*)"(?: until "\w*")? bytes (\d+) arena (\d+) at (\d+)'
                    r'(?:.*\brole = "(\w+)")?')
ARENA = re.compile(r'^\s*fsdprt\.arena (\d+) "[^"]*" bytes (\d+)')
DISPATCH = re.compile(r'^\s*(%\w+) = fsdprt\.(\w+) "([^"]*)" .*?\bon\s+(\w+) \[((?:#fsdprt\.arg<[^>]*>(?:, )?)*)\]'
                      r'(?: wait\(([^)]*)\))? unit "([^"]*)" scope')
ARGUMENT = re.compile(r"#fsdprt\.arg<(\w+) (\d+)\s*\[(\d+) : (\d+)\]>")
# The host takes part and waits for their end, so that what is issued later comes after them.
BY_HOST = ("load", "store", "constant")
UPLOADED = ("tokens", "labels", "lr", "step", "microbatch", "microbatches")


class Argument:
    def __init__(self, access, buffer, begin, size):
        self.access, self.buffer, self.begin, self.bytes = access, int(buffer), int(begin), int(size)
        self.reads, self.writes = access in ("read", "update"), access != "read"


class Dispatch:
    def __init__(self, line, match):
        self.line = line
        self.event, self.kind, self.name, self.stream, args, waits, self.unit = match.groups()
        self.args = [Argument(*one.groups()) for one in ARGUMENT.finditer(args)]
        self.waits = waits.split(", ") if waits else []

    @property
    def label(self):
        return self.name, self.unit

    def __str__(self):
        return f"'{self.name}'" + (f" of unit '{self.unit}'" if self.unit else "")


class Buffer:
    def __init__(self, line, match):
        self.line = line
        number, self.phase, size, arena, offset, self.role = match.groups()
        self.number, self.bytes, self.arena, self.offset = int(number), int(size), int(arena), int(offset)


class Plan:
    def __init__(self, text):
        self.lines = text.splitlines()
        self.buffers, self.arenas, self.phases, self.runs = {}, {}, {}, {}
        phase = None
        for number, line in enumerate(self.lines):
            if "fsdprt." not in line:
                continue
            if match := DISPATCH.match(line):
                if phase is not None:
                    phase.append(Dispatch(number, match))
            elif match := BUFFER.match(line):
                buffer = Buffer(number, match)
                self.buffers[buffer.number] = buffer
            elif match := PHASE.match(line):
                phase = None
                if match[2] != "evaluate":  # which these runs do not
                    phase = self.phases[match[1]] = []
                    self.runs[match[1]] = match[2]
            elif match := ARENA.match(line):
                self.arenas[int(match[1])] = int(match[2])

    def text(self, line=None, replaced=None):
        """The plan, with one line replaced."""
        lines = list(self.lines)
        if line is not None:
            lines[line] = replaced
        return "\n".join(lines) + "\n"

    def dispatch_at(self, line):
        """The dispatch of a line; None where it is another's."""
        return next((one for phase in self.phases.values() for one in phase if one.line == line), None)

    def place(self, argument):
        """(arena, first byte, end) of an argument."""
        buffer = self.buffers[argument.buffer]
        begin = buffer.offset + argument.begin
        return buffer.arena, begin, begin + argument.bytes


def earlier(phase):
    """For each dispatch, as bits, those that have ended before it can start."""
    masks, last, by_event, host = [], {}, {}, 0

    def through(number):
        return masks[number] | 1 << number

    for number, dispatch in enumerate(phase):
        mask = host
        after = [last[dispatch.stream]] if dispatch.stream in last else []
        after += [by_event[event] for event in dispatch.waits]
        if dispatch.kind == "join":
            after += last.values()
        for one in after:
            mask |= through(one)
        masks.append(mask)
        last[dispatch.stream] = by_event[dispatch.event] = number
        if dispatch.kind in BY_HOST:
            host |= through(number)
    return masks


def races(plan):
    """Pairs of dispatches of one phase that touch the same bytes, one writing, in no order."""
    found = []
    for phase in plan.phases.values():
        masks = earlier(phase)
        touches = [(number, *plan.place(argument), argument.writes)
                   for number, dispatch in enumerate(phase) for argument in dispatch.args if argument.bytes]
        if not touches:
            continue
        owner, arena, begin, end, writes = np.array(touches).T
        shared = ((arena[:, None] == arena) & (begin[:, None] < end) & (begin < end[:, None]) &
                  ((writes[:, None] | writes) != 0) & (owner[:, None] < owner))
        pairs = {(owner[a], owner[b]) for a, b in zip(*np.nonzero(shared))}
        found += [(phase[a], phase[b]) for a, b in sorted(pairs) if not masks[b] >> int(a) & 1]
    return found


class Bytes:
    """Who wrote each byte of an arena last: intervals (begin, writer, where the writer's own bytes begin)."""

    def __init__(self):
        self.begins, self.writers = [0], [(None, 0)]

    def split(self, at):
        place = bisect.bisect_left(self.begins, at)
        if place == len(self.begins) or self.begins[place] != at:
            self.begins.insert(place, at)
            self.writers.insert(place, self.writers[place - 1])
        return place

    def write(self, begin, end, writer):
        first = self.split(begin)
        last = self.split(end)
        self.begins[first:last], self.writers[first:last] = [begin], [(writer, begin)]

    def read(self, begin, end):
        """What a reader finds, wherever it lies: (bytes from its own begin, writer, bytes from the writer's)."""
        first = self.split(begin)
        last = self.split(end)
        found = []
        for at, (writer, origin) in zip(self.begins[first:last], self.writers[first:last]):
            if not found or found[-1][1:] != (writer, origin):
                found.append((at, writer, origin))
        return tuple((at - begin, writer, at - origin if writer else 0) for at, writer, origin in found)


class Flow:
    """Whose bytes everything reads in a run of a plan that has no races, in the order of issue."""

    def __init__(self, plan):
        self.plan, self.found = plan, []
        self.arenas = {arena: Bytes() for arena in plan.arenas}
        self.host("rank")
        microbatches = 2
        step = ["count"] * microbatches + ["microbatch", "accumulate"] * microbatches + ["update"]
        for runs in ["once"] + step * 2 + ["save"]:
            for name, phase in plan.phases.items():
                if plan.runs[name] == runs:
                    self.run(name, phase)

    def run(self, name, phase):
        for role in UPLOADED if self.plan.runs[name] not in ("once", "save") else ():
            self.host(role)
        for number, dispatch in enumerate(phase):
            self.found.append(self.shared(dispatch))
            for argument in dispatch.args:
                if argument.reads and argument.bytes:
                    self.read(self.plan.place(argument))
            for place, argument in enumerate(dispatch.args):
                if argument.writes and argument.bytes:
                    arena, begin, end = self.plan.place(argument)
                    self.arenas[arena].write(begin, end, (name, number, place))
        for buffer in self.plan.buffers.values():
            if buffer.role and buffer.role not in UPLOADED:
                self.read((buffer.arena, buffer.offset, buffer.offset + buffer.bytes))

    def shared(self, dispatch):
        """Arguments on the same bytes, one written: what comes first is the dispatch's own affair."""
        places = [(self.plan.place(argument), argument.writes) for argument in dispatch.args if argument.bytes]
        return [(i, j) for j, ((arena, begin, end), writes) in enumerate(places)
                for i, ((other, first, last), also) in enumerate(places[:j])
                if (writes or also) and arena == other and begin < last and first < end]

    def read(self, place):
        arena, begin, end = place
        self.found.append(self.arenas[arena].read(begin, end))

    def host(self, role):
        for buffer in self.plan.buffers.values():
            if buffer.role == role:
                self.arenas[buffer.arena].write(buffer.offset, buffer.offset + buffer.bytes, role)
