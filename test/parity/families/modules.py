"""Families that are no class of a library: written here, as people write them."""

import math

import torch
from models import GPT, Wrapped, gpt
from torch import nn
from torch.nn import functional as F

VOCAB, WIDTH, HEADS, HIDDEN, SEQ = 131, 32, 4, 48, 64


class OneInput(Wrapped):
    """An encoder and a decoder that read the same tokens."""

    def forward(self, input_ids):
        return self.model(input_ids=input_ids, decoder_input_ids=input_ids).logits


def split_heads(x):
    return x.unflatten(2, (HEADS, -1)).transpose(1, 2)


class Attention(nn.Module):
    """Causal attention; `bias` [heads, seq, seq] is added to the scores."""

    def __init__(self, causal=True):
        super().__init__()
        self.causal = causal
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, x, bias=None):
        q, k, v = (split_heads(part) for part in self.qkv(x).chunk(3, dim=-1))
        causal = self.causal and bias is None
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, is_causal=causal)
        return self.out(y.transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self, attention=Attention):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = attention()
        self.up, self.down = nn.Linear(WIDTH, HIDDEN), nn.Linear(HIDDEN, WIDTH)

    def forward(self, x, bias=None):
        x = x + self.attention(self.norm1(x), bias)
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Decoder(nn.Module):
    """Tokens, places, blocks, norm and head; subclasses run the blocks."""

    def __init__(self, blocks):
        super().__init__()
        self.tokens = nn.Embedding(VOCAB, WIDTH)
        self.places = nn.Embedding(SEQ, WIDTH)
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, VOCAB, bias=False)

    def embed(self, input_ids):
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        return self.tokens(input_ids) + self.places(places)

    def run(self, x):
        for block in self.blocks:
            x = block(x)
        return x

    def forward(self, input_ids):
        return self.head(self.norm(self.run(self.embed(input_ids))))


class Looped(Decoder):
    """Three blocks, the whole stack run twice (Looped Transformer)."""

    def __init__(self):
        super().__init__(Block() for _ in range(3))

    def run(self, x):
        for _ in range(2):
            x = super().run(x)
        return x


class Universal(Decoder):
    """One block run three times, each time with a place in depth (Universal
    Transformer)."""

    def __init__(self):
        super().__init__([Block()])
        self.depth = nn.Embedding(3, WIDTH)

    def run(self, x):
        for step in range(3):
            x = self.blocks[0](x + self.depth.weight[step])
        return x


class DeepNormBlock(Block):
    """Norms after the sum, the residual times alpha (DeepNet)."""

    alpha = (2 * 2) ** 0.25

    def forward(self, x, bias=None):
        x = self.norm1(self.alpha * x + self.attention(x, bias))
        return self.norm2(self.alpha * x + self.down(F.gelu(self.up(x))))


class Alibi(Decoder):
    """No places but a slope a head on the distance (ALiBi)."""

    def __init__(self):
        super().__init__(Block() for _ in range(2))
        del self.places
        self.register_buffer("slopes", 2.0 ** -torch.arange(2, 2 * HEADS + 1, 2), persistent=False)

    def forward(self, input_ids):
        x = self.tokens(input_ids)
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        distance = places[None, :] - places[:, None]
        bias = self.slopes[:, None, None] * distance
        bias = bias.masked_fill(distance > 0, float("-inf"))
        for block in self.blocks:
            x = block(x, bias)
        return self.head(self.norm(x))


class GatedBlock(nn.Module):
    """RMSNorm and SwiGLU, as in Llama, over a plain attention."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.RMSNorm(WIDTH, eps=1e-6), nn.RMSNorm(WIDTH, eps=1e-6)
        self.attention = Attention()
        self.gate, self.up = (nn.Linear(WIDTH, HIDDEN, bias=False) for _ in range(2))
        self.down = nn.Linear(HIDDEN, WIDTH, bias=False)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        y = self.norm2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class TiedGated(Decoder):
    """The head is the table of tokens."""

    def __init__(self):
        super().__init__(GatedBlock() for _ in range(2))
        self.head.weight = self.tokens.weight
        nn.init.normal_(self.tokens.weight, std=0.1)


class LoraLinear(nn.Module):
    """A frozen layer and a trained low-rank change of it, named as PEFT names
    them."""

    def __init__(self, base, rank=4, alpha=8):
        super().__init__()
        self.base_layer = base.requires_grad_(False)
        self.lora_A = nn.ModuleDict({"default": nn.Linear(base.in_features, rank, bias=False)})
        self.lora_B = nn.ModuleDict({"default": nn.Linear(rank, base.out_features, bias=False)})
        self.scaling = alpha / rank

    def forward(self, x):
        change = self.lora_B["default"](self.lora_A["default"](x))
        return self.base_layer(x) + change * self.scaling


class Lora(Decoder):
    """Everything frozen but the adapters of the attentions."""

    def __init__(self):
        super().__init__(Block() for _ in range(2))
        self.requires_grad_(False)
        for block in self.blocks:
            block.attention.qkv = LoraLinear(block.attention.qkv)
            block.attention.out = LoraLinear(block.attention.out)


class Recurrent(nn.Module):
    """A GRU language model."""

    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(VOCAB, WIDTH)
        self.gru = nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.head = nn.Linear(WIDTH, VOCAB)

    def forward(self, input_ids):
        return self.head(self.gru(self.tokens(input_ids))[0])


class Mixer(Decoder):
    """Attention written out, with multiply-by-mask and softmax in plain steps."""

    class Written(Attention):
        def forward(self, x, bias=None):
            q, k, v = (split_heads(part) for part in self.qkv(x).chunk(3, dim=-1))
            scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
            seen = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).tril()
            scores = scores.masked_fill(~seen, float("-inf"))
            return self.out((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))

    def __init__(self):
        super().__init__(Block(self.Written) for _ in range(2))


class Branching(Decoder):
    """Blocks whose MLP has another activation for short sequences: a branch by
    the shape, with the layer's weights in both."""

    class Chosen(Block):
        def forward(self, x, bias=None):
            x = x + self.attention(self.norm1(x), bias)
            return x + torch.cond(x.shape[1] > 8, self.long, self.short, (self.norm2(x),))

        def long(self, x):
            return self.down(F.gelu(self.up(x)))

        def short(self, x):
            return self.down(torch.sin(self.up(x)))

    def __init__(self):
        super().__init__([self.Chosen(), self.Chosen()])


class Torch(nn.Module):
    """nn.TransformerEncoder with a causal mask."""

    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(VOCAB, WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, HIDDEN, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(WIDTH, VOCAB)

    def forward(self, input_ids):
        seq = input_ids.shape[1]
        mask = torch.full((seq, seq), float("-inf"), device=input_ids.device).triu(1)
        return self.head(self.encoder(self.tokens(input_ids), mask=mask, is_causal=True))


MODULES = {
    "nanogpt": lambda: gpt(GPT, vocab=VOCAB, seq=16, layers=2, heads=4, width=32, mlp=48),
    "written-attention": Mixer,
    "torch-encoder": Torch,
    "gated-tied": TiedGated,
    "alibi": Alibi,
    "deepnorm": lambda: Decoder(DeepNormBlock() for _ in range(2)),
    "looped": Looped,
    "universal": Universal,
    "lora": Lora,
    "gru": Recurrent,
    "branching": Branching,
}
