"""Cases that are a few operations between a table and a head."""

import torch
from torch import nn
from torch.nn import functional as F

VOCAB, WIDTH, HEADS = 131, 8, 2


class Small(nn.Module):
    """A table, a layer and a head around `body(model, table's, layer's, ids)`.

    `shapes` are the dims of further parameters, g, ..., by name.
    """

    def __init__(self, body, shapes=None):
        super().__init__()
        self.wte, self.fc = nn.Embedding(VOCAB, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, VOCAB)
        for name, dims in (shapes or {}).items():
            setattr(self, name, nn.Parameter(torch.randn(dims)))
        self.body = body

    def forward(self, input_ids):
        x = self.wte(input_ids)
        return self.head(self.body(self, x, self.fc(x), input_ids))


def heads(x):
    return x.unflatten(2, (HEADS, -1)).transpose(1, 2)


def attention(q, k, v, mask=None, **settings):
    q, k, v = heads(q), heads(k), heads(v)
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, **settings)
    return y.transpose(1, 2).flatten(2)


def same(q, k, v):
    """Attention over views that are one value, where their letters are."""
    made = {name: heads(name) for name in (q, k, v)}
    y = F.scaled_dot_product_attention(made[q], made[k], made[v], is_causal=True)
    return y.transpose(1, 2).flatten(2)


def written(x, mask):
    """Attention as products and a softmax."""
    q = heads(x)
    return ((q @ q.transpose(2, 3) + mask).softmax(-1) @ q).transpose(1, 2).flatten(2)


def causal(ids, diagonal=0):
    seq = ids.shape[1]
    return torch.ones(seq, seq, dtype=torch.bool, device=ids.device).tril(diagonal)


def seen(ids):
    """No query sees the first token's places, nor one behind its own: a query
    that all keys before it are hidden from, by both masks, sees none."""
    return causal(ids) & (ids != ids[:, :1])[:, None, None, :]


def hidden(mask, value, like):
    return torch.zeros_like(mask, dtype=like.dtype).masked_fill(~mask, value)


def lowest(x):
    return torch.finfo(x.dtype).min


def swapped(x):
    a, b = x.chunk(2, -1)
    return torch.cat((b, a), -1)


def replaced(h, x):
    y = h.clone()
    y[:, 0] = x[:, 0]
    return y


DETACH = {
    "detach": lambda m, x, h, ids: x + h.tanh().detach() * h,
    "detach-all": lambda m, x, h, ids: x + h.tanh().detach(),
    "detach-beside": lambda m, x, h, ids: h * h.detach() + h,
    "detach-twice": lambda m, x, h, ids: x.detach() * h + h.detach() * x,
    "detach-chain": lambda m, x, h, ids: h.detach().tanh().detach() * h,
    "detach-view": lambda m, x, h, ids: heads(h).detach().transpose(1, 2).flatten(2) * h,
    "detach-parameter": lambda m, x, h, ids: F.linear(x, m.fc.weight.detach()) + h,
    "detach-gelu": lambda m, x, h, ids: x * F.gelu(h.detach(), approximate="tanh") + h,
    "detach-keys": lambda m, x, h, ids: attention(h, x.detach(), h) + x,
    "detach-where": lambda m, x, h, ids: torch.where(ids[..., None] > 60, h.detach(), h),
    "detach-norm": lambda m, x, h, ids: h / h.detach().pow(2).sum(-1, keepdim=True).sqrt(),
    "detach-parts": lambda m, x, h, ids: swapped(h.detach()) * h,
    "detach-clone": lambda m, x, h, ids: h.detach().clone() * h,
    "straight-through": lambda m, x, h, ids: h + (h.round() - h).detach(),
}
ATTENTION = {
    "q-is-k-is-v": lambda m, x, h, ids: same(h, h, h),
    "q-is-k": lambda m, x, h, ids: same(h, h, x),
    "q-is-v": lambda m, x, h, ids: same(h, x, h),
    "k-is-v": lambda m, x, h, ids: same(x, h, h),
}
MASKS = {
    "masked-row": lambda m, x, h, ids: attention(h, x, h, causal(ids, -1)),
    "masked-row-float": lambda m, x, h, ids: attention(
        h, x, h, hidden(causal(ids, -1), float("-inf"), h)),
    "masked-tokens": lambda m, x, h, ids: attention(h, x, h, seen(ids)),
    # Not hidden: these rows are means.
    "masked-written": lambda m, x, h, ids: written(h, hidden(causal(ids, -1), lowest(h), h)),
}
PARAMETERS = {
    "clone": (lambda m, x, h, ids: h * m.g.clone(), dict(g=[WIDTH])),
    "cloned-layer": (lambda m, x, h, ids: F.linear(h, m.g.clone()), dict(g=[WIDTH, WIDTH])),
    "cloned-twice": (lambda m, x, h, ids: h * m.g.clone() + m.g.clone(), dict(g=[WIDTH])),
    "full-slice": (lambda m, x, h, ids: h @ m.g[:, :WIDTH], dict(g=[WIDTH, WIDTH])),
    "part-slice": (lambda m, x, h, ids: h @ m.g[:, 2 : WIDTH + 2], dict(g=[WIDTH, 2 * WIDTH])),
    "two-slices": (
        lambda m, x, h, ids: h * m.g[:WIDTH] + m.g[WIDTH:], dict(g=[2 * WIDTH])
    ),
    "both-ways": (lambda m, x, h, ids: h @ m.g @ m.g.T, dict(g=[WIDTH, WIDTH])),
    "viewed": (lambda m, x, h, ids: h @ m.g.view(WIDTH, WIDTH), dict(g=[2, 4, WIDTH])),
    "flipped": (lambda m, x, h, ids: h * m.g.flip(0), dict(g=[WIDTH])),
    "rows": (lambda m, x, h, ids: h * m.g[0] + m.g[1], dict(g=[2, WIDTH])),
    "expanded": (lambda m, x, h, ids: h + m.g.expand_as(h), dict(g=[1, 1, WIDTH])),
    "places": (lambda m, x, h, ids: h + m.g[: ids.shape[1]], dict(g=[20, WIDTH])),
    "softmax-of-two": (
        lambda m, x, h, ids: m.g.softmax(0)[0] * x + m.g.softmax(0)[1] * h, dict(g=[2])
    ),
}
EXTENTS = {
    "zero-slice": (lambda m, x, h, ids: torch.cat((h, h[..., WIDTH:]), -1),),
    "zero-first": (lambda m, x, h, ids: torch.cat((h[..., :0], h), -1),),
    "zero-rows": (lambda m, x, h, ids: torch.cat((h[:, :0], h), 1),),
    "zero-split": (lambda m, x, h, ids: h.split([WIDTH, 0], -1)[0],),
    "zero-sum": (lambda m, x, h, ids: h + h[..., WIDTH:].sum(-1, keepdim=True),),
    "zero-fill": (lambda m, x, h, ids: torch.cat((h, h.new_zeros(*ids.shape, 0)), -1),),
    "zero-parameter": (lambda m, x, h, ids: h + m.g.sum(), dict(g=[VOCAB, 0])),
    "zero-rank": (lambda m, x, h, ids: h + h @ m.a.T @ m.b, dict(a=[0, WIDTH], b=[0, WIDTH])),
}
DROPOUT = {
    "dropout-of-0": lambda m, x, h, ids: F.dropout(h, 0.0, True) + x,
    "dropout-off": lambda m, x, h, ids: F.dropout(h, 0.5, False) + x,
    "attention-dropout-of-0": lambda m, x, h, ids: attention(h, x, h, is_causal=True, dropout_p=0.0),
}
INDICES = {
    "one-hot": lambda m, x, h, ids: F.one_hot(ids, VOCAB).to(x.dtype) @ m.wte.weight + h,
    "replaced": lambda m, x, h, ids: replaced(h, x),
    "looked-up-twice": lambda m, x, h, ids: h + m.wte(ids.flip(1)),
}
PLAIN = {**DETACH, **ATTENTION, **MASKS, **DROPOUT, **INDICES}
BODIES = {**{name: (body,) for name, body in PLAIN.items()}, **PARAMETERS, **EXTENTS}

# What the exporter's optimizer merges or removes together with the detach
# leaves no trace of it: only as they are can these be exported.
ONLY_RAW = ("detach-parameter", "detach-parts", "detach-clone")

DROPS = ("dropout in training mode", ("Dropout",), "eval()")
REFUSED_BODIES = {
    "dropout": ((lambda m, x, h, ids: F.dropout(h, 0.5, True) + x,), *DROPS),
    "attention-dropout": (
        (lambda m, x, h, ids: attention(h, x, h, is_causal=True, dropout_p=0.5),),
        "dropout of attention", ("dropout_p=0.5",), "eval()",
    ),
    "noise": (
        (lambda m, x, h, ids: h + torch.randn_like(h),), "random numbers", ("RandomNormal",), "",
    ),
}
