"""Cases that are modules: names, ties, visits, tables."""

import torch
from bodies import VOCAB, WIDTH, Small
from torch import nn
from torch.nn import functional as F


class Stacked(nn.Module):
    """Layers that are run in `order`."""

    def __init__(self, count, order):
        super().__init__()
        self.wte = nn.Embedding(VOCAB, WIDTH)
        self.h = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(count))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCAB, bias=False)
        self.order = order

    def forward(self, input_ids):
        x = self.wte(input_ids)
        for i in self.order:
            x = x + self.norm(self.h[i](x)).tanh()
        return self.head(x)


class Table(nn.Module):
    """One table, with `settings` of nn.Embedding, and further tables of ids."""

    def __init__(self, tables=1, **settings):
        super().__init__()
        made = (nn.Embedding(VOCAB, WIDTH, **settings) for _ in range(tables))
        self.wte = nn.ModuleList(made)
        self.head = nn.Linear(WIDTH, VOCAB)

    def forward(self, input_ids):
        return self.head(sum(table(input_ids) for table in self.wte))


class TiedBias(nn.Module):
    """BERT's head: its bias is the decoder's."""

    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(VOCAB, WIDTH)
        self.bias = nn.Parameter(torch.randn(VOCAB))
        self.decoder = nn.Linear(WIDTH, VOCAB)
        self.decoder.bias = self.bias

    def forward(self, input_ids):
        return self.decoder(self.wte(input_ids))


class Stack(nn.Module):
    def __init__(self, table):
        super().__init__()
        self.embed_tokens = table
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, input_ids):
        return self.linear(self.embed_tokens(input_ids))


class Shared(nn.Module):
    """T5's table: four names, one of which is never called."""

    def __init__(self):
        super().__init__()
        self.shared = nn.Embedding(VOCAB, WIDTH)
        self.encoder, self.decoder = Stack(self.shared), Stack(self.shared)
        self.lm_head = nn.Linear(WIDTH, VOCAB, bias=False)
        self.lm_head.weight = self.shared.weight

    def forward(self, input_ids):
        return self.lm_head(self.encoder(input_ids) + self.decoder(input_ids))


class TiedThree(nn.Module):
    """One matrix read as table, as layer and, transposed, as head."""

    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(VOCAB, WIDTH)
        self.up = nn.Linear(WIDTH, VOCAB, bias=False)
        self.up.weight = self.wte.weight
        self.again = nn.Linear(WIDTH, VOCAB)
        self.again.weight = self.wte.weight

    def forward(self, input_ids):
        x = self.wte(input_ids)
        return self.again(self.up(x).tanh() @ self.wte.weight)


class OwnWeight(nn.Module):
    """Reads its child's weight beside one of its own, of another shape, that
    nothing reads."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(WIDTH, WIDTH)
        self.weight = nn.Parameter(torch.randn(WIDTH, WIDTH))

    def forward(self, x):
        return F.linear(x, self.inner.weight, self.inner.bias)


class Around(nn.Module):
    """A table and a head around a module."""

    def __init__(self, inner, classes=VOCAB):
        super().__init__()
        self.wte, self.head = nn.Embedding(VOCAB, WIDTH), nn.Linear(WIDTH, classes)
        self.f = inner

    def forward(self, input_ids):
        return self.head(self.f(self.wte(input_ids)))


class Chosen(nn.Module):
    """The branch that is taken is known when the model is built."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.norm, self.leftward = nn.LayerNorm(WIDTH), True

    def forward(self, x):
        return self.norm(self.left(x) if self.leftward else self.right(x))


class Unused(Small):
    def __init__(self):
        super().__init__(lambda m, x, h, ids: h, dict(spare=[3]))


class Named(nn.Module):
    """Modules whose names are no identifiers."""

    def __init__(self, *others):
        super().__init__()
        self.wte = nn.Embedding(VOCAB, WIDTH)
        self.layers = nn.ModuleDict({
            name: nn.Linear(WIDTH, WIDTH)
            for name in ("a b", "50%s", "größe", "x-y", "1", *others)
        })
        self.head = nn.Linear(WIDTH, VOCAB)

    def forward(self, input_ids):
        x = self.wte(input_ids)
        for layer in self.layers.values():
            x = x + layer(x).tanh()
        return self.head(x)


class SelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.MultiheadAttention(WIDTH, 2, batch_first=True)

    def forward(self, x):
        return x + self.a(x, x, x, need_weights=False)[0]


class Adapted(nn.Module):
    """A layer in a ModuleDict, as PEFT has its adapters."""

    def __init__(self):
        super().__init__()
        self.f = nn.ModuleDict({"default": nn.Linear(WIDTH, WIDTH, bias=False)})

    def forward(self, x):
        return self.f["default"](x)


class Normed(nn.Module):
    """BatchNorm over the running statistics, or over the batch's."""

    def __init__(self, training):
        super().__init__()
        self.norm = nn.BatchNorm1d(WIDTH)
        self.norm.num_batches_tracked = None  # counts in no computation
        for tensor in (self.norm.running_mean, self.norm.running_var):
            tensor.copy_(torch.rand(WIDTH) + 0.5)
        self.training_of_norm = training

    def forward(self, x):
        self.norm.train(self.training_of_norm)
        return self.norm(x.transpose(1, 2)).transpose(1, 2)


MODULES = {
    "looped": (lambda: Stacked(3, [0, 1, 2] * 2), {}),
    "looped-alternating": (lambda: Stacked(2, [0, 1, 0, 1, 0]), {}),
    "looped-back": (lambda: Stacked(3, [0, 1, 2, 2, 1, 0]), {}),
    "looped-one": (lambda: Stacked(1, [0, 0, 0, 0]), {}),
    "two-tables": (lambda: Table(tables=2), {}),
    "padding-row": (lambda: Table(padding_idx=3), {}),
    "padding-row-last": (lambda: Table(tables=2, padding_idx=-1), {}),
    "tied-bias": (TiedBias, {}),
    "tied-three": (TiedThree, {}),
    "shared-never-called": (Shared, {}),
    "own-weight-unread": (lambda: Around(OwnWeight()), {}),
    "unused-branch": (lambda: Around(Chosen()), {}),
    "unused-parameter": (Unused, {}),
    "names": (Named, {}),
    "self-attention": (lambda: Around(SelfAttention()), {}),
    "module-dict": (lambda: Around(Adapted()), {}),
    "batch-norm": (lambda: Around(Normed(False)), {}),
    "narrow-head": (lambda: Around(nn.Linear(WIDTH, WIDTH), classes=5), dict(classes=5)),
}
REFUSED = {
    "scale-grad-by-freq": (
        lambda: Table(scale_grad_by_freq=True), "scaled gradients",
        ("scale_grad_by_freq=True",), "scale_grad_by_freq=False",
    ),
    "max-norm": (lambda: Table(max_norm=1.0), "renormed rows", ("max_norm",), ""),
    "batch-norm-of-batch": (
        lambda: Around(Normed(True)), "batch statistics", ("training=True",), "eval()",
    ),
}
# PyTorch's code of these takes sizes for numbers when it is traced.
LEGACY_STATIC = {"legacy-self-attention": lambda: Around(SelfAttention())}
LEGACY = {
    "legacy-module-dict": lambda: Around(Adapted()),
    "legacy-softmax-of-two": lambda: Small(
        lambda m, x, h, ids: m.g.softmax(0)[0] * x + m.g.softmax(0)[1] * h, dict(g=[2])),
    # torch.export does not take a quote.
    "legacy-names": lambda: Named('quo"te'),
    "legacy-tied-three": TiedThree,
    "legacy-looped": lambda: Stacked(2, [0, 1, 0]),
}
