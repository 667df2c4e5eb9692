"""Trains each model in plain PyTorch and records loss and gradient norm.

    python golden.py [MODEL ...]

Writes goldens/<model>.<run>.json, and the parameters after the last step of the
SGD runs, and of the smallest model's by every rule, as
goldens/<model>.<run>.safetensors. fp32, one process, one thread; the same run
in fp64 is recorded beside it and says how well-conditioned it is.
"""

import json
import sys
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

import models
from lion import Lion
from models import MODELS

HERE = Path(__file__).resolve().parent
GOLDENS = HERE / "goldens"
STEPS = 20
CLIP = 1.0
IGNORE = -100
GLOBAL_BATCH = 24
WORLDS = [1, 2, 3, 4, 8]


@dataclass
class Rule:
    """An optimizer by the name that --optimizer has for it, and its numbers."""

    optimizer: str
    kind: type
    numbers: dict
    # (pattern, numbers) as --group has them: the first that matches holds.
    groups: tuple = ()

    def groups_in(self, model):
        """The groups that have parameters: others are mistakes to --group."""
        names = [name for name, _ in model.named_parameters()]
        return [group for group in self.groups if any(fnmatch(name, group[0]) for name in names)]


WITHOUT_DECAY = ("*norm*", dict(lr=0.5, weight_decay=0.0))
# Rules beside AdamW's and SGD's of every model, each with groups of parameters.
RULES = {
    "adamw-groups": Rule("adamw", torch.optim.AdamW, dict(lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1),
                         (WITHOUT_DECAY, ("*.weight", dict(betas=(0.8, 0.9), eps=1e-6)))),
    "adam-groups": Rule("adam", torch.optim.Adam, dict(lr=1e-3, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.1),
                        (WITHOUT_DECAY, ("*.weight", dict(lr=0.25, betas=(0.8, 0.9))))),
    "nesterov-groups": Rule("sgd", torch.optim.SGD, dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
                            (WITHOUT_DECAY, ("*.weight", dict(momentum=0.8)))),
    # Parameters with and without a state: in lines of their own.
    "dampened-groups": Rule("sgd", torch.optim.SGD, dict(lr=0.03, momentum=0.9, dampening=0.5, weight_decay=0.1),
                            (WITHOUT_DECAY, ("*.bias", dict(momentum=0.0)), ("*.weight", dict(dampening=0.25)))),
    "adagrad-groups": Rule("adagrad", torch.optim.Adagrad,
                           dict(lr=1e-2, lr_decay=0.1, eps=1e-10, initial_accumulator_value=0.1, weight_decay=0.1),
                           (WITHOUT_DECAY, ("*.weight", dict(lr_decay=0.0, eps=1e-3)))),
    "lion-groups": Rule("lion", Lion, dict(lr=1e-4, betas=(0.9, 0.99), weight_decay=0.1),
                        (WITHOUT_DECAY, ("*.weight", dict(lr=0.25, betas=(0.8, 0.9))))),
    "adafactor-groups": Rule("adafactor", torch.optim.Adafactor,
                             dict(lr=1e-2, beta2_decay=-0.8, eps=(None, 1e-3), d=1.0, weight_decay=0.1),
                             (WITHOUT_DECAY, ("*.weight", dict(lr=2.0, beta2_decay=-0.6, eps=(1e-6, 0.1), d=2.0)))),
}
# The smallest model, of which parameters are compared, and one of several units.
MODELS_OF_RULES = ("hand-tied", "llama")


@dataclass
class Run:
    optimizer: str = "adamw"
    batch: int = GLOBAL_BATCH
    labels: bool = False
    # Name patterns of the parameters without weight decay.
    no_decay: tuple = ()
    # The ranks whose means are averaged; 0: the mean over all valid targets.
    mean_of_ranks: int = 0
    steps: int = STEPS

    @property
    def name(self):
        special = "-labels" if self.labels else "-nodecay" if self.no_decay else ""
        if self.mean_of_ranks:
            special = f"-rankmean-w{self.mean_of_ranks}"
        return f"{self.optimizer}-b{self.batch}{special}"


def runs(name):
    """One run a global batch: static exports fix the batch of a rank."""
    spec = MODELS[name]
    found = [Run(), Run("sgd")]
    found += [Run(batch=b) for w in WORLDS if (b := spec.batch * w) != GLOBAL_BATCH]
    if name in ("nanogpt", "gpt2", "llama"):
        found.append(Run(labels=True))
    if name == "gpt2":
        found.append(Run(no_decay=("*.bias", "*.ln_*.weight")))
    if name in MODELS_OF_RULES:
        found += [Run(rule) for rule in RULES]
    if name == "nanogpt-uneven":
        found += [Run(labels=True, mean_of_ranks=world) for world in (2, 3, 4)]
    return found


def labels_file(spec):
    return f"labels-{spec.classes or spec.vocab}.i32"


def windows(spec, run, step):
    """Inputs and targets of a step: rows in file order, around the end."""
    tokens = np.fromfile(HERE / f"tokens-{spec.vocab}.u16", dtype=np.uint16)
    targets = tokens.astype(np.int64)
    if run.labels:
        targets = np.fromfile(HERE / labels_file(spec), dtype=np.int32)
    count = (len(tokens) - 1) // spec.seq
    starts = [(step * run.batch + row) % count * spec.seq for row in range(run.batch)]
    x = np.stack([tokens[s : s + spec.seq] for s in starts]).astype(np.int64)
    y = np.stack([targets[s + 1 : s + spec.seq + 1] for s in starts]).astype(np.int64)
    return torch.from_numpy(x), torch.from_numpy(y)


def loss_of(model, spec, x, y):
    if spec.loss_inside:
        return model(input_ids=x, labels=x).loss
    logits = model(input_ids=x)
    logits = getattr(logits, "logits", logits)
    return F.cross_entropy(logits.flatten(0, 1), y.flatten(), ignore_index=IGNORE)


def rank_losses(model, spec, run, step):
    """Terms whose sum is the loss of the step.

    FSDP2 takes the mean over the ranks of each rank's own mean; a rank whose
    labels are all ignored has none (0 / 0) and contributes 0.
    """
    x, y = windows(spec, run, step)
    if not run.mean_of_ranks:
        return [loss_of(model, spec, x, y)]
    shares = zip(x.chunk(run.mean_of_ranks), y.chunk(run.mean_of_ranks))
    return [
        loss_of(model, spec, xs, ys) / run.mean_of_ranks
        for xs, ys in shares
        if (ys != IGNORE).any()
    ]


def settings(name, run):
    if run.optimizer in RULES:
        return RULES[run.optimizer].numbers
    if run.optimizer == "sgd":
        return dict(lr=MODELS[name].sgd_lr, momentum=0.9)
    return dict(lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1)


def groups(model, run):
    """The trained parameters, with and without weight decay, or by rule."""
    if run.optimizer in RULES:
        return groups_of_rule(model, RULES[run.optimizer])
    decayed, plain = [], []
    for name, p in model.named_parameters():
        if p.requires_grad:
            exempt = any(fnmatch(name, pattern) for pattern in run.no_decay)
            (plain if exempt else decayed).append(p)
    return [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]


def groups_of_rule(model, rule):
    found = [{"params": []} for _ in range(len(rule.groups) + 1)]
    for (_, numbers), group in zip(rule.groups, found):
        group.update(numbers)
        group["lr"] = rule.numbers["lr"] * numbers.get("lr", 1)
    for name, p in model.named_parameters():
        if p.requires_grad:
            places = [i for i, (pattern, _) in enumerate(rule.groups) if fnmatch(name, pattern)]
            found[places[0] if places else -1]["params"].append(p)
    return found


def optimizer_of(model, name, run):
    if run.optimizer in RULES:
        kind = RULES[run.optimizer].kind
    else:
        kind = torch.optim.SGD if run.optimizer == "sgd" else torch.optim.AdamW
    options = {} if kind is Lion else {"foreach": False}
    return kind(groups(model, run), **options, **settings(name, run))


def gradient_norm(parameters):
    """The norm of the gradients, their squares summed in double precision.

    torch.nn.utils.get_total_norm sums a tensor's squares in its own precision:
    1e-5 off for 200,000 elements in fp32, as much as the goldens are to allow.
    """
    norms = [
        torch.linalg.vector_norm(p.grad, dtype=torch.float64)
        for p in parameters
        if p.grad is not None
    ]
    return torch.linalg.vector_norm(torch.stack(norms))


def train(name, run, dtype):
    """Returns the trained model, its losses and its gradient norms."""
    spec = MODELS[name]
    model = models.build(name).to(dtype)
    torch.set_default_dtype(dtype)  # Of what the model makes on its way.
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = optimizer_of(model, name, run)
    losses, norms = [], []
    for step in range(run.steps):
        loss = sum(rank_losses(model, spec, run, step))
        optimizer.zero_grad()
        loss.backward()
        norm = gradient_norm(trained)
        if run.optimizer != "sgd":
            torch.nn.utils.clip_grads_with_norm_(trained, CLIP, norm.to(dtype))
        norms.append(norm.item())
        optimizer.step()
        losses.append(loss.item())
    return model, losses, norms


def largest_difference(a, b):
    return float(np.max(np.abs(np.array(a) / np.array(b) - 1)))


def record(name, run, losses, norms, exact):
    spec, rule = MODELS[name], RULES.get(run.optimizer)
    return {
        "model": name,
        "optimizer": rule.optimizer if rule else run.optimizer,
        **settings(name, run),
        "groups": rule.groups_in(models.build(name)) if rule else (),
        "clip_grad_norm": CLIP if run.optimizer != "sgd" else None,
        "no_decay": list(run.no_decay),
        "steps": run.steps,
        "seq": spec.seq,
        "global_batch": run.batch,
        "worlds": [run.mean_of_ranks] if run.mean_of_ranks
        else [w for w in WORLDS if run.batch % w == 0],
        "loss_mean": "rank" if run.mean_of_ranks else "global",
        "static_batch_world": (
            run.batch // spec.batch
            if run.batch % spec.batch == 0 and run.batch // spec.batch in WORLDS
            else None
        ),
        "data": f"tokens-{spec.vocab}.u16",
        "labels": labels_file(spec) if run.labels else None,
        "labels_shift": "model" if spec.loss_inside else "data",
        "shuffle": False,
        "torch": torch.__version__.split("+")[0],
        "loss": losses,
        "grad_norm": norms,
        "fp64_loss": exact[0],
        "fp64_grad_norm": exact[1],
        "fp32_fp64_loss_difference": largest_difference(losses, exact[0]),
        "fp32_fp64_grad_norm_difference": largest_difference(norms, exact[1]),
    }


def write(name, run):
    model, losses, norms = train(name, run, torch.float32)
    _, *exact = train(name, run, torch.float64)
    item = record(name, run, losses, norms, exact)
    path = GOLDENS / f"{name}.{run.name}"
    Path(f"{path}.json").write_text(json.dumps(item, indent=1) + "\n")
    if run.optimizer == "sgd" or (run.optimizer in RULES and name == MODELS_OF_RULES[0]):
        final = {name: p.detach() for name, p in model.named_parameters()}
        save_file(final, f"{path}.safetensors")
    print(
        f"{path.name}: loss {losses[0]:.4f} to {losses[-1]:.4f}, fp32 against fp64: "
        f"loss {item['fp32_fp64_loss_difference']:.1e}, "
        f"norm {item['fp32_fp64_grad_norm_difference']:.1e}",
        flush=True,
    )


def has_golden(spec):
    return not spec.refused and not spec.golden and spec.weights != "none"


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    GOLDENS.mkdir(exist_ok=True)
    names = sys.argv[1:] or [name for name, spec in MODELS.items() if has_golden(spec)]
    for name in names:
        for run in runs(name):
            write(name, run)


if __name__ == "__main__":
    main()
