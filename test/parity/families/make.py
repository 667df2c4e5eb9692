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

# Above this a golden says more about the seed than about the trainer.
CONDITIONED = 3e-6


def exports(name):
    """(entry, file contents) of each way of exporting.

    Training says whether they compute what PyTorch does; ONNX's reference
    evaluator cannot run all of them (GatherElements on one row).
    """
    opsets = (18,) if name in table.ONLY_OPSET_18 else (18, 23)
    for variant in [f"dynamo{opset}-dyn-{kind}" for opset in opsets for kind in ("raw", "opt")]:
        proto = export.export(name, variant)
        yield export.entry(name, variant, proto), proto.SerializeToString()


def pack(name, contents):
    """Writes the exports as an archive that is the same for the same contents."""
    with tarfile.open(HERE / f"{name}.tar.xz", "w:xz") as archive:
        for file, content in contents.items():
            info = tarfile.TarInfo(file)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def goldens(name):
    labels = bool(table.FAMILIES[name].classes)
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


def make(name):
    trained, made = goldens(name), list(exports(name))
    pack(name, {entry["file"]: content for entry, content in made})
    lines = ",\n".join(json.dumps(entry) for entry, _ in made)
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
