#!/usr/bin/env python3
"""Ranks are killed at random moments while checkpoints are written; each run resumes to the losses that it would have
had. `kills.py N` kills N times, ctest a few."""
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from harness import COMPILE, NANOGPT, RUN, TOKENS, execute, lines_of

STEPS = 40
RANKS = 3
SAVE = ["--checkpoint-every", "2", "--keep", "3"]


def ranks_of(program):
    """Process numbers by rank, of those that are ranks of the program."""
    found = {}
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
            if not words[0].endswith(b"fsdp-run") or program.encode() not in words:
                continue
            with open(f"/proc/{entry}/environ", "rb") as file:
                rank = re.search(rb"OMPI_COMM_WORLD_RANK=(\d+)", file.read())
        except OSError:
            continue
        if rank:
            found[int(rank.group(1))] = int(entry)
    return found


class Kills:
    def __init__(self, folder, seed):
        self.folder, self.random = folder, random.Random(seed)
        self.counts = {"one rank": 0, "all ranks": 0, "in a save": 0, "in a removal": 0, "other number of ranks": 0, "before the first": 0}
        self.programs = {}
        for ranks in (1, 2, RANKS):
            self.programs[ranks] = self.path(f"p{ranks}.fsdp")
            status, _, errors = execute(COMPILE, NANOGPT, "--dim", f"batch={6 // ranks}", "--dim", "seq=32", "--loss",
                                        "cross_entropy", "--mesh", f"shard={ranks}", "-o", self.programs[ranks])
            assert status == 0, errors
        metrics = self.path("whole.jsonl")
        begin = time.monotonic()
        self.go(RANKS, "--metrics", metrics)
        self.seconds = time.monotonic() - begin
        self.expected = [m["loss"] for m in lines_of(metrics)]

    def path(self, name):
        return os.path.join(self.folder, name)

    def command(self, ranks, *flags):
        return [RUN, self.programs[ranks], "--data", TOKENS, "--steps", str(STEPS), "--comm", "mpi", *flags]

    def go(self, ranks, *flags):
        status, output, errors = execute(*self.command(ranks, *flags))
        assert status == 0, errors
        return output

    def is_saving(self):
        return any(name.endswith(".partial") for name in os.listdir(self.path("D")))

    def kill(self):
        """Starts a run and kills it or one of its ranks, once it has begun to save: every other time when it is seen to
        save, or else at any moment."""
        checkpoints = self.path("D")
        shutil.rmtree(checkpoints, ignore_errors=True)
        child = subprocess.Popen(self.command(RANKS, "--checkpoint-dir", checkpoints, *SAVE), stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not (os.path.isdir(checkpoints) and any("step-" in name for name in os.listdir(checkpoints))):
            assert time.monotonic() < deadline and child.poll() is None, "did not save"
            time.sleep(0.002)
        time.sleep(self.random.random() * self.stretch())
        waits = self.random.random() < 0.5
        while waits and not self.is_saving() and child.poll() is None:
            pass  # a pause could be longer than a save
        ranks = ranks_of(self.programs[RANKS])
        struck = [self.random.choice(sorted(ranks))] if ranks and self.random.random() < 0.5 else sorted(ranks)
        for rank in struck:
            try:
                os.kill(ranks[rank], signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.counts["one rank" if len(struck) == 1 else "all ranks"] += 1
        child.wait(timeout=60)

    def stretch(self):
        """Seconds that the steps take, about."""
        return max(0.05, min(1.0, self.seconds / 4))

    def resume(self, index):
        checkpoints, metrics = self.path("D"), self.path("m.jsonl")
        names = os.listdir(checkpoints)
        whole = sorted(int(name[5:]) for name in names if re.fullmatch(r"step-\d+", name))
        # Older than one that is complete: it was about to go.
        left = [name for name in names if name.endswith(".partial")]
        self.counts["in a save"] += bool(left)
        self.counts["in a removal"] += any(f"step-{step}.partial" in left for step in range(max(whole, default=0)))
        self.counts["before the first"] += not whole
        ranks = RANKS if index % 5 else self.random.choice([1, 2])
        self.counts["other number of ranks"] += ranks != RANKS
        if os.path.exists(metrics):
            os.remove(metrics)
        output = self.go(ranks, "--checkpoint-dir", checkpoints, *SAVE, "--resume", "latest", "--metrics", metrics)
        begin = whole[-1] if whole else 0
        wanted = f"step-{begin}', step {begin}," if whole else "from the beginning"
        assert wanted in output, output
        got = [m["loss"] for m in lines_of(metrics)] if begin < STEPS else []
        expected = self.expected[begin:]
        assert len(got) == len(expected), (begin, len(got))
        for ours, theirs in zip(got, expected):
            assert ours == theirs if ranks == RANKS else abs(ours - theirs) <= 1e-5 * theirs, (begin, ours, theirs)


def main(times, seed):
    with tempfile.TemporaryDirectory() as folder:
        kills = Kills(folder, seed)
        for index in range(times):
            kills.kill()
            try:
                kills.resume(index)
            except AssertionError:
                print(f"kill {index} of seed {seed}:", os.listdir(kills.path("D")))
                raise
        print(f"{times} kills resumed:", ", ".join(f"{count} {what}" for what, count in kills.counts.items()))
        assert times < 20 or all(kills.counts[what] for what in ("one rank", "all ranks", "in a save"))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20, int(sys.argv[2]) if len(sys.argv) > 2 else 1)
