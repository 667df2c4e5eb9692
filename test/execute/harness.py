"""What the groups of this folder share: running the tools on the fixtures."""
import json
import os
import re
import struct
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PARITY = os.path.join(ROOT, "test", "parity")
FIXTURES = os.path.join(PARITY, "fixtures")
BIN = os.environ.get("FSDP_BIN", os.path.join(ROOT, "build", "bin"))
COMPILE = os.path.join(BIN, "fsdp-compile")
RUN = os.path.join(BIN, "fsdp-run")
OPT = os.path.join(BIN, "fsdp-opt")
TOKENS = os.path.join(PARITY, "tokens-131.u16")
NANOGPT = os.path.join(FIXTURES, "nanogpt", "dynamo18-dyn-raw.onnx")
# Compiles in a moment; 11 tokens.
TINY = os.path.join(HERE, "exports", "detach.23.opt.onnx")
DIMS = ["--dim", "batch=2", "--dim", "seq=32"]
LOSS = ["--loss", "cross_entropy"]

# Where a rank is that was struck at no chosen moment.
PHASE_AND_STEP = "phase '(step|update)', step [0-9]+"
# Where a rank is struck at any time: none of a phase's operations may have begun.
STRUCK = rf"((in|before|after) operation '.*' .*)?\({PHASE_AND_STEP}\)"


def execute(*command, timeout=300, env=None, preexec_fn=None):
    """(exit status, standard output, standard error); a hang fails the test."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          errors="replace", timeout=timeout, env=env, preexec_fn=preexec_fn)
    return done.returncode, done.stdout, done.stderr


def entry(file):
    """What MANIFEST.json says of a fixture."""
    with open(os.path.join(FIXTURES, "MANIFEST.json")) as manifest:
        return next(e for e in json.load(manifest) if e["file"] == file)


def lines_of(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


def content(path):
    with open(path, "rb") as file:
        return file.read()


def tensors_of(path):
    """{name: (dtype, shape, bytes)} of a safetensors file."""
    data = content(path)
    length, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    return {name: (entry["dtype"], entry["shape"],
                   data[8 + length + entry["data_offsets"][0]:8 + length + entry["data_offsets"][1]])
            for name, entry in header.items()}


def could_not_load(errors):
    """Whether the system's loader ended a process before its main, for lack of memory."""
    said = ("error while loading shared libraries", "Fatal glibc error", "cannot allocate TLS data structures",
            "libgomp: Out of memory")
    return any(text in errors for text in said)


class ToolTest(unittest.TestCase):
    """A test with a folder of its own, in which nothing unfinished may stay."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)
        return self.path(name)

    def compile(self, output, *flags, model=NANOGPT, dims=DIMS, loss=LOSS):
        return execute(COMPILE, model, *dims, *loss, "-o", self.path(output), *flags)

    def program(self, name, *flags, **rest):
        """A program that must compile; its path."""
        status, _, errors = self.compile(name, *flags, **rest)
        self.assertEqual(status, 0, errors)
        return self.path(name)

    def train(self, program, *flags, data=TOKENS, timeout=300):
        status, output, errors = execute(RUN, program, "--data", data, *flags, timeout=timeout)
        self.assertEqual(status, 0, errors)
        return output

    def assertOneError(self, result, *words, output=None):
        """Failed, did not crash, and said why in one line that has `words`."""
        status, _, errors = result
        self.assertNotEqual(status, 0, "was accepted")
        # A signal is negative here, and 128 + N where a launcher passes it on.
        self.assertTrue(0 < status < 128, f"status {status}: {errors}")
        said = [line for line in errors.splitlines() if "error:" in line]
        self.assertEqual(len(said), 1, errors)
        for word in words:
            self.assertIn(word, said[0])
        self.assertNotIn("PLEASE submit a bug report", errors)
        self.assertNotRegex(errors, r"Assertion|terminate called|Stack dump")
        if output:
            self.assertFalse(os.path.lexists(self.path(output)), f"{output} was left")
        self.assertEqual([name for name in os.listdir(self.folder) if ".partial" in name], [])
        return said[0]
