"""Cases whose loss is in the model, which shifts the labels."""

from collections import namedtuple

import torch
from bodies import VOCAB, WIDTH
from torch import nn
from torch.nn import functional as F

Output = namedtuple("Output", ("loss", "logits"))


class Shifting(nn.Module):
    def __init__(self, **settings):
        super().__init__()
        self.wte, self.head = nn.Embedding(VOCAB, WIDTH), nn.Linear(WIDTH, VOCAB)
        self.settings = settings

    def loss(self, logits, labels):
        return F.cross_entropy(logits, labels, **self.settings)

    def forward(self, input_ids, labels):
        logits = self.head(self.wte(input_ids))
        return Output(self.loss(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten()), logits)


class Weighted(Shifting):
    def __init__(self):
        super().__init__()
        self.register_buffer("classes", torch.rand(VOCAB) + 0.5)

    def loss(self, logits, labels):
        return F.cross_entropy(logits, labels, weight=self.classes)


class Written(Shifting):
    """The formula, as people write it."""

    def loss(self, logits, labels):
        return -logits.log_softmax(-1).gather(1, labels[:, None]).mean()


class Scaled(Shifting):
    """A part of the loss, as in several tasks."""

    def loss(self, logits, labels):
        return 0.5 * F.cross_entropy(logits, labels)


class Regularised(Shifting):
    """The z-loss beside the cross entropy."""

    def loss(self, logits, labels):
        return F.cross_entropy(logits, labels) + 1e-2 * logits.logsumexp(-1).pow(2).mean()


LOSSES = {
    "loss": (Shifting,),
    "loss-ignored-class": (lambda: Shifting(ignore_index=5),),
    "label-smoothing": (
        lambda: Shifting(label_smoothing=0.1), "label smoothing",
        ("label_smoothing=0.1",), "label_smoothing=0",
    ),
    "loss-sum": (
        lambda: Shifting(reduction="sum"), "a sum", ("reduction='sum'",), "reduction='mean'",
    ),
    "loss-weights": (Weighted, "class weights", ("class weights",), "without weights"),
    "loss-written": (Written,),
    "loss-scaled": (Scaled,),
    "loss-regularised": (Regularised,),
}
