"""Damages a model in many ways: each time the import has to end with success
or with errors on stderr, never by a signal and never slowly.

    python fuzz.py FSDP_OPT MODEL SCRATCH [ARGUMENT...]
"""

import random
import subprocess
import sys
from pathlib import Path


def damaged(data, generator):
    """Truncations at many lengths, then flipped and overwritten bytes."""
    step = max(1, len(data) // 80)
    for length in range(0, len(data), step):
        yield f"first {length} bytes", data[:length]
    for _ in range(100):
        changed = bytearray(data)
        places = [generator.randrange(len(data)) for _ in range(generator.choice([1, 1, 2, 8]))]
        for place in places:
            changed[place] = generator.choice([0, 0x7F, 0x80, 0xFF, generator.randrange(256)])
        yield f"changed bytes {places}", bytes(changed)


def main():
    tool, model, scratch, *arguments = sys.argv[1:]
    data, path = Path(model).read_bytes(), Path(scratch)
    tried = refused = 0
    for what, content in damaged(data, random.Random(0)):
        path.write_bytes(content)
        run = subprocess.run(
            [tool, path, "-o", "/dev/null", *arguments],
            capture_output=True, text=True, timeout=60, errors="replace",
        )
        tried += 1
        refused += run.returncode == 1
        if run.returncode not in (0, 1):
            sys.exit(f"{what}: exit status {run.returncode}\n{run.stderr[-2000:]}")
        if (run.returncode == 1) != ("error: " in run.stderr):
            sys.exit(f"{what}: exit status {run.returncode} and stderr '{run.stderr[:500]}'")
        if run.stderr.count("error: ") > 1:
            sys.exit(f"{what}: more than one error\n{run.stderr[:2000]}")
    print(f"tried {tried}, refused {refused}")


if __name__ == "__main__":
    main()
