"""Exports every model of models.py in every way PyTorch can, and checks each.

    python export.py [MODEL ...]

Writes fixtures/<model>/<variant>.onnx and fixtures/MANIFEST.json. Each file's
outputs are compared with PyTorch's before it is kept.
"""

import json
import logging
import re
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import torch
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from safetensors.torch import save_file

import models
from models import MODELS
from no_weights import export_without_weights, strip_traces

HERE = Path(__file__).resolve().parent
FIXTURES = HERE / "fixtures"
GRAPH_SIGNATURE = "pkg.torch.export.ExportedProgram.graph_signature"
FOLDED_FROM = "pkg.onnxscript.optimizer.folded_from"
FX_NODE = "pkg.torch.onnx.fx_node"


@dataclass
class Variant:
    opset: int = 18
    dynamic: bool = True
    optimize: bool = True
    legacy: bool = False
    # Legacy: fold constants, which transposes and renames weights.
    fold: bool = True
    # Legacy: parameters are initializers, or else graph inputs.
    export_params: bool = True
    # The data of the parameters lie in the shared weights file.
    external: bool = False
    # Parameters that nothing reads are put back: the exporter always drops them.
    keep: bool = False
    mask: bool = False


def dynamo_variants():
    return {
        f"dynamo{opset}-{'dyn' if dynamic else 'static'}-{'opt' if optimize else 'raw'}": Variant(
            opset, dynamic, optimize
        )
        for opset in (18, 23)
        for dynamic in (True, False)
        for optimize in (True, False)
    }


VARIANTS = {
    **dynamo_variants(),
    "dynamo18-dyn-raw-kept": Variant(optimize=False, keep=True),
    "dynamo18-static-raw-kept": Variant(dynamic=False, optimize=False, keep=True),
    "dynamo23-dyn-raw-kept": Variant(23, optimize=False, keep=True),
    "dynamo18-dyn-raw-external": Variant(optimize=False, external=True),
    "dynamo18-dyn-raw-mask": Variant(optimize=False, mask=True),
    "legacy17": Variant(17, legacy=True, mask=True),
    "legacy17-static": Variant(17, dynamic=False, legacy=True, mask=True),
    "legacy17-nofold": Variant(17, legacy=True, fold=False, mask=True),
    "legacy17-nofold-static": Variant(17, dynamic=False, legacy=True, fold=False, mask=True),
    "legacy17-inputs": Variant(17, legacy=True, fold=False, export_params=False),
    # Made by Model.write.
    "hand18": Variant(optimize=False),
    "hand23": Variant(23, optimize=False),
}

ALL = [*dynamo_variants(), "legacy17"]
FEW = ["dynamo18-dyn-raw", "dynamo18-dyn-opt", "dynamo23-static-opt"]
PLAN = {
    "nanogpt": [
        "dynamo18-dyn-raw",
        "dynamo18-dyn-opt",
        "dynamo18-static-opt",
        "legacy17",
        "legacy17-static",
    ],
    "nanogpt-uneven": [*dynamo_variants(), "dynamo18-dyn-raw-external", "legacy17-inputs"],
    "nanogpt-hard": [
        "dynamo18-dyn-raw-kept",
        "dynamo18-static-raw-kept",
        "dynamo23-dyn-raw-kept",
        "dynamo18-dyn-raw",
        "dynamo18-dyn-opt",
    ],
    "tower": ["dynamo18-dyn-raw", "dynamo18-dyn-opt", "dynamo23-dyn-raw"],
    "hand-tied": ["dynamo18-dyn-raw", "dynamo18-dyn-opt", "legacy17", "legacy17-nofold"],
    "scaled": ["dynamo18-dyn-raw", "dynamo18-dyn-opt"],
    "scaled-zeros": ["dynamo18-dyn-opt"],
    "gpt2": [*ALL, "dynamo18-dyn-raw-mask"],
    "gpt2-eager": ["dynamo18-dyn-raw", "dynamo18-dyn-opt"],
    "gpt2-loss": FEW,
    "gpt2-124m": ["dynamo18-dyn-raw", "dynamo18-dyn-opt"],
    "llama": [*ALL, "legacy17-nofold"],
    "llama-tied": ["dynamo18-dyn-raw", "dynamo18-dyn-opt", "legacy17"],
    "llama-eager": ["dynamo18-dyn-opt", "dynamo23-static-opt"],
    "llama-wrapped": ["dynamo18-dyn-opt"],
    "qwen3": [*FEW, "legacy17"],
    "gpt-neox": [*ALL, "legacy17-nofold"],
    "gpt-neox-eager": ["dynamo18-dyn-raw"],
    "gpt2-dropout": ["dynamo18-dyn-opt", "legacy17"],
    "llama-bf16": ["dynamo18-dyn-opt"],
}


def is_transformer(module):
    return hasattr(module, "config") and hasattr(module.config, "model_type")


def subject(name, variant):
    """The module that is exported.

    The legacy exporter makes inputs of a transformer's optional arguments, so
    there the module is wrapped, and its names begin with `model.`.
    """
    module = models.build(name)
    if variant.legacy and is_transformer(module):
        return models.Wrapped(module)
    return module


def takes_mask(name, variant):
    return variant.mask and is_transformer(models.build(name))


def example(spec, variant, masked):
    """Example inputs by name; a static export keeps their dims."""
    batch, seq = spec.batch, spec.seq if not variant.dynamic else spec.seq // 2
    ids = torch.randint(0, spec.vocab, (batch, seq), generator=torch.Generator().manual_seed(7))
    inputs = {"input_ids": ids}
    if spec.loss_inside:
        inputs["labels"] = ids.clone()
    if masked:
        inputs["attention_mask"] = torch.ones_like(ids)
    return inputs


def export_options(spec, variant, inputs):
    outputs = ["loss", "logits"] if spec.loss_inside else ["logits"]
    options = dict(input_names=list(inputs), output_names=outputs, opset_version=variant.opset)
    axes = {name: {0: "batch", 1: "seq"} for name in inputs}
    if variant.legacy:
        options.update(
            do_constant_folding=variant.fold,
            export_params=variant.export_params,
            dynamic_axes=axes if variant.dynamic else None,
        )
    else:
        options.update(optimize=variant.optimize, dynamic_shapes=axes if variant.dynamic else None)
    return options


def export_legacy(module, inputs, options):
    training = torch.onnx.TrainingMode.PRESERVE
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        torch.onnx.export(
            module, (), path, kwargs=inputs, dynamo=False, training=training, **options
        )
        return onnx.load(path)


def keep_parameters(program, module):
    """Adds each parameter that the exporter left out, as an initializer."""
    graph = program.model.graph
    tied = models.ties(module)
    for name, p in module.named_parameters():
        if name in graph.initializers or name in tied.values():
            continue
        data = ir.tensor(p.detach().numpy(), name=name)
        graph.register_initializer(
            ir.Value(name=name, shape=data.shape, type=ir.TensorType(data.dtype), const_value=data)
        )


def share_weights(proto, module, path):
    """Makes each parameter an external slice of a safetensors file."""
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    first = models.ties(module)
    for tensor in proto.graph.initializer:
        name = first.get(tensor.name, tensor.name)
        if name not in header:
            continue
        begin, end = header[name]["data_offsets"]
        place = dict(location=path.name, offset=start + begin, length=end - begin)
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in place.items():
            tensor.external_data.add(key=key, value=str(value))


def save_weights(module, path):
    """The shared weights, a tied parameter once, under its first name."""
    save_file({name: p.detach() for name, p in module.named_parameters()}, path)


def export(name, variant_name):
    """The exported ModelProto of one model in one way."""
    spec, variant = MODELS[name], VARIANTS[variant_name]
    module = subject(name, variant)
    if spec.write:
        return strip_traces(spec.write(module))
    inputs = example(spec, variant, takes_mask(name, variant))
    options = export_options(spec, variant, inputs)
    if variant.legacy:
        return strip_traces(export_legacy(module, inputs, options))
    if spec.weights != "inline" and not variant.external and not variant.legacy:
        return strip_traces(
            export_without_weights(
                lambda: models.build(name),
                lambda: example(spec, variant, False),
                variant_name + ".onnx.data",
                **options,
            )
        )
    program = torch.onnx.export(module, kwargs=inputs, dynamo=True, verbose=False, **options)
    if variant.keep:
        keep_parameters(program, module)
    proto = strip_traces(program.model_proto)
    if variant.external:
        share_weights(proto, module, FIXTURES / name / "weights.safetensors")
    return proto


def parameter_tensors(proto, module):
    """Data for the initializers and inputs that a file leaves without."""
    state = {name: p.detach().numpy() for name, p in models.state_names(module)}
    for tensor in proto.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            tensor.CopyFrom(numpy_helper.from_array(state[tensor.name], tensor.name))
    return {i.name: state[i.name] for i in proto.graph.input if i.name in state}


def check(name, variant_name, proto):
    """Runs the file and PyTorch on the same tokens and compares the outputs."""
    spec, variant = MODELS[name], VARIANTS[variant_name]
    if spec.refused or spec.weights == "none":
        return
    module = subject(name, variant)
    full = example(spec, Variant(dynamic=False), takes_mask(name, variant))
    graph_inputs = {i.name for i in proto.graph.input}
    runnable = onnx.ModelProto.FromString(proto.SerializeToString())
    feeds = parameter_tensors(runnable, module)
    feeds.update({k: v.numpy() for k, v in full.items() if k in graph_inputs})
    outputs = [o.name for o in proto.graph.output]
    got = dict(zip(outputs, ReferenceEvaluator(runnable).run(None, feeds)))
    with torch.no_grad():
        want = module(**{k: v for k, v in full.items() if k in graph_inputs})
    if torch.is_tensor(want):
        want = {"logits": want}
    for output in outputs:
        reference = want[output].numpy()
        error = np.abs(got[output] - reference).max() / np.abs(reference).max()
        if not error < 1e-5:
            raise SystemExit(f"{name}/{variant_name}: {output} differs by {error:.2g}")


def metadata(proto_with_metadata, key):
    return next((p.value for p in proto_with_metadata.metadata_props if p.key == key), "")


def lost_parameters(proto):
    """Parameters of the signature that the file has no record of.

    Neither an initializer or input of that name, nor read in the record of any
    node that is left, nor the one source of a matrix, which holds its transpose.
    A tied parameter is known by one of its names.
    """
    signature = metadata(proto.graph, GRAPH_SIGNATURE)
    parameters = re.findall(r"(\w+): PARAMETER target='([^']+)'", signature)
    present = {t.name for t in proto.graph.initializer} | {i.name for i in proto.graph.input}
    records = " ".join(metadata(node, FX_NODE) for node in proto.graph.node)
    read = set(re.findall(r"%(\w+)", records))
    matrices = {t.name for t in proto.graph.initializer if len(t.dims) == 2}
    for info in proto.graph.value_info:
        sources = re.findall(r"'([^']+)'", metadata(info, FOLDED_FROM))
        if info.name in matrices and len(sources) == 1:
            present.add(sources[0])
    return [target for place, target in parameters if target not in present and place not in read]


def computed_parameters(proto):
    """Parameters that the optimizer computed something from but a transpose.

    The result is a constant of the file; a transpose can be turned back.
    """
    names = {t.name for t in proto.graph.initializer}
    signature = metadata(proto.graph, GRAPH_SIGNATURE)
    parameters = re.findall(r"PARAMETER target='([^']+)'", signature)
    sources = [
        re.findall(r"'([^']+)'", metadata(v, FOLDED_FROM))
        for v in proto.graph.value_info
        if v.name in names
    ]
    return [p for p in parameters if any(p in s and len(s) > 1 for s in sources)]


def folded_initializers(proto):
    """Float tensors that the legacy exporter's folding left without a name.

    The module of a transposed weight is told by the MatMul that reads it, if it
    is in one.
    """
    in_module = {i for n in proto.graph.node if n.name.count("/") > 1 for i in n.input}
    return [
        t.name
        for t in proto.graph.initializer
        if t.name.startswith("onnx::")
        and not (t.name.startswith("onnx::MatMul") and t.name in in_module)
        and t.data_type == onnx.TensorProto.FLOAT and t.dims
    ]


def refusal(spec, variant, proto, tied):
    """Why a file cannot be trained ("" if it can), what the message must name,
    and what it must tell to export with.
    """
    if spec.refused:
        return spec.refused, list(spec.names), spec.option
    lost = [n for n in lost_parameters(proto) if n not in tied and n not in tied.values()]
    if lost:
        # Unoptimised, only the version converter drops a parameter: an unused one.
        option = "optimize=False" if variant.optimize else "--drop-unused"
        return f"no record of {', '.join(lost)}", lost, option
    if computed := computed_parameters(proto):
        return f"computed from {', '.join(computed)}", computed, "optimize=False"
    if variant.legacy and (unknown := folded_initializers(proto)):
        return f"no record of what {', '.join(unknown)} is", unknown, "do_constant_folding=False"
    return "", [], ""


def entry(name, variant_name, proto):
    """What a test needs to know about one file."""
    spec, variant = MODELS[name], VARIANTS[variant_name]
    module = subject(name, variant)
    tied = models.ties(module)
    reason, names, option = refusal(spec, variant, proto, tied)
    parameters = {n for n, _ in models.state_names(module)}
    return {
        "model": name,
        "variant": variant_name,
        "file": f"{name}/{variant_name}.onnx",
        "opset": proto.opset_import[0].version,
        "exporter": "legacy" if variant.legacy else "dynamo",
        "optimize": variant.optimize and not variant.legacy,
        "inputs": [describe(i) for i in proto.graph.input if i.name not in parameters],
        "outputs": [describe(o) for o in proto.graph.output],
        "logits": "logits",
        "loss": "loss" if spec.loss_inside else None,
        "labels_shift": "model" if spec.loss_inside else "data",
        "vocab": spec.vocab,
        "seq": spec.seq,
        "prefix": "model." if isinstance(module, models.Wrapped) else "",
        "static_batch": None if variant.dynamic else spec.batch,
        "weights": weights_of(spec, variant),
        "golden": golden_of(name),
        "parameters": [[n, list(p.shape)] for n, p in models.state_names(module)],
        "buffers": models.persistent_buffers(module),
        "ties": tied,
        "frozen": [n for n, p in models.state_names(module) if not p.requires_grad],
        "unused": ["spare"] if name == "nanogpt-hard" else [],
        "padding_idx": paddings(module),
        "expected": f"refused: {reason}" if reason else "trains",
        **({"names": names, "option": option} if reason else {}),
    }


def weights_of(spec, variant):
    if spec.weights == "inline":
        return "inline"
    if variant.external:
        return "external data in weights.safetensors"
    if spec.weights == "none":
        return "initializers without data"
    place = "graph inputs" if not variant.export_params else "initializers without data"
    return f"{place}; data in weights.safetensors"


def golden_of(name):
    spec = MODELS[name]
    return None if spec.refused or spec.weights == "none" else spec.golden or name


def describe(value):
    kind = value.type.tensor_type
    dims = [d.dim_param or d.dim_value for d in kind.shape.dim]
    return {
        "name": value.name,
        "dtype": onnx.TensorProto.DataType.Name(kind.elem_type),
        "dims": dims,
    }


def paddings(module):
    return {
        f"{name}.weight": m.padding_idx
        for name, m in module.named_modules()
        if isinstance(m, torch.nn.Embedding) and m.padding_idx is not None
    }


def main():
    for logger in ("torch.onnx", "onnx_ir"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    manifest_path = FIXTURES / "MANIFEST.json"
    manifest = json.loads(manifest_path.read_text()) if manifest_path.exists() else []
    names = sys.argv[1:] or list(PLAN)
    manifest = [e for e in manifest if e["model"] not in names]
    for name in names:
        (FIXTURES / name).mkdir(parents=True, exist_ok=True)
        if MODELS[name].weights == "shared":
            save_weights(models.build(name), FIXTURES / name / "weights.safetensors")
        for variant_name in PLAN[name]:
            proto = export(name, variant_name)
            check(name, variant_name, proto)
            path = FIXTURES / name / f"{variant_name}.onnx"
            path.write_bytes(proto.SerializeToString())
            item = entry(name, variant_name, proto)
            manifest.append(item)
            print(f"{item['file']}: {path.stat().st_size} bytes, {item['expected']}", flush=True)
    order = list(PLAN)
    manifest.sort(key=lambda e: order.index(e["model"]) if e["model"] in order else len(order))
    lines = ",\n".join(json.dumps(item) for item in manifest)
    manifest_path.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
