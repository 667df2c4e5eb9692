"""Writes one small ONNX model by name, for the tests of what is a parameter.

    python make_parameters.py NAME [KEY=VALUE...] > model.onnx
"""

import sys

import numpy as np
from make_model import FLOAT, INT64, model, node, ramp, recorded, signed, value, weight
from onnx import TrainingInfoProto, helper

TOKENS = [value("x", ["batch", 4], INT64)]


def described(node, scopes, classes):
    """The node with the modules around its call and their classes."""
    for key, names in (("name_scopes", ["", *scopes, "call"]),
                       ("class_hierarchy", ["Model", *classes, "aten.call"])):
        node.metadata_props.add(key=f"pkg.torch.onnx.{key}", value=str(names))
    return node


def logits(nodes, weights, producer="pytorch"):
    """A model that ends in "logits" [batch, 4, 7]."""
    proto = model(nodes, TOKENS, [value("logits", ["batch", 4, 7])])
    proto.graph.initializer.extend(weights)
    proto.producer_name = producer
    return proto


def table(name="wte.weight"):
    return weight(name, ramp(7, 4) + 1)


def told(producer="onnxruntime", trained="", spare="", plain=""):
    """A table, a constant table, a gain of one element and a head, of another
    producer; `trained` are updated by training information, `spare` adds a weight
    that nothing reads and whole numbers, `plain` leaves table and head alone."""
    if plain:
        return logits(
            [node("Gather", ["wte.weight", "x"], ["a"]), node("MatMul", ["a", "head.weight"], ["logits"])],
            [table(), weight("head.weight", ramp(4, 7))], producer,
        )
    proto = logits(
        [node("Gather", ["wte.weight", "x"], ["a"]),
         node("Mul", ["a", "cos_table"], ["b"]),
         node("Mul", ["b", "gain.weight"], ["c"]),
         node("MatMul", ["c", "head.weight"], ["logits"])],
        [table(), weight("cos_table", ramp(1, 4, 4) + 1),
         weight("gain.weight", np.ones(1, np.float32)),
         weight("head.weight", ramp(4, 7))],
        producer,
    )
    if spare:
        proto.graph.node.insert(0, node("Reshape", ["x", "shape"], ["x_"]))
        proto.graph.node[1].input[1] = "x_"
        proto.graph.initializer.extend(
            [weight("spare.weight", ramp(3)), weight("shape", np.int64([2, 4]))])
    if trained:
        info = TrainingInfoProto()
        for name in trained.split(","):
            info.update_binding.add(key=name, value=name + "_new")
        proto.training_info.append(info)
    return proto


def folded(prefix="onnx::Mul_17", extent=""):
    """A factor that constant folding of the legacy exporter left."""
    dims = [int(extent)] if extent else []
    return logits(
        [node("Gather", ["wte.weight", "x"], ["a"], "wte"),
         node("Mul", [prefix, "a"], ["b"]),
         node("MatMul", ["b", "onnx::MatMul_19"], ["c"], "head"),
         node("Add", ["head.bias", "c"], ["logits"], "head")],
        [table(), weight(prefix, np.full(dims, 2, np.float32)),
         weight("onnx::MatMul_19", ramp(4, 7)), weight("head.bias", ramp(7))],
    )


def path(scope="default", bias="", more=""):
    """A weight that folding of the legacy exporter left in a module `scope`,
    beside a `bias` or with `more` nodes in the module."""
    nodes = [node("Gather", ["wte.weight", "x"], ["a"], "wte"),
             node("MatMul", ["a", "onnx::MatMul_11"], ["b"], scope)]
    weights = [table(), weight("onnx::MatMul_11", ramp(4, 7))]
    if bias:
        nodes.append(node("Add", [bias, "b"], ["c"], scope))
        weights.append(weight(bias, ramp(7)))
    if more:
        nodes.append(node("Relu", [nodes[-1].output[0]], ["d"], scope))
    if not scope.endswith("head"):
        nodes.append(node("Tanh", [nodes[-1].output[0]], ["e"]))
    nodes[-1].output[0] = "logits"
    return logits(nodes, weights)


def reader(scope):
    """A table of the legacy exporter that a module `scope` multiplies by too."""
    return logits(
        [node("Gather", ["wte.weight", "x"], ["a"], "wte"),
         node("Transpose", ["wte.weight"], ["t"], scope, perm=[1, 0]),
         node("MatMul", ["a", "t"], ["logits"], scope)],
        [table()],
    )


def linear(reads, scopes, classes, bias=""):
    """Nodes of `linear(embedding, reads)` as the dynamo exporter writes them."""
    place = "p_" + reads.replace(".", "_")
    arguments = f"%embedding, %{place}" + (f", %p_{bias.replace('.', '_')}" if bias else "")
    nodes = [node("Transpose", [reads], ["t"], perm=[1, 0]),
             node("MatMul", ["embedding", "t"], ["m" if bias else "logits"])]
    if bias:
        nodes.append(node("Add", ["m", bias], ["logits"]))
    return [described(recorded(n, f"linear = linear({arguments})"), scopes, classes)
            for n in nodes]


def embedding(reads, scope="wte", cls="torch.nn.modules.sparse.Embedding"):
    place = "p_" + reads.replace(".", "_")
    gather = node("Gather", [reads, "x"], ["embedding"])
    return described(recorded(gather, f"embedding = embedding(%{place}, %x)"), [scope], [cls])


def signature(proto, names):
    return signed(proto, **{"p_" + n.replace(".", "_"): n for n in names.split(",")})


def tied(scope="head", cls="torch.nn.modules.linear.Linear", names="wte.weight,head.weight",
         reads="head.weight"):
    """A table and a head that are one parameter, read under `reads`, in a module
    `scope` of class `cls`; the signature lists `names`."""
    proto = logits([embedding(reads), *linear(reads, scope.split("/"), ["M"] * scope.count("/") + [cls])],
                   [table(reads)])
    return signature(proto, names)


def lost(names="bias,wte.weight,head.weight,head.bias", optimized="", read="", buffer=""):
    """A table and a head; the signature also lists what the file lacks, a `buffer`
    as well, and of which a call has `read` one."""
    cls = "torch.nn.modules.linear.Linear"
    nodes = [embedding("wte.weight"), *linear("head.weight", ["head"], [cls], "head.bias")]
    weights = [table(), weight("head.weight", ramp(7, 4)), weight("head.bias", ramp(7))]
    if read:
        nodes.append(recorded(node("Tanh", ["m"], ["dead"]), f"tanh = tanh(%p_{read})"))
    proto = logits(nodes, weights)
    if optimized:
        proto.graph.initializer.append(weight("val_7", np.ones(1, np.float32)))
    proto = signature(proto, names)
    if buffer:
        lines = proto.graph.metadata_props[0]
        lines.value = lines.value.replace(
            "# outputs", f"b_{buffer}: BUFFER target='{buffer}' persistent=True\n# outputs")
    return proto


def twice(same="yes", extent="7"):
    """A head beside the table, equal to it or not, or of another shape."""
    rows = ramp(int(extent), 4) + (1 if same else 2)
    nodes = [embedding("wte.weight"),
             *linear("head.weight", ["head"], ["torch.nn.modules.linear.Linear"])]
    proto = logits(nodes, [table(), weight("head.weight", rows)])
    return signature(proto, "wte.weight,head.weight")


def identity(name="clone", folded="g", reads="", op="Mul"):
    """What the exporter's optimizer computed of parameter `g`: an initializer
    `name` with a record of `folded`, which a call reads as `reads`."""
    call = "linear = linear" if op == "MatMul" else "mul = mul"
    product = node(op, ["x", name], ["logits"])
    proto = model(
        [recorded(product, f"{call}(%x, %{reads or name})")],
        [value("x", [2, 4])], [value("logits", [2, 4])],
        [weight(name, ramp(4, 4) if op == "MatMul" else ramp(4))],
    )
    info = helper.make_tensor_value_info(name, FLOAT, proto.graph.initializer[0].dims)
    info.metadata_props.add(key="pkg.onnxscript.optimizer.folded_from",
                            value=str(folded.split(",")))
    proto.graph.value_info.append(info)
    return signature(proto, "g")


def clone(call="clone"):
    """x * g.clone() as it stands without the optimizer."""
    proto = model(
        [recorded(node("Identity", ["g"], [call]), f"{call} = {call}(%p_g)"),
         recorded(node("Mul", ["x", call], ["y"]), f"mul = mul(%x, %{call})")],
        [value("x", [2, 4])], [value("y", [2, 4])], [weight("g", ramp(4))],
    )
    return signature(proto, "g")


def main():
    name, *rest = sys.argv[1:]
    arguments = dict(entry.split("=", 1) for entry in rest)
    sys.stdout.buffer.write(globals()[name](**arguments).SerializeToString())


if __name__ == "__main__":
    main()
