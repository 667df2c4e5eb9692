"""Tests that ptx.py refuses what it should: see ptx-problems.test."""
import ptx

GOOD = "mov.u32 %r1, %tid.x;"
CLEAN = "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads"

assert ptx.problems(GOOD, CLEAN) == []
assert ptx.problems("ret;", CLEAN) == ["runs the same in every thread"]
assert ptx.problems(GOOD + " .extern .func (.param .b32 r) vprintf(", CLEAN) == ["calls vprintf"]
assert ptx.problems(GOOD + "\ncall.uni (retval0), malloc, (param0);", CLEAN) == ["calls malloc"]
assert ptx.problems(GOOD + " .local .align 8 .b8 __local_depot0[8];", CLEAN) == ["has local memory"]
assert ptx.problems(GOOD, CLEAN.replace("0 bytes spill l", "8 bytes spill l")) == ["8 bytes of spill loads"]
assert ptx.problems(GOOD, CLEAN.replace("0 bytes stack", "16 bytes stack")) == ["16 bytes of stack frame"]
assert ptx.problems(GOOD, "") == ["ptxas says nothing of its stack"]
