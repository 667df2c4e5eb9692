"""Small mistakes in a plan: each function below makes one, at random, as (line, what stands there now, description), or
None where this draw has none to make."""
import re

from plan import BY_HOST, STREAMS

COLLECTIVES = ("all_gather", "reduce_scatter", "all_reduce")


def dispatches(plan, wanted):
    return [(phase, number) for phase in plan.phases.values() for number, one in enumerate(phase) if wanted(one)]


def with_waits(plan, dispatch, waits):
    text = f" wait({', '.join(waits)})" if waits else ""
    return re.sub(r"(\]) wait\([^)]*\)", lambda match: match[1] + text, plan.lines[dispatch.line], count=1)


def drop_wait(plan, random):
    phase, number = random.choice(dispatches(plan, lambda one: one.waits))
    dispatch = phase[number]
    dropped = random.choice(dispatch.waits)
    left = [event for event in dispatch.waits if event != dropped]
    return dispatch.line, with_waits(plan, dispatch, left), f"{dispatch} does not wait for {dropped}"


def record_early(plan, random):
    """The event that is waited for is that of something earlier on its stream."""
    phase, number = random.choice(dispatches(plan, lambda one: one.waits))
    dispatch = phase[number]
    place = random.randrange(len(dispatch.waits))
    waited = next(one for one in phase if one.event == dispatch.waits[place])
    before = [one for one in phase[:phase.index(waited)] if one.stream == waited.stream]
    if not before:
        return None
    early = random.choice(before)
    waits = [early.event if one == place else event for one, event in enumerate(dispatch.waits)]
    return dispatch.line, with_waits(plan, dispatch, waits), f"{dispatch} waits for {early} instead of {waited}"


def wrong_stream(plan, random):
    """Of what is no collective, whose communicator has a stream."""
    free = dispatches(plan, lambda one: one.kind not in (*COLLECTIVES, *BY_HOST, "join"))
    phase, number = random.choice(free)
    dispatch = phase[number]
    stream = random.choice([one for one in STREAMS if one != dispatch.stream])
    line = re.sub(rf"\bon(\s+){dispatch.stream} \[", lambda match: f"on{match[1]}{stream} [", plan.lines[dispatch.line])
    return dispatch.line, line, f"{dispatch} runs on {stream}"


def move_buffer(plan, random):
    """Onto another of its arena, which ends where it did."""
    buffers = [one for one in plan.buffers.values() if one.bytes]
    moved = random.choice(buffers)
    room = plan.arenas[moved.arena] - moved.bytes
    last = max(one.offset + one.bytes for one in buffers if one.arena == moved.arena and one is not moved)
    others = [one for one in buffers
              if one.arena == moved.arena and one.offset != moved.offset and one.offset <= room]
    if not others or last < plan.arenas[moved.arena]:
        return None
    other = random.choice(others)
    line = re.sub(r"(\bat )\d+", lambda match: match[1] + str(other.offset), plan.lines[moved.line])
    return moved.line, line, f"buffer {moved.number} lies where buffer {other.number} does"


def change_argument(plan, dispatch, place, access=None, less=0):
    """The line of a dispatch with one argument announced otherwise."""
    seen = -1

    def change(match):
        nonlocal seen
        seen += 1
        if seen != place:
            return match[0]
        return f"#fsdprt.arg<{access or match[1]}{match[2]}{int(match[3]) - less}]>"

    return re.sub(r"#fsdprt\.arg<(\w+)( \d+\s*\[\d+ : )(\d+)\]>", change, plan.lines[dispatch.line])


def launch_arguments(plan, access):
    """(dispatch, number of an argument) of each with this use."""
    return [(dispatch, place) for phase in plan.phases.values() for dispatch in phase if dispatch.kind == "launch"
            for place, argument in enumerate(dispatch.args) if argument.access == access and argument.bytes > 4]


def is_first(plan, dispatch, place):
    """Whether nothing has touched the argument's buffer before."""
    buffer = plan.buffers[dispatch.args[place].buffer]
    before = [one for one in plan.phases.get(buffer.phase, ()) if one.line < dispatch.line]
    return buffer.phase and all(a.buffer != buffer.number for one in before for a in one.args)


def short_result(plan, random):
    """A kernel writes four bytes past the end of an argument."""
    dispatch, place = random.choice(launch_arguments(plan, "write"))
    line = change_argument(plan, dispatch, place, less=4)
    return dispatch.line, line, f"argument {place} of {dispatch} lacks its last 4 bytes"


def operand_as_result(plan, random):
    """A kernel reads an argument that is said to be written only. The rank's number is not read by every update."""
    read = [(one, place) for one, place in launch_arguments(plan, "read")
            if plan.buffers[one.args[place].buffer].role != "rank"]
    dispatch, place = random.choice(read)
    line = change_argument(plan, dispatch, place, access="write")
    return dispatch.line, line, f"argument {place} of {dispatch} is written only"


def result_as_operand(plan, random):
    """A kernel writes an argument that is said to be read; a buffer that begins by being read has no life to plan."""
    dispatch, place = random.choice([one for one in launch_arguments(plan, "write") if not is_first(plan, *one)])
    line = change_argument(plan, dispatch, place, access="read")
    return dispatch.line, line, f"argument {place} of {dispatch} is read only"


# Of a schedule, which the simulator finds by the order of operations, and of arguments, which it finds by a kernel's
# accesses.
SCHEDULE = {"a wait dropped": drop_wait, "an event recorded too early": record_early,
            "another stream": wrong_stream, "a buffer moved onto another": move_buffer}
ARGUMENTS = {"a result that is too short": short_result, "an operand written only": operand_as_result,
             "a result read only": result_as_operand}
