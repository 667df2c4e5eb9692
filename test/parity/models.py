"""The models behind the parity fixtures, each built from a fixed seed.

Weights are what a user has after building a model: random matrices, norms of
ones, biases of zeros. Sizes are small, so that the exported files stay small.
"""

import copy
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "gpt"))
from model import GPT, Attention, GPTConfig, MLP  # noqa: E402


class HardBlock(nn.Module):
    """A block with parallel norms: both read the same value."""

    def __init__(self, config):
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.width)
        self.attn = Attention(config)
        self.ln_2 = nn.LayerNorm(config.width)
        self.mlp = MLP(config)

    def forward(self, x):
        return x + self.attn(self.ln_1(x)) + self.mlp(self.ln_2(x))


class HardGPT(GPT):
    """The shapes and habits that a sharding compiler gets wrong first.

    Parameters of 5, 1 and 0 dimensions, one that nothing reads, one that is
    frozen, two blocks with equal contents, and an embedding with a padding
    row whose table is also the head.
    """

    groups = 5
    padding_idx = 3

    def __init__(self, config):
        super().__init__(config)
        block = HardBlock(config)
        block.apply(self.init_weights)
        self.transformer.h = nn.ModuleList([block, copy.deepcopy(block)])
        self.transformer.wte.padding_idx = self.padding_idx
        with torch.no_grad():
            self.transformer.wte.weight[self.padding_idx].zero_()
        self.group_gain = nn.Parameter(torch.linspace(0.5, 1.5, self.groups))
        self.temperature = nn.Parameter(torch.tensor([1.25]))
        self.skip_scale = nn.Parameter(torch.tensor(0.75))
        self.spare = nn.Parameter(torch.randn(7, 3))
        self.transformer.wpe.weight.requires_grad_(False)

    def forward(self, input_ids):
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)
        embedded = self.transformer.wte(input_ids) + self.transformer.wpe(positions)
        x = embedded
        for block in self.transformer.h:
            x = block(x)
        x = x + self.skip_scale * embedded
        grouped = x.unflatten(2, (self.groups, -1)) * self.group_gain[:, None]
        x = self.transformer.ln_f(grouped.flatten(2))
        return self.lm_head(x) * self.temperature


class Mixer(nn.Module):
    """Grouped-query attention with one key and value head a pair of queries."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width // 2, bias=False)
        self.value = nn.Linear(width, width // 2, bias=True)
        self.out = nn.Linear(width, width, bias=True)

    def forward(self, x):
        batch, seq, width = x.shape
        split = (batch, seq, -1, self.size)
        q, k, v = (f(x).view(split).transpose(1, 2) for f in (self.query, self.key, self.value))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.out(y.transpose(1, 2).reshape(batch, seq, width))


class Stage(nn.Module):
    """RMS norms, and a gate that no library has a kernel for."""

    def __init__(self, width, heads, hidden):
        super().__init__()
        self.before = nn.RMSNorm(width, eps=1e-5)
        self.mixer = Mixer(width, heads)
        self.between = nn.RMSNorm(width, eps=1e-5)
        self.widen = nn.Linear(width, hidden)
        self.narrow = nn.Linear(hidden, width)
        self.slope = nn.Parameter(torch.full((hidden,), 0.5))

    def gate(self, x):
        bump = torch.exp(-x * x / 8) + torch.log1p(torch.abs(x))
        return torch.tanh(self.slope * x) * bump + 0.25 * torch.sin(2 * x) * torch.sigmoid(x)

    def forward(self, x):
        x = x + self.mixer(self.before(x))
        return x + self.narrow(self.gate(self.widen(self.between(x))))


class Tower(nn.Module):
    """A decoder with names, widths, depth and an activation of its own."""

    def __init__(self, vocab=131, seq=32, depth=3, width=36, heads=6, hidden=70):
        super().__init__()
        self.symbols = nn.Embedding(vocab, width)
        self.places = nn.Parameter(0.02 * torch.randn(seq, width))
        self.stages = nn.ModuleList(Stage(width, heads, hidden) for _ in range(depth))
        self.last = nn.RMSNorm(width, eps=1e-5)
        self.readout = nn.Linear(width, vocab)

    def forward(self, input_ids):
        x = self.symbols(input_ids) + self.places[: input_ids.shape[1]]
        for stage in self.stages:
            x = stage(x)
        return self.readout(self.last(x))


class HandTied(nn.Module):
    """A head written as `x @ embedding.T`, a padding row, a persistent buffer."""

    def __init__(self, vocab=131, width=24):
        super().__init__()
        self.table = nn.Embedding(vocab, width, padding_idx=3)
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Linear(width, width)
        self.register_buffer("levels", torch.linspace(0.5, 1.5, width))

    def forward(self, input_ids):
        x = self.table(input_ids)
        x = x + torch.tanh(self.mix(self.norm(x))) * self.levels
        return x @ self.table.weight.T


class Scaled(HandTied):
    """Reads a parameter twice, once through an expression of it alone."""

    def __init__(self):
        super().__init__()
        del self.mix, self.levels

    def forward(self, input_ids):
        x = self.table(input_ids) * self.norm.weight
        return self.norm(x) * (self.norm.weight * 2) @ self.table.weight.T


class ScaledZeros(HandTied):
    """Reads a bias of zeros twice, once times two: the same zeros."""

    def __init__(self):
        super().__init__(width=8)
        del self.mix, self.levels

    def forward(self, input_ids):
        return (self.norm(self.table(input_ids)) + self.norm.bias * 2) @ self.table.weight.T


class Wrapped(nn.Module):
    """Returns bare logits, and puts `model.` in front of every name."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask=None):
        return self.model(input_ids=input_ids, attention_mask=attention_mask).logits


def gpt(cls=GPT, **sizes):
    return cls(GPTConfig(**sizes))


def hugging_face(config_class, model_class, attn="sdpa", **settings):
    import transformers

    config = getattr(transformers, config_class)(
        use_cache=False,
        attn_implementation=attn,
        bos_token_id=0,
        eos_token_id=0,
        **settings,
    )
    return getattr(transformers, model_class)(config)


def gpt2(**settings):
    # More positions than the exporter's optimizer would fold into a constant.
    sizes = dict(vocab_size=131, n_positions=264, n_embd=32, n_layer=2, n_head=4)
    dropout = dict(resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
    return hugging_face("GPT2Config", "GPT2LMHeadModel", **{**sizes, **dropout, **settings})


def llama(**settings):
    sizes = dict(
        vocab_size=131,
        hidden_size=32,
        intermediate_size=72,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=32,
        tie_word_embeddings=False,
    )
    return hugging_face("LlamaConfig", "LlamaForCausalLM", **{**sizes, **settings})


def qwen3():
    return hugging_face(
        "Qwen3Config",
        "Qwen3ForCausalLM",
        vocab_size=131,
        hidden_size=32,
        intermediate_size=72,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=32,
        tie_word_embeddings=True,
    )


def gpt_neox(**settings):
    sizes = dict(
        vocab_size=131,
        hidden_size=32,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=32,
        use_parallel_residual=True,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        tie_word_embeddings=False,
    )
    return hugging_face("GPTNeoXConfig", "GPTNeoXForCausalLM", **{**sizes, **settings})


# Of a few seeds one under which every golden is well-conditioned: in fp32 and in
# fp64 the losses and norms of all runs are the same to 2e-6. With AdamW that is
# not so for every seed, as an update of a tiny gradient is as large as any other.
SEED = 1


@dataclass
class Model:
    """One model: how to build it and what is special about it."""

    build: callable
    vocab: int
    seq: int
    # The batch of static exports and of the traced example.
    batch: int = 3
    # Shifts labels itself and returns (loss, logits).
    loss_inside: bool = False
    # Where the weights are: in the exported files, in one file that they share,
    # or nowhere.
    weights: str = "inline"
    # Why no export of this model can be trained, if so; what the message has to
    # name, and the option of the export that helps.
    refused: str = ""
    names: tuple = ()
    option: str = ""
    # The model with the same weights and goldens, if there is one.
    golden: str = ""
    # The learning rate of the SGD goldens, small enough to be stable.
    sgd_lr: float = 0.02
    # What the logits tell apart, where that is not the vocabulary.
    classes: int = 0
    seed: int = SEED
    # The exports that a set holds, if not the usual ones.
    variants: tuple = ()
    # Makes the file of the built model, where no exporter does.
    write: callable = None


NANO = dict(vocab=131, seq=32, heads=4, width=32, mlp=128)

MODELS = {
    "nanogpt": Model(lambda: gpt(layers=2, **NANO), 131, 32),
    "nanogpt-uneven": Model(
        lambda: gpt(vocab=1009, seq=24, layers=2, heads=8, width=200, mlp=157),
        1009,
        24,
        weights="shared",
    ),
    "nanogpt-hard": Model(
        lambda: gpt(HardGPT, vocab=131, seq=32, layers=0, heads=5, width=40, mlp=83),
        131,
        32,
    ),
    "tower": Model(Tower, 131, 32),
    "hand-tied": Model(HandTied, 131, 32),
    "scaled": Model(Scaled, 131, 32),
    "scaled-zeros": Model(
        ScaledZeros,
        131,
        32,
        refused="computed from norm.bias",
        names=("norm.bias",),
        option="optimize=False",
    ),
    "gpt2": Model(gpt2, 131, 32),
    "gpt2-eager": Model(lambda: gpt2(attn="eager"), 131, 32, golden="gpt2"),
    "gpt2-loss": Model(lambda: gpt2(), 131, 32, loss_inside=True),
    "gpt2-124m": Model(
        lambda: gpt2(vocab_size=50257, n_positions=1024, n_embd=768, n_layer=12, n_head=12),
        50257,
        256,
        weights="none",
    ),
    "llama": Model(llama, 131, 32),
    "llama-tied": Model(lambda: llama(tie_word_embeddings=True), 131, 32),
    "llama-eager": Model(lambda: llama(attn="eager"), 131, 32, golden="llama"),
    "llama-wrapped": Model(lambda: Wrapped(llama()), 131, 32, golden="llama"),
    "qwen3": Model(qwen3, 131, 32),
    "gpt-neox": Model(gpt_neox, 131, 32),
    "gpt-neox-eager": Model(lambda: gpt_neox(attn="eager"), 131, 32, golden="gpt-neox"),
    "gpt2-dropout": Model(
        lambda: gpt2(resid_pdrop=0.1, embd_pdrop=0.1).train(),
        131,
        32,
        refused="dropout in training mode",
        names=("Dropout", "transformer.drop"),
        option="eval()",
    ),
    "llama-bf16": Model(
        lambda: llama().to(torch.bfloat16),
        131,
        32,
        refused="parameters of type bfloat16",
        names=("bf16", "model.embed_tokens.weight"),
        option="dtype=torch.float32",
    ),
}


def build(name):
    """The named model with its seeded weights, in evaluation mode.

    Only a model that is exported in training mode stays in it.
    """
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(MODELS[name].seed)
    model = MODELS[name].build()
    return model if "training mode" in MODELS[name].refused else model.eval()


def state_names(model):
    """Every parameter under every name, in state_dict order: (name, tensor)."""
    return list(model.named_parameters(remove_duplicate=False))


def persistent_buffers(model):
    """What `state_dict` has besides the parameters: [name, dims, dtype]."""
    state = model.state_dict()
    parameters = {name for name, _ in state_names(model)}
    assert parameters <= state.keys(), "a parameter that state_dict has not"
    return [
        [name, list(t.shape), str(t.dtype).removeprefix("torch.")]
        for name, t in state.items()
        if name not in parameters
    ]


def ties(model):
    """Each second name of a shared parameter, with the first."""
    first = {}
    return {
        name: first[id(p)]
        for name, p in state_names(model)
        if first.setdefault(id(p), name) != name
    }
