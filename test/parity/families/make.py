"""Exports and trains each family of table.py in PyTorch.

    python make.py [FAMILY ...]

Writes <family>.tar.xz, which holds its exports, and <family>.json: an entry an
export, as in ../fixtures/MANIFEST.json, and the goldens.
"""

import io
import json
import logging
import sys
import tarfile
import warnings
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))
import export  # noqa: E402
import golden  # noqa: E402
import table  # noqa: E402

VARIANTS = [f"dynamo{opset}-dyn-{kind}" for opset in (18, 23) for kind in ("raw", "opt")]
RUNS = [golden.Run(batch=4, steps=8), golden.Run("sgd", batch=4, steps=4)]
# Above this a golden says more about the seed than about the trainer.
CONDITIONED = 3e-6


def exports(name):
    """{variant: (entry, file contents)} of the exports that compute the same."""
    found = {}
    for variant in VARIANTS:
        proto = export.export(name, variant)
        export.check(name, variant, proto)
        found[variant] = export.entry(name, variant, proto), proto.SerializeToString()
    return found


def pack(name, contents):
    """Writes the exports as an archive that is the same for the same contents."""
    with tarfile.open(HERE / f"{name}.tar.xz", "w:xz") as archive:
        for file, content in contents.items():
            info = tarfile.TarInfo(file)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def goldens(name):
    found = {}
    for run in RUNS:
        _, losses, norms = golden.train(name, run, torch.float32)
        _, *exact = golden.train(name, run, torch.float64)
        item = golden.record(name, run, losses, norms, exact)
        found[run.name] = item
        worst = max(item["fp32_fp64_loss_difference"], item["fp32_fp64_grad_norm_difference"])
        if worst > CONDITIONED:
            print(f"{name}: {run.name} differs by {worst:.1e} from fp64: try another seed")
    return found


def make(name):
    trained, made = goldens(name), exports(name)
    pack(name, {entry["file"]: content for entry, content in made.values()})
    entries = [entry for entry, _ in made.values()]
    lines = ",\n".join(json.dumps(item) for item in entries)
    (HERE / f"{name}.json").write_text(
        f'{{"exports": [\n{lines}\n],\n"goldens": {json.dumps(trained)}}}\n'
    )
    print(f"{name}: {(HERE / f'{name}.tar.xz').stat().st_size} bytes", flush=True)


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for logger in ("torch.onnx", "onnx_ir"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    table.register()
    for name in sys.argv[1:] or table.FAMILIES:
        make(name)


if __name__ == "__main__":
    main()
