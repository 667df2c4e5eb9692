"""Stands for torchrun and srun in tests: starts N processes that are told which rank they are, and ends the others
when one has failed. It starts them without MPI's variables."""
import signal
import socket
import subprocess
import tempfile
import time


def free_port():
    """A port P such that P + 1 is free as well, at this moment."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
                return port
            except OSError:
                continue


def torchrun_variables(world, port=None):
    """Of each rank, all on this host."""
    port = port or free_port()
    return [{"RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(world),
             "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "test"}
            for rank in range(world)]


def srun_variables(world, port=None):
    port = port or free_port()
    return [{"SLURM_PROCID": str(rank), "SLURM_STEP_NUM_TASKS": str(world), "SLURM_LOCALID": str(rank),
             "SLURM_NODEID": "0", "SLURM_STEP_TASKS_PER_NODE": str(world), "SLURM_STEP_ID": "0", "SLURM_JOB_ID": str(port),
             "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)} for rank in range(world)]


class Launch:
    """Processes that run `command`, each with its variables added to `environment`; None: is not started."""

    def __init__(self, command, variables, environment, watched=True):
        self.watched = watched
        self.files = [tempfile.TemporaryFile("w+", errors="replace") for _ in range(2)]
        self.ranks = [None if own is None else
                      subprocess.Popen(command, stdout=self.files[0], stderr=self.files[1], env={**environment, **own})
                      for own in variables]

    def started(self):
        return [rank for rank in self.ranks if rank]

    def wait(self, timeout=240):
        """(exit statuses, standard output, standard error) of all; a hang fails the test."""
        deadline = time.monotonic() + timeout
        try:
            self.watch(deadline)
            for rank in self.started():
                rank.wait(timeout=max(1, deadline - time.monotonic()))
        finally:
            for rank in self.started():
                if rank.poll() is None:
                    rank.kill()
                    rank.wait()
            said = []
            for file in self.files:
                file.seek(0)
                said.append(file.read())
                file.close()
        return [rank.returncode for rank in self.started()], *said

    def watch(self, deadline):
        """As torchrun's agent does, which looks ten times a second."""
        while self.watched and any(rank.poll() is None for rank in self.started()) and time.monotonic() < deadline:
            if any(rank.poll() for rank in self.started()):
                for rank in self.started():
                    if rank.poll() is None:
                        rank.send_signal(signal.SIGTERM)
                return
            time.sleep(0.1)
