"""Writes one small ONNX model by name, for the tests of the import.

    python make_model.py NAME > model.onnx
"""

import re
import sys

import numpy as np
from onnx import FunctionProto, TensorProto, helper, numpy_helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def value(name, shape, kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def weight(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def ramp(*shape):
    count = int(np.prod(shape))
    return (np.arange(count, dtype=np.float32) / count).reshape(shape)


def node(op, inputs, outputs, scope="", **attributes):
    name = f"/{scope}/{op}" if scope else op
    return helper.make_node(op, inputs, outputs, name=name, **attributes)


def is_number(tensor):
    scalar = tensor.data_type == FLOAT and int(np.prod(tensor.dims)) == 1
    return scalar and tensor.name not in ("weight", "bias") and "." not in tensor.name


def model(nodes, inputs, outputs, weights=(), opset=18, functions=(), domains=()):
    # PyTorch writes numbers as nodes.
    numbers = [helper.make_node("Constant", [], [w.name], name=w.name, value=w)
               for w in weights if is_number(w)]
    weights = [w for w in weights if not is_number(w)]
    graph = helper.make_graph([*numbers, *nodes], "g", inputs, outputs, weights)
    opsets = [helper.make_opsetid("", opset)]
    opsets += [helper.make_opsetid(d, 1) for d in domains]
    return helper.make_model(
        graph, opset_imports=opsets, functions=list(functions), ir_version=10,
        producer_name="pytorch",
    )


def external(name, shape, **entries):
    tensor = TensorProto(name=name, data_type=FLOAT, dims=shape)
    tensor.data_location = TensorProto.EXTERNAL
    for key, text in entries.items():
        tensor.external_data.add(key=key, value=str(text))
    return tensor


def linear():
    return model(
        [node("Gemm", ["x", "fc.weight", "fc.bias"], ["y"], "fc", transB=1)],
        [value("x", ["batch", 4])],
        [value("y", ["batch", 3])],
        [weight("fc.weight", ramp(3, 4)), weight("fc.bias", ramp(3))],
    )


def linear_external(**entries):
    proto = linear()
    proto.graph.initializer[0].CopyFrom(external("fc.weight", [3, 4], **entries))
    return proto


def short_data():
    proto = linear()
    proto.graph.initializer[0].raw_data = b"\0" * 44
    return proto


def huge_shape():
    proto = linear()
    proto.graph.initializer[0].dims[:] = [1 << 40, 1 << 40]
    return proto


def negative_shape():
    proto = linear()
    proto.graph.initializer[0].dims[:] = [-3, -4]
    return proto


def undefined():
    proto = linear()
    proto.graph.node[0].input[0] = "nowhere"
    return proto


def unsupported(mask=""):
    """Two operators outside the set; with `mask`, one that reads the mask."""
    nodes = [
        node("LRN", ["x"], ["a"], "block.0", size=3),
        node("LRN", ["a"], ["b"], "block.1", size=3),
        node("Mystery", ["b", *(["attention_mask"] if mask else [])], ["c"], "head", domain="my.ops"),
        node("Exp", ["c"], ["y"], "head"),
    ]
    inputs = [value("x", [2, 4]), *([value("attention_mask", [2, 4], INT64)] if mask else [])]
    return model(nodes, inputs, [value("y", [2, 4])], domains=["my.ops"])


def function():
    scaled = helper.make_node("Mul", ["a", "factor"], ["b"], name="mul")
    constant = helper.make_node("Constant", [], ["factor"], name="factor")
    reference = constant.attribute.add(name="value_float")
    reference.ref_attr_name = "by"
    reference.type = 1
    shifted = helper.make_node("Scale", ["b"], ["c"], domain="local", by=0.5)
    scale = helper.make_function(
        "local", "Scale", ["a"], ["b"], [constant, scaled],
        [helper.make_opsetid("", 18)], attributes=["by"],
    )
    twice = helper.make_function(
        "local", "Twice", ["a"], ["c"],
        [helper.make_node("Scale", ["a"], ["b"], domain="local", by=3.0), shifted],
        [helper.make_opsetid("", 18), helper.make_opsetid("local", 1)],
    )
    return model(
        [node("Twice", ["x"], ["h"], domain="local"),
         node("Twice", ["h"], ["y"], domain="local")],
        [value("x", [2])], [value("y", [2])],
        functions=[scale, twice], domains=["local"],
    )


def recursion():
    loop = helper.make_function(
        "local", "Loop", ["a"], ["b"],
        [helper.make_node("Loop", ["a"], ["b"], domain="local")],
        [helper.make_opsetid("", 18), helper.make_opsetid("local", 1)],
    )
    return model(
        [node("Loop", ["x"], ["y"], domain="local")],
        [value("x", [2])], [value("y", [2])],
        functions=[loop], domains=["local"],
    )


def positions():
    return model(
        [
            node("Shape", ["x"], ["shape"], start=1),
            node("Squeeze", ["shape"], ["length"]),
            node("Range", ["zero", "length", "one"], ["places"]),
            node("Gather", ["wte.weight", "x"], ["tokens"], "wte"),
            node("Gather", ["wpe.weight", "places"], ["rows"], "wpe"),
            node("Add", ["tokens", "rows"], ["y"]),
        ],
        [value("x", ["batch", "seq"], INT64)],
        [value("y", ["batch", "seq", 4])],
        [
            weight("wte.weight", ramp(11, 4) + 1),
            weight("wpe.weight", ramp(8, 4) + 1),
            weight("zero", np.int64(0)),
            weight("one", np.int64(1)),
        ],
    )


def padding():
    table = ramp(5, 4) + 1
    table[3] = 0
    return model(
        [node("Gather", ["wte.weight", "x"], ["y"], "wte")],
        [value("x", ["batch", 2], INT64)],
        [value("y", ["batch", 2, 4])],
        [weight("wte.weight", table)],
    )


def dropout():
    return model(
        [node("Dropout", ["x", "ratio", "training"], ["y"], "drop")],
        [value("x", [2, 4])],
        [value("y", [2, 4])],
        [weight("ratio", np.float32(0.1)), weight("training", np.bool_(True))],
    )


def guarded_softmax(masked_row=False):
    mask = np.tril(np.ones((1, 1, 3, 3), np.bool_))
    if masked_row:
        mask[..., 0, :] = False
    return model(
        [
            node("Where", ["mask", "zero", "low"], ["added"]),
            node("Expand", ["added", "full"], ["batched"]),
            node("Add", ["x", "batched"], ["scores"]),
            node("Softmax", ["scores"], ["p"], axis=-1),
            node("IsNaN", ["p"], ["bad"]),
            node("Where", ["bad", "zero", "p"], ["y"]),
        ],
        [value("x", [2, 2, 3, 3])],
        [value("y", [2, 2, 3, 3])],
        [
            weight("mask", mask),
            weight("zero", np.float32(0)),
            weight("low", np.float32(-np.inf)),
            weight("full", np.array([2, 1, 3, 3])),
        ],
    )


def large_constants():
    """y = x plus the largest and least of the rows and columns of one large table."""
    reductions = [("ReduceMax", 1), ("ReduceMax", 0), ("ReduceMin", 1), ("ReduceMax", 1)]
    nodes = [node("Range", ["zero", "end", "one"], ["range"]),
             node("Reshape", ["range", "square"], ["table"]),
             node("Transpose", ["table"], ["turned"], perm=[1, 0])]
    summed, weights = "x", [weight("axis0", [0]), weight("axis1", [1]), weight("square", [64, 64])]
    weights += [weight(n, np.float32(v)) for n, v in (("zero", 0), ("end", 4096), ("one", 1))]
    for table in ("table", "turned"):
        for i, (op, axis) in enumerate(reductions):
            part = f"{table}{i}"
            nodes += [node(op, [table, f"axis{axis}"], [part], keepdims=0),
                      node("Add", [summed, part], [part + "y"])]
            summed = part + "y"
    return model(nodes, [value("x", [64])], [value(summed, [64])], weights)


def attention():
    return model(
        [node("Attention", ["q", "k", "v"], ["y"], "attn", is_causal=1)],
        [value("q", [2, 4, 3, 8]), value("k", [2, 2, 3, 8]), value("v", [2, 2, 3, 8])],
        [value("y", [2, 4, 3, 8])],
        opset=23,
    )


def rms_norm():
    return model(
        [node("RMSNormalization", ["x", "norm.weight"], ["y"], "norm", epsilon=1e-6)],
        [value("x", [2, 4])],
        [value("y", [2, 4])],
        [weight("norm.weight", ramp(4))],
        opset=23,
    )


def nll_loss():
    return model(
        [
            node("LogSoftmax", ["x"], ["p"], axis=1),
            node("NegativeLogLikelihoodLoss", ["p", "t"], ["loss"], ignore_index=-100),
        ],
        [value("x", [2, 5, 3]), value("t", [2, 3], INT64)],
        [value("loss", [])],
    )


def old_opset():
    return model(
        [
            node("Unsqueeze", ["x"], ["a"], axes=[0]),
            node("Slice", ["a"], ["b"], axes=[2], starts=[1], ends=[9]),
            node("Softmax", ["b"], ["c"], axis=1),
            node("ReduceSum", ["c"], ["y"], axes=[2], keepdims=0),
        ],
        [value("x", [2, 4])],
        [value("y", [1, 2])],
        opset=9,
    )


def half():
    return model(
        [node("Mul", ["x", "scale"], ["y"])],
        [value("x", [4], TensorProto.FLOAT16)],
        [value("y", [4], TensorProto.FLOAT16)],
        [weight("scale", ramp(4).astype(np.float16))],
    )


def input_parameter():
    proto = linear()
    del proto.graph.initializer[:]
    proto.graph.input.extend([value("fc.weight", [3, 4]), value("fc.bias", [3])])
    return proto


def recorded(node, call):
    """The node with the record of the call that PyTorch's exporter made it of:
    `result = target(arguments)`."""
    result, rest = call.split(" = ", 1)
    target, arguments = rest[:-1].split("(", 1)
    arguments, *named = re.split(r", (?=\w+=)", arguments)
    kwargs = ", ".join(named).replace("=", ": ")
    node.metadata_props.add(
        key="pkg.torch.onnx.fx_node",
        value=f"%{result} : [num_users=1] = call_function[target=torch.ops.aten."
        f"{target}.default](args = ({arguments}), kwargs = {{{kwargs}}})",
    )
    return node


def signed(proto, **parameters):
    """The model with the graph signature that calls these initializers so."""
    lines = [f"{place}: PARAMETER target='{name}'" for place, name in parameters.items()]
    proto.graph.metadata_props.add(
        key="pkg.torch.export.ExportedProgram.graph_signature",
        value="\n".join(["# inputs", *lines, "x: USER_INPUT", "# outputs", ""]),
    )
    return proto


def nameless():
    """A signature that calls a parameter nothing."""
    return signed(
        model([recorded(node("Add", ["x", "bias"], ["y"]), "y = add(%x, %p_bias)")],
              [value("x", [4])], [value("y", [4])], [weight("bias", ramp(4))]),
        p_bias="",
    )


def merged(op="Max", call="z = maximum(%y, %mul)", extent="4", twice=""):
    """y = x + bias, then a call that reads the initializer of the bias too."""
    dims = [int(extent)] if extent else []
    first = recorded(node("Add", ["x", "bias"], ["y"]), "y = add(%x, %p_bias)")
    axis = {"axis": 0} if op == "Concat" else {}
    inputs = ["bias"] if op == "Exp" else ["y", "bias"]
    nodes = [first, recorded(node(op, inputs, ["z"], **axis), call)]
    if twice:
        nodes.append(recorded(node("Mul", ["z", "bias"], ["u"]), twice))
    proto = model(
        nodes, [value("x", [4])], [value(nodes[-1].output[0], None)],
        [weight("bias", np.zeros(dims, np.float32))],
    )
    return signed(proto, p_bias="bias")


def merged_transpose():
    """A call reads what was merged with the transpose of a weight."""
    product = node("MatMul", ["x", "val_0"], ["y"])
    return signed(
        model(
            [recorded(product, "y = linear(%x, %p_weight)"),
             recorded(node("Max", ["y", "val_0"], ["z"]), "z = maximum(%y, %mul)")],
            [value("x", [4, 4])], [value("z", [4, 4])], [weight("val_0", ramp(4, 4))],
        ),
        p_weight="weight",
    )


def wrong(op="Max", inputs="x,", **attributes):
    """One node over x [2, 4] and constants, which has something wrong."""
    constants = dict(
        huge=np.array([1 << 20, 1 << 20]), scalar=np.float32(1), pads=np.array([0, 2**62, 0, 2**62]),
        sizes=np.array([2**62, 2**62, 2**62, 2**62, 4]), one=np.int64(1),
        ids=np.array([[0, 1], [1, 0]]),
    )
    numbers = {key: int(text) for key, text in attributes.items()}
    return model(
        [node("Constant", [], ["real"], value_floats=[1.5, 0.0]),
         node(op, inputs.split(","), ["y"], "part", **numbers)],
        [value("x", [2, 4])], [value("y", None)],
        [weight(name, array) for name, array in constants.items()],
    )


def unresolved_attribute():
    """A node kept for its operand's sake, with data of a type that there is not."""
    return model(
        [node("Unknown", ["x"], ["shape"]),
         node("ConstantOfShape", ["shape"], ["y"], "part", value=weight("v", np.uint32([1])))],
        [value("x", [2, 4])], [value("y", None)],
    )


def integer_product():
    return model(
        [node("MatMul", ["x", "x"], ["y"])],
        [value("x", [2, 2], INT64)], [value("y", [2, 2], INT64)],
    )


def no_result():
    return model(
        [node("MatMul", ["x", "onnx::MatMul_7"], [], "head"), node("Relu", ["x"], ["y"])],
        [value("x", [2, 4])], [value("y", [2, 4])], [weight("onnx::MatMul_7", ramp(4, 3))],
    )


def stopped_parts(absent=""):
    """x in two parts, added; `absent`: a detach of nothing."""
    nodes = [
        node("SplitToSequence", ["x", "two"], ["parts"], axis=1),
        node("SequenceAt", ["parts", "zero"], ["a"]), node("SequenceAt", ["parts", "one"], ["b"]),
        node("Add", ["a", "b"], ["y"]),
    ]
    if absent:
        nodes.append(recorded(node("Identity", [""], ["z"]), "detach = detach(%x)"))
    numbers = dict(zero=0, one=1, two=2)
    return model(
        nodes, [value("x", [2, 4])], [value("y", [2, 2])],
        [weight(name, np.array(number, np.int64)) for name, number in numbers.items()],
    )


def nested_sequence():
    return model(
        [
            node("SequenceConstruct", ["x", "x"], ["s"]),
            node("SequenceConstruct", ["s"], ["t"]),
            node("ConcatFromSequence", ["t"], ["y"], axis=0),
        ],
        [value("x", [2, 4])], [value("y", None)],
    )


def main(makers):
    name, *rest = sys.argv[1:]
    arguments = dict(entry.split("=", 1) for entry in rest)
    sys.stdout.buffer.write(makers[name](**arguments).SerializeToString())


if __name__ == "__main__":
    main(globals())
