"""The two sides as processes that run one step when told, and else wait."""

import fcntl
import json
import os
import re
import select
import signal
import socket
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
GROWTH = re.compile(r"resident growth (\d+)")
PAGE = 4096


class Torch:
    """Ranks of fsdp2_rank.py, each pinned to one core."""

    def __init__(self, python, mode, settings, cores):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.ranks = []
        for rank, core in enumerate(cores):
            env = dict(os.environ, RANK=str(rank), WORLD_SIZE=str(len(cores)),
                       MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), OMP_NUM_THREADS="1",
                       TORCHINDUCTOR_COMPILE_THREADS="1")
            command = ["taskset", "-c", str(core), python, os.path.join(HERE, "fsdp2_rank.py"),
                       mode, json.dumps(settings)]
            self.ranks.append(subprocess.Popen(command, stdin=subprocess.PIPE,
                                               stdout=subprocess.PIPE, text=True, env=env))
        self.answers()

    def answers(self):
        """The next JSON line of each rank."""
        lines = [rank.stdout.readline() for rank in self.ranks]
        if not all(lines):
            raise SystemExit("a rank of PyTorch ended; see its message above")
        return [json.loads(line) for line in lines]

    def ask(self, command):
        for rank in self.ranks:
            rank.stdin.write(command + "\n")
            rank.stdin.flush()
        return self.answers()

    def step(self):
        return self.ask("step")[0]

    def finish(self):
        """Resident growth of each rank in bytes."""
        growth = [answer["growth"] for answer in self.ask("memory")]
        for rank in self.ranks:
            rank.stdin.close()
            rank.wait()
        return growth


class Gate:
    """A FIFO as metrics file: the writer blocks after each step until it is let on.

    The pipe holds one page and is kept full, so that a line waits for room.
    """

    def __init__(self, path):
        self.path = path
        os.mkfifo(path)
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, PAGE)
        self.close()

    def close(self):
        os.write(self.fd, b"\n" * PAGE)

    def take(self):
        """Lets one line through and returns it; the gate stays open."""
        text = os.read(self.fd, PAGE).lstrip(b"\n")
        while not text.endswith(b"\n"):
            select.select([self.fd], [], [])
            text += os.read(self.fd, PAGE)
        return json.loads(text)

    def is_awaited_by(self, pid):
        """Whether the process is blocked in a write to the pipe."""
        try:
            with open(f"/proc/{pid}/syscall") as file:
                words = file.read().split()
            return words[0] == "1" and os.readlink(f"/proc/{pid}/fd/{int(words[1], 16)}") == self.path
        except (OSError, IndexError):
            return False


class Ours:
    """Ranks of fsdp-run, each pinned to one core, stopped between steps."""

    def __init__(self, tools, program, settings, cores, folder, steps, trace):
        self.gate = Gate(os.path.join(folder, "metrics"))
        self.rows = []
        command = ["mpirun", "--quiet", "--oversubscribe", "--bind-to", "none"]
        if os.geteuid() == 0:
            command.append("--allow-run-as-root")
        for i, core in enumerate(cores):
            command += [":"] * (i > 0) + [
                "-n", "1", "taskset", "-c", str(core), f"{tools}/fsdp-run", program,
                "--data", settings["tokens"], "--shuffle", "off", "--weights", settings["weights"],
                "--lr", str(settings["lr"]), "--steps", str(steps), "--threads", "1",
                "--timeout", "36000", "--metrics", self.gate.path,
                "--trace", trace, "--trace-steps", f"3:{steps}"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.ranks = self.find_ranks(len(cores))
        self.wait()

    def find_ranks(self, count):
        """Process ids of the ranks, in order."""
        found = {}
        while len(found) < count:
            self.check()
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    with open(f"/proc/{pid}/environ", "rb") as file:
                        env = dict(e.split(b"=", 1) for e in file.read().split(b"\0") if b"=" in e)
                    with open(f"/proc/{pid}/cmdline", "rb") as file:
                        name, *arguments = file.read().split(b"\0")
                except OSError:
                    continue
                if name.endswith(b"fsdp-run") and self.gate.path.encode() in arguments:
                    found[int(env[b"OMPI_COMM_WORLD_RANK"])] = int(pid)
            time.sleep(0.05)
        return [found[rank] for rank in range(count)]

    def check(self):
        if self.process.poll() is not None:
            raise SystemExit(f"fsdp-run ended with status {self.process.returncode}")

    def signal(self, number):
        for pid in self.ranks:
            os.kill(pid, number)

    def wait(self):
        """Until rank 0 has finished its step; then nothing of this side runs."""
        while not self.gate.is_awaited_by(self.ranks[0]):
            self.check()
            time.sleep(0.02)
        self.signal(signal.SIGSTOP)

    def step(self):
        """The step that is to be run; the first has run when the ranks have started."""
        self.signal(signal.SIGCONT)
        self.rows.append(self.gate.take())
        self.gate.close()
        self.wait()

    def finish(self):
        """Resident growth of each rank in bytes."""
        self.signal(signal.SIGCONT)
        self.rows.append(self.gate.take())
        output = self.process.communicate()[0]
        return [int(number) for number in GROWTH.findall(output)]
