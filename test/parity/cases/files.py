"""Cases that are in the file: made by an exporter and changed, or exported in a
way of their own."""

import torch
from bodies import VOCAB, WIDTH, Small, attention
from losses import Shifting
from torch import nn

RAW = ("hand18",)


def exported(module, opset, inputs=None, outputs=("logits",)):
    ids = torch.randint(0, VOCAB, (2, 8))
    inputs = inputs(ids) if inputs else {"input_ids": ids}
    dims = {name: {0: "batch", 1: "seq"} for name in inputs}
    program = torch.onnx.export(
        module, kwargs=inputs, dynamo=True, opset_version=opset, optimize=False, verbose=False,
        input_names=list(inputs), output_names=list(outputs), dynamic_shapes=dims,
    )
    return program.model_proto


def all_outputs(module):
    """Attention with its four outputs named, as later opsets' exports have it."""
    proto = exported(module, 23)
    for node in proto.graph.node:
        if node.op_type == "Attention":
            node.output.extend(f"{node.name}_{i}" for i in range(len(node.output), 4))
    return proto


def one_tensor(module):
    """Labels that are the very tensor of the inputs."""
    return exported(module, 18, lambda ids: {"input_ids": ids, "labels": ids}, ("loss", "logits"))


def named_twice(module):
    """The result of the layer is called as the layer's weight."""
    proto = exported(module, 18)
    for node in proto.graph.node:
        for names in node.input, node.output:
            for i, name in enumerate(names):
                names[i] = "fc.weight" if name == "linear" else name
    return proto


def other_producer(module):
    """No records and another producer: what ONNX Runtime's optimizer leaves."""
    proto = exported(module, 18)
    proto.producer_name = "onnxruntime.transformers"
    for holder in proto, proto.graph, *proto.graph.node, *proto.graph.value_info:
        del holder.metadata_props[:]
    return proto


class Gained(nn.Module):
    """A constant table, and a gain of one element."""

    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(VOCAB, WIDTH)
        self.register_buffer("cos_table", torch.rand(WIDTH) + 0.5)
        self.gain = nn.Linear(1, 1, bias=False)
        self.head = nn.Linear(WIDTH, VOCAB, bias=False)

    def forward(self, input_ids):
        return self.head(self.wte(input_ids) * self.cos_table * self.gain.weight[0])


def refused(reason, names, option):
    return dict(refused=reason, names=names, option=option)


# The model, what makes its file, the names of the files, what is special.
FILES = {
    "all-outputs": (
        lambda: Small(lambda m, x, h, ids: attention(h, x, h, is_causal=True)),
        all_outputs, ("hand23",), {},
    ),
    "labels-are-inputs": (
        Shifting, one_tensor, RAW,
        dict(loss_inside=True, **refused("one tensor", ("input_ids", "labels"), "labels=ids.clone()")),
    ),
    "named-twice": (
        lambda: Small(lambda m, x, h, ids: h), named_twice, RAW,
        refused("two values of one name", ("fc.weight",), "another name"),
    ),
    "other-producer": (Gained, other_producer, RAW, {}),
}
