"""Writes one small ONNX model by name: files that say less than what PyTorch
computes, are newer than what is known, or contradict themselves; and the ones
beside them that are right.

    python make_refused.py NAME [ARGUMENT=VALUE...] > model.onnx
"""

import numpy as np
from make_model import FLOAT, INT64, main, model, node, ramp, recorded, signed, value, weight
from onnx import TensorProto


def call(record="z = add(%x, %p_weight)", op="Add", outputs=""):
    """One node with the record of a call that reads a parameter; `outputs` are
    lines of the signature."""
    proto = signed(
        model(
            [recorded(node(op, ["x", "weight"], ["z"]), record)],
            [value("x", [4, 4])], [value("z", [4, 4])], [weight("weight", ramp(4, 4))],
        ),
        p_weight="weight",
    )
    if outputs:
        proto.graph.metadata_props[0].value += f"{outputs}\n"
    return proto


def dropout(ratio="0.5", producer="pytorch", mode=""):
    """A Dropout with or without an operand for its mode."""
    inputs = ["x", "ratio"] + (["mode"] if mode else [])
    weights = [weight("ratio", np.float32(ratio))]
    if mode:
        weights.append(weight("mode", np.bool_(mode == "1")))
    proto = model(
        [node("Dropout", inputs, ["y"])], [value("x", [2, 4])], [value("y", [2, 4])], weights
    )
    proto.producer_name = producer
    return proto


def detach(first="", second="y = mul(%x, %detach)", reads="h,h2", third=""):
    """tanh(x), read by a second call; `first` is the record of an Identity between."""
    nodes = [recorded(node("Tanh", ["x"], ["h"]), "h = tanh(%x)")]
    if first:
        nodes.append(recorded(node("Identity", ["h"], ["h2"]), first))
    nodes.append(recorded(node("Mul", reads.split(","), ["y"]), second))
    if third:
        nodes.append(recorded(node("Mul", ["y", "h"], ["z"]), third))
    nodes.append(recorded(node("Add", [nodes[-1].output[0], "weight"], ["w"]),
                          "w = add(%y, %p_weight)"))
    return signed(
        model(nodes, [value("x", [2, 4])], [value("w", [2, 4])], [weight("weight", ramp(4))]),
        p_weight="weight",
    )


def gone(call="s = sigmoid(%h)", reader="y = mul(%s, %sigmoid_1)", reads="s,s", beside="", table="weight"):
    """A value that is read under the name of a call which the file has not; `beside`
    is another call of it, and the values depend on a parameter of `table`."""
    first = "h = mul(%x, %p_weight)" if table == "weight" else "h = mul(%x, %x)"
    nodes = [recorded(node("Mul", ["x", table], ["h"]), first)]
    if call:
        nodes.append(recorded(node("Sigmoid", ["h"], ["s"]), call))
    nodes.append(recorded(node("Mul", reads.split(","), ["y"]), reader))
    nodes.append(recorded(node("Mul", ["y", "h" if beside else "y"], ["z"]), beside or "z = mul(%y, %y)"))
    proto = model(nodes, [value("x", [2, 4])], [value("z", [2, 4])],
                  [weight("weight", ramp(4)), weight("other", ramp(2, 4))])
    return signed(proto, p_weight="weight")


def dropped_bias(beta=""):
    """A product whose addend, a bias of zeros, the optimizer dropped."""
    record = f"y = addmm(%p_bias, %x, %p_weight{', beta=' + beta if beta else ''})"
    return signed(
        model([recorded(node("Gemm", ["x", "weight"], ["y"]), record)], [value("x", [2, 4])],
              [value("y", [2, 3])], [weight("weight", ramp(4, 3))]),
        p_weight="weight", p_bias="bias",
    )


def old(op="Add", opset="6", **attributes):
    """x and a weight with the meaning that an operator had once."""
    return model(
        [node(op, ["x", "weight"], ["y"], **{name: int(number) for name, number in attributes.items()})],
        [value("x", [4, 4])], [value("y", [4, 4])], [weight("weight", ramp(4))], opset=int(opset),
    )


def one_hot(depth="4"):
    return model([node("OneHot", ["x", "depth", "values"], ["y"])],
                 [value("x", [2, 3], INT64)], [value("y", None)],
                 [weight("depth", np.float32(depth) if depth == "nan" else np.int64(depth)),
                  weight("values", np.float32([0, 1]))])


def padded(mode="reflect", by="2"):
    return model([node("Pad", ["x", "pads"], ["y"], mode=mode)], [value("x", [4])], [value("y", None)],
                 [weight("pads", np.int64([0, int(by)]))])


def dropped_sum(ops="Sqrt,Reciprocal", second="y = rsqrt(%add)", first="h = tanh(%x)", reads="h",
                after="", given="Tanh", final="w = mul(%z, %p_weight)"):
    """h = tanh(x), which the nodes `ops` of a second call read where their record
    names another value; `after` are ops that read their result."""
    inputs = ["x", "x"] if given == "Add" else ["x"]
    nodes, last = [recorded(node(given, inputs, ["h"]), first)], "h"
    for i, op in enumerate(ops.split(",")):
        operands = reads.split(",") if i == 0 else [last]
        last = f"v{i}"
        attributes = {"perm": [1, 0]} if op == "Transpose" else {}
        nodes.append(recorded(node(op, operands, [last], **attributes), second))
    for op in after.split(",") if after else []:
        nodes.append(recorded(node(op, [last], [f"{last}{op}"]), f"{op.lower()} = {op.lower()}(%y)"))
        last = f"{last}{op}"
    nodes.append(recorded(node("Mul", [last, "weight"], ["w"]), final))
    return signed(
        model(nodes, [value("x", [4, 4])], [value("w", [4, 4])], [weight("weight", ramp(4))]),
        p_weight="weight",
    )


def same_name(kind="initializer"):
    """Two values of one name."""
    nodes = [node("Mul", ["x", "weight"], ["y"])]
    inputs = [value("x", [4])]
    if kind == "initializer":
        nodes.insert(0, node("Neg", ["x"], ["weight"]))
    elif kind == "node":
        nodes.append(node("Neg", ["x"], ["y"]))
    else:
        inputs.append(value("x", [4]))
    return model(nodes, inputs, [value("y", [4])], [weight("weight", ramp(4))])


def versions(ir="13", opset="27", attribute="", op="Softmax"):
    proto = model(
        [node(op, ["x"], ["y"], **({attribute: 1} if attribute else {}))],
        [value("x", [2, 4])], [value("y", [2, 4])], opset=int(opset),
    )
    proto.ir_version = int(ir)
    return proto


def of_type(kind, where="initializer"):
    """A tensor of the type with the number `kind`."""
    tensor = TensorProto(name="w", data_type=int(kind), dims=[4], raw_data=bytes(4))
    weights = [tensor] if where == "initializer" else []
    inputs = [value("x", [4]) if weights else value("x", [4], int(kind))]
    return model([node("Cast", ["w" if weights else "x"], ["y"], to=1)],
                 inputs, [value("y", [4])], weights)


def attention_outputs(reads="y", operands="3"):
    """Attention with four named outputs, of which `reads` are the graph's."""
    shape = {"y": [1, 2, 3, 4], "present_key": [1, 2, 3, 4],
             "present_value": [1, 2, 3, 4], "scores": [1, 2, 3, 3]}
    inputs = ["q", "k", "v", "", "past_key", "past_value"][: int(operands)]
    return model(
        [node("Attention", inputs, list(shape))],
        [value(name, [1, 2, 3, 4]) for name in inputs if name],
        [value(name, shape[name]) for name in reads.split(",")], opset=23,
    )


def masked_row(record="scaled_dot_product_attention", op="Attention", lowest="-inf"):
    """Attention under a mask that hides every key from the first query."""
    visible = np.tril(np.ones((3, 3)), -1).astype(bool)
    shape, made = [1, 2, 3, 4], f"y = {record}(%q, %k, %v, %mask)"
    inputs = [value(name, shape) for name in "qkv"]
    if op == "Attention":
        nodes = [recorded(node(op, ["q", "k", "v", "mask"], ["y"]), made)]
        return signed(model(nodes, inputs, [value("y", shape)], [weight("mask", visible)], opset=23))
    low = np.float32(lowest) if lowest == "-inf" else np.finfo(np.float32).min
    nodes = [node("Transpose", ["k"], ["kt"], perm=[0, 1, 3, 2]), node("MatMul", ["q", "kt"], ["s"]),
             node("Add", ["s", "mask"], ["masked"]), node("Softmax", ["masked"], ["p"])]
    read = "p"
    if lowest != "-inf":
        nodes += [node("IsNaN", ["p"], ["bad"]), node("Where", ["bad", "zero", "p"], ["good"])]
        read = "good"
    nodes.append(node("MatMul", [read, "v"], ["y"]))
    mask = np.where(visible, np.float32(0), low)
    return signed(model([recorded(n, made) for n in nodes], inputs, [value("y", shape)],
                        [weight("mask", mask), weight("zero", np.float32(0))]))


def batch_norm(training="0"):
    """BatchNormalization over channels of [2, 3, 4], with statistics or of the batch."""
    names = ["bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"]
    outputs = ["y", "mean", "variance"] if training == "1" else ["y"]
    record = "y = _native_batch_norm_legit_no_training(%x, %p_w, %p_b, %b_m, %b_v, 0.1, 1e-05)"
    norm = node("BatchNormalization", ["x", *names], outputs, "bn", training_mode=int(training))
    proto = signed(
        model([recorded(norm, record)], [value("x", [2, 3, 4])], [value("y", [2, 3, 4])],
              [weight(name, ramp(3) + 1) for name in names]),
        p_w=names[0], p_b=names[1],
    )
    signature = proto.graph.metadata_props[0]
    buffers = "".join(f"{place}: BUFFER target='{name}' persistent=True\n"
                      for place, name in (("b_m", names[2]), ("b_v", names[3])))
    signature.value = signature.value.replace("x: USER_INPUT", buffers + "x: USER_INPUT")
    return proto


def loss(reduction="mean", weights="", label="int64"):
    inputs = ["x", "labels"] + (["weights"] if weights else [])
    kind, dims = (INT64, [2]) if label == "int64" else (FLOAT, [2, 5])
    return model(
        [node("SoftmaxCrossEntropyLoss", inputs, ["y"], reduction=reduction)],
        [value("x", [2, 5]), value("labels", dims, kind)], [value("y", None)],
        [weight("weights", ramp(5))] if weights else [],
    )


def tokens(reads="labels", name="input_ids"):
    """A table read at `reads`, with the shape of the input `name`."""
    nodes = [node("Gather", ["wte.weight", reads], ["h"], "wte"),
             node("Shape", [name], ["shape"]),
             node("Gather", ["shape", "one"], ["length"], axis=0),
             node("Cast", ["length"], ["scale"], to=1),
             node("Mul", ["h", "scale"], ["logits"])]
    inputs = [value(n, ["batch", "seq"], INT64) for n in dict.fromkeys([name, reads])]
    return model(nodes, inputs, [value("logits", ["batch", "seq", 4])],
                 [weight("wte.weight", ramp(5, 4) + 1), weight("one", np.int64(1))])


def whole_divisor(op="Div", divisor="2,0"):
    """Integers divided by constants, or by a second input."""
    numbers = [int(d) for d in divisor.split(",")] if divisor else [1, 1, 1]
    inputs = [value("x", [len(numbers)], INT64)] + ([] if divisor else [value("z", [3], INT64)])
    weights = [weight("z", np.array(numbers))] if divisor else []
    return model([node(op, ["x", "z"], ["y"])], inputs, [value("y", None)], weights)


def one_op(op, domain="", dims="2,16"):
    return model(
        [node(op, ["x"], ["y"], "block", domain=domain)],
        [value("x", [int(d) for d in dims.split(",")], INT64 if domain == "" and op == "Neg" else FLOAT)],
        [value("y", None)], domains=[domain] if domain else [],
    )


if __name__ == "__main__":
    main(globals())
