"""Exports and trains each model of a set in PyTorch.

    python make_set.py families|cases [MODEL ...]

Writes into the set's folder <model>.tar.xz, which holds the exports, and
<model>.json: an entry an export, as in fixtures/MANIFEST.json, and the goldens.
"""

import importlib
import io
import json
import logging
import sys
import tarfile
import warnings
from pathlib import Path

import torch

import export
import golden
from models import MODELS

# Above this a golden says more about the seed than about the trainer.
CONDITIONED = 3e-6
USUAL = [f"dynamo{opset}-dyn-{kind}" for opset in (18, 23) for kind in ("raw", "opt")]


def exports(name):
    """(entry, file contents) of each way of exporting.

    Training says whether they compute what PyTorch does; ONNX's reference
    evaluator cannot run all of them (GatherElements on one row).
    """
    for variant in MODELS[name].variants or USUAL:
        proto = export.export(name, variant)
        yield export.entry(name, variant, proto), proto.SerializeToString()


def pack(path, contents):
    """Writes the exports as an archive that is the same for the same contents."""
    with tarfile.open(path, "w:xz") as archive:
        for file, content in contents.items():
            info = tarfile.TarInfo(file)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def goldens(name):
    labels = bool(MODELS[name].classes)
    found = {}
    for kind, steps in ("adamw", 8), ("sgd", 4):
        run = golden.Run(kind, batch=4, steps=steps, labels=labels)
        _, losses, norms = golden.train(name, run, torch.float32)
        _, *exact = golden.train(name, run, torch.float64)
        item = golden.record(name, run, losses, norms, exact)
        found[run.name] = item
        worst = max(item["fp32_fp64_loss_difference"], item["fp32_fp64_grad_norm_difference"])
        if worst > CONDITIONED:
            print(f"{name}: {run.name} differs by {worst:.1e} from fp64: try another seed")
    return found


def make(folder, name):
    trained = {} if MODELS[name].refused else goldens(name)
    made, archive = list(exports(name)), folder / f"{name}.tar.xz"
    pack(archive, {entry["file"]: content for entry, content in made})
    lines = ",\n".join(json.dumps(entry) for entry, _ in made)
    (folder / f"{name}.json").write_text(
        f'{{"exports": [\n{lines}\n],\n"goldens": {json.dumps(trained)}}}\n'
    )
    print(f"{name}: {archive.stat().st_size} bytes", flush=True)


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for logger in ("torch.onnx", "onnx_ir"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    folder = Path(__file__).resolve().parent / sys.argv[1]
    sys.path.insert(0, str(folder))
    # The set's models take the place of those of models.py.
    MODELS.clear()
    MODELS.update(importlib.import_module("table").TABLE)
    for name in sys.argv[2:] or MODELS:
        make(folder, name)


if __name__ == "__main__":
    main()
