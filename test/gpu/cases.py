"""The programs that are packed, checked and measured."""

import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PARITY = os.path.join(ROOT, "test", "parity")
sys.path.insert(0, PARITY)
import check as parity  # noqa: E402

FAMILIES = ["gpt2", "llama", "qwen3", "gpt-neox", "nanogpt-uneven"]
VARIANT = "dynamo18-dyn-raw.onnx"
# Run with PyTorch's goldens: model, kind of golden, ranks.
PARITY_CASES = [(model, kind, 1) for model in FAMILIES for kind in ("adamw", "adamw-bf16")]
PARITY_CASES += [("gpt2", "adamw", 2), ("llama", "adamw", 2), ("llama", "adamw-bf16", 2)]
# Relative, of losses and gradient norms in f32: a GPU's products are summed in
# an order of their own. In bf16 the CPU's bounds hold.
TOLERANCE = 1e-4

BF16 = ["--param-dtype", "bfloat16", "--reduce-dtype", "float32", "--output-dtype", "float32"]


class ParityCase(parity.Checker):
    """A program with a golden, packed as FOLDER/programs/NAME/program.fsdp."""

    def __init__(self, bin, pack, model, kind, world, comm="nccl"):
        self.name = f"{model}-{kind}-{world}"
        self.pack, self.world = pack, world
        entries = json.load(open(os.path.join(PARITY, "fixtures", "MANIFEST.json")))
        self.entry = next(e for e in entries if e["file"] == f"{model}/{VARIANT}")
        (self.golden_path, _), = parity.goldens_of(self.entry, [kind], [world])
        self.golden = json.load(open(self.golden_path))
        options = parity.options("").parse_args(["--bin", bin, "--comm", comm])
        super().__init__(options, os.path.join(pack, "programs", self.name))

    @property
    def program(self):
        return os.path.join(self.folder, "program.fsdp")

    def batch(self):
        return self.golden["global_batch"] // self.world


class SpeedCase:
    """A program of a size that people train, with fresh weights, packed likewise."""

    def __init__(self, name, model, batch, seq, vocab, flags=(), torch=None):
        self.name, self.model, self.batch, self.seq, self.vocab = name, model, batch, seq, vocab
        self.flags, self.torch = list(flags), torch

    def command(self, compiler, program):
        return [compiler, self.model, "--init", "--loss", "cross_entropy", "--dim", f"batch={self.batch}",
                "--dim", f"seq={self.seq}", "--clip-grad-norm", "1", "--weight-decay", "0.1", *BF16, *self.flags,
                "-o", program]


def speed_cases(models):
    """`models`: the folder of those that are exported for this."""
    gpt2 = os.path.join(PARITY, "fixtures", "gpt2-124m", VARIANT)
    llama = os.path.join(models, "llama3.2-1b-16.onnx")
    return [SpeedCase("gpt2-124m", gpt2, 16, 1024, 50257, torch="gpt2"),
            SpeedCase("llama-1.2b", llama, 4, 2048, 128256, torch="llama"),
            # Small enough for a CPU to compute it again.
            SpeedCase("gpt2-124m-small", gpt2, 2, 512, 50257)]
