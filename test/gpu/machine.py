"""What is on this machine, and how packed programs are run on it."""

import glob
import os
import signal
import subprocess
import sys
import threading
import time

OUT_OF_TIME = 124  # the exit status of what was stopped, or not begun


def library_folders():
    """Folders of cuBLASLt and NCCL where the loader does not look: of PyPI's wheels, of the toolkit."""
    places = [os.path.join(path, "nvidia", "*", "lib") for path in sys.path] + ["/usr/local/cuda/lib64"]
    found = [folder for place in places for folder in sorted(glob.glob(place))]
    return [folder for folder in found if any(glob.glob(f"{folder}/{name}.so*") for name in ("libcublasLt", "libnccl"))]


class Machine:
    """Runs programs of an unpacked folder, none longer than `minutes` from now on."""

    def __init__(self, pack, minutes):
        self.pack, self.end = pack, time.monotonic() + 60 * minutes
        self.bin = os.path.join(pack, "bin")
        libraries = [os.path.join(pack, "lib"), os.environ.get("LD_LIBRARY_PATH", ""), *library_folders()]
        self.environment = dict(os.environ, PATH=self.bin + ":" + os.environ["PATH"],
                                LD_LIBRARY_PATH=":".join(filter(None, libraries)))
        if os.path.isdir(os.path.join(pack, "usr")):  # Open MPI, which is not where it was made for
            self.environment["OPAL_PREFIX"] = os.path.join(pack, "usr")

    def left(self):
        return self.end - time.monotonic()

    def run(self, *command, own=True):
        """(exit status, output, seconds) of a command; `own`: one of the pack's."""
        begin = time.monotonic()
        if self.left() <= 0:
            return OUT_OF_TIME, "", 0
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                                   env=self.environment if own else None, start_new_session=True)
        try:
            output, _ = process.communicate(timeout=self.left())
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # with the ranks, which would keep the GPU's memory
            process.communicate()
            return OUT_OF_TIME, "", time.monotonic() - begin
        return process.returncode, output, time.monotonic() - begin


def describe():
    """GPU and driver, "" where nobody can say."""
    try:
        done = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


class MemoryWatch:
    """Most memory of the GPU in use, by all, while this is open; bytes, None where nobody can say."""

    def __enter__(self):
        self.most, self.done = None, threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self):
        while not self.done.wait(0.2):
            try:
                used = subprocess.run(["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"],
                                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.split()
                self.most = max(self.most or 0, int(used[0]) * 2**20)
            except (FileNotFoundError, IndexError, ValueError):
                return

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()
