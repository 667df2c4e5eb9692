"""Exports a module to ONNX without its weights.

Each parameter becomes an initializer with its name, type and dims whose data
lie in an external file that is not written: a trainer initialises them. What is
not a parameter (constants, buffers) keeps its data inside the model.
"""

import onnx_ir as ir
import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

ALIGNMENT = 64


def is_fake(value):
    return isinstance(getattr(value.const_value, "raw", None), FakeTensor)


def detach_parameters(model, names, buffers):
    """Takes the data of the named initializers; returns them by name.

    A buffer gets its data from `buffers`.
    """
    taken = {}
    for name, value in model.graph.initializers.items():
        if name in names:
            taken[name], value.const_value = value.const_value, None
        elif name in buffers:
            value.const_value = ir.Tensor(buffers[name].numpy(), name=name)
        elif is_fake(value):
            raise ValueError(f"constant '{name}' has no data")
    return taken


def declare_parameters(model, tensors, location):
    """Points each initializer at `location`, one after the other."""
    offset = 0
    for name, tensor in tensors.items():
        length = tensor.size * tensor.dtype.itemsize
        model.graph.initializers[name].const_value = ir.ExternalTensor(
            location=location,
            offset=offset,
            length=length,
            dtype=tensor.dtype,
            shape=tensor.shape,
            name=name,
        )
        offset += -(-length // ALIGNMENT) * ALIGNMENT


def export_without_weights(build, inputs, location, optimize=False, buffers=None, **options):
    """Builds and exports a module without allocating its weights.

    `build` makes the module, `inputs` the example inputs by name; `buffers` holds
    the tensors, by name, of buffers that the module computes; `options` go to
    torch.onnx.export. Returns a ModelProto.
    """
    with FakeTensorMode():
        module = build().eval()
        program = torch.onnx.export(
            module, kwargs=inputs(), dynamo=True, verbose=False, optimize=False, **options
        )
    names = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    tensors = detach_parameters(program.model, names, buffers or {})
    if optimize:
        # Only now: the optimizer would try to compute with data that are not there.
        program.optimize()
    declare_parameters(program.model, tensors, location)
    return ir.to_proto(program.model)


def strip_traces(proto):
    """Removes source locations: they name files of the exporting machine."""
    keys = {"pkg.torch.onnx.stack_trace", "namespace"}
    graphs = [proto.graph, *proto.functions]
    for graph in graphs:
        for node in graph.node:
            node.doc_string = ""
            kept = [p for p in node.metadata_props if p.key not in keys]
            del node.metadata_props[:]
            node.metadata_props.extend(kept)
    return proto
