"""Writes the seeds of the ONNX fuzzer: small models that together meet every
group of operators the importer knows, as several exporters write them.

    python make_seeds.py FOLDER

The tests' own models (../../import/make_model.py) are among them; what
PyTorch's exporter writes comes from export_seeds.py. `model_version` chooses
what the fuzzer does with a model (Check.h).
"""

import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "import"))
import control_models  # noqa: E402
import make_model  # noqa: E402
from make_model import INT64, external, model, node, ramp, value, weight  # noqa: E402

BOOL = TensorProto.BOOL
# How far a seed is led: see Check.h.
TEXT, PLAN, PLAN_SHARDED, LOSS = 8, 16, 24, 32


def chain(ops, tail=()):
    """One value through unary operators."""
    nodes, name = [], "x"
    for i, op in enumerate(ops):
        nodes.append(node(op, [name, *tail], [f"v{i}"], f"block.{i}"))
        name = f"v{i}"
    return nodes, name


def elementwise():
    nodes, last = chain(["Neg", "Abs", "Exp", "Sqrt", "Reciprocal", "Sin", "Cos", "Tanh",
                         "Sigmoid", "Erf", "Relu", "Identity"])
    for i, op in enumerate(["Add", "Sub", "Mul", "Div", "Max", "Min", "Pow"]):
        nodes.append(node(op, [last, "scale.weight"], [f"b{i}"]))
        last = f"b{i}"
    return model(nodes, [value("x", ["batch", 3])], [value(last, None)],
                 [weight("scale.weight", ramp(3) + 1)])


def logic():
    nodes = []
    for i, op in enumerate(["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"]):
        nodes += [node(op, ["x", "y"], [f"c{i}"]), node("Not", [f"c{i}"], [f"n{i}"])]
    nodes += [
        node("And", ["n0", "n1"], ["a"]), node("Or", ["a", "n2"], ["o"]),
        node("Xor", ["true", "false"], ["e"]), node("And", ["o", "e"], ["both"]),
        node("Where", ["both", "x", "low"], ["w"]), node("Cast", ["o"], ["f"], to=1),
        node("CastLike", ["n3", "x"], ["g"]), node("Sum", ["w", "f", "g"], ["z"]),
    ]
    return model(nodes, [value("x", [2, 3]), value("y", [2, 3])], [value("z", [2, 3])],
                 [weight("true", np.array([True, False, True])), weight("false", np.array(False)),
                  weight("low", np.float32(-1e9))])


def shapes():
    return model(
        [
            node("Shape", ["x"], ["s"]), node("Gather", ["s", "zero"], ["b"], axis=0),
            node("Size", ["x"], ["count"]), node("Div", ["count", "b"], ["rest"]),
            node("Unsqueeze", ["b", "zeros"], ["b1"]), node("Unsqueeze", ["rest", "zeros"], ["r1"]),
            node("Concat", ["b1", "r1"], ["to"], axis=0), node("Reshape", ["x", "to"], ["flat"]),
            node("Range", ["zero", "rest", "one"], ["places"]),
            node("Cast", ["places"], ["numbers"], to=1), node("Add", ["flat", "numbers"], ["y"]),
            node("ConstantOfShape", ["to"], ["zeros2"],
                 value=helper.make_tensor("v", 1, [1], [2.0])),
            node("Add", ["y", "zeros2"], ["u"]), node("Expand", ["u", "three"], ["e"]),
            node("Flatten", ["e"], ["f"], axis=2), node("Squeeze", ["f", "none"], ["z"]),
        ],
        [value("x", ["batch", 2, 4])], [value("z", None)],
        [weight("zero", np.int64(0)), weight("one", np.int64(1)), weight("zeros", [0]),
         weight("three", np.array([3, 1, 1])), weight("none", np.array([], np.int64))],
    )


def moves():
    return model(
        [
            node("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
            node("Slice", ["t", "one", "end", "one", "one"], ["s"]),
            node("Pad", ["s", "pads"], ["p"]), node("Split", ["p", "parts"], ["a", "b"], axis=1),
            node("Concat", ["b", "a"], ["c"], axis=-1), node("Tile", ["c", "times"], ["r"]),
            node("SplitToSequence", ["r", "one"], ["q"], axis=1, keepdims=0),
            node("SequenceAt", ["q", "one0"], ["i"]),
            node("SequenceConstruct", ["i", "i"], ["q2"]),
            node("ConcatFromSequence", ["q2"], ["y"], axis=0),
        ],
        [value("x", [2, 3, 4])], [value("y", None)],
        [weight("one", [1]), weight("one0", np.int64(1)), weight("end", [2**63 - 1]),
         weight("pads", [0, 1, 0, 0, 0, 1]), weight("parts", [2, 2]), weight("times", [1, 1, 1])],
    )


def constants():
    """Operators that are evaluated when their operands are constants."""
    matrix = helper.make_tensor("m", 7, [2, 3], [3, 1, 2, 0, 5, 4])
    return model(
        [
            node("Constant", [], ["m"], value=matrix),
            node("Constant", [], ["axis"], value_int=1), node("Constant", [], ["fs"],
                                                              value_floats=[1.5, -2.5, 0.5]),
            node("CumSum", ["m", "axis"], ["cum"], reverse=1, exclusive=1),
            node("GatherElements", ["m", "places"], ["g"], axis=1),
            node("GatherND", ["m", "pairs"], ["gn"]), node("Trilu", ["m", "axis"], ["tri"], upper=0),
            node("ScatterND", ["m", "pairs", "new"], ["sc"]), node("NonZero", ["m"], ["nz"]),
            node("EyeLike", ["m"], ["eye"], k=1), node("Mod", ["cum", "three"], ["mod"]),
            node("Floor", ["fs"], ["fl"]), node("Ceil", ["fs"], ["ce"]),
            node("Round", ["fs"], ["ro"]), node("Sign", ["fs"], ["si"]),
            node("Sum", ["fl", "ce", "ro", "si"], ["fsum"]),
            node("Sum", ["cum", "g", "tri", "sc", "eye", "mod"], ["isum"]),
            node("ReduceProd", ["gn"], ["prod"], keepdims=0), node("Add", ["isum", "prod"], ["i2"]),
            node("Cast", ["i2"], ["f"], to=1), node("Add", ["f", "fsum"], ["f2"]),
            node("MatMul", ["f2", "x"], ["y"]), node("Transpose", ["nz"], ["pairs2"]),
        ],
        [value("x", [3, 2])], [value("y", None), value("pairs2", None)],
        [weight("places", np.array([[0, 2, 1], [1, 1, 0]])), weight("pairs", np.array([[0, 1], [1, 2]])),
         weight("new", np.array([7, 8])), weight("three", np.int64(3))],
    )


def reductions():
    nodes, names = [], []
    for i, op in enumerate(["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin",
                            "ReduceSumSquare"]):
        nodes.append(node(op, ["x", "axes"], [f"r{i}"], keepdims=i % 2))
        nodes.append(node("Reshape", [f"r{i}", "flat"], [f"f{i}"]))
        names.append(f"f{i}")
    nodes.append(node("Sum", names, ["y"]))
    return model(nodes, [value("x", [2, 3, 4])], [value("y", None)],
                 [weight("axes", [-1]), weight("flat", [0, -1])])


def mlp():
    nodes = [
        node("Gather", ["wte.weight", "ids"], ["h"], "wte"),
        node("LayerNormalization", ["h", "ln.weight", "ln.bias"], ["n"], "blocks.0/ln", axis=-1),
        node("MatMul", ["n", "onnx::MatMul_7"], ["m"], "blocks.0/fc"),
        node("Add", ["blocks.0.fc.bias", "m"], ["a"], "blocks.0/fc"),
        node("Relu", ["a"], ["r"], "blocks.0"), node("Softmax", ["r"], ["s"], "blocks.0", axis=-1),
        node("MatMul", ["s", "onnx::MatMul_8"], ["logits"], "head"),
    ]
    proto = model(
        nodes, [value("ids", ["batch", "seq"], INT64)], [value("logits", ["batch", "seq", 11])],
        [weight("wte.weight", ramp(11, 4) + 1), weight("ln.weight", ramp(4) + 1),
         weight("ln.bias", ramp(4)), weight("onnx::MatMul_7", ramp(4, 6)),
         weight("blocks.0.fc.bias", ramp(6)), weight("onnx::MatMul_8", ramp(6, 11))],
        opset=17,
    )
    proto.producer_name = "pytorch"
    return proto


def loss_inside():
    return model(
        [
            node("Gather", ["wte.weight", "ids"], ["h"], "wte"),
            node("Reshape", ["h", "rows"], ["h2"]), node("Reshape", ["labels", "all"], ["flat"]),
            node("Gemm", ["h2", "fc.weight", "fc.bias"], ["logits"], "fc", transB=1),
            node("SoftmaxCrossEntropyLoss", ["logits", "flat"], ["loss"], ignore_index=-100,
                 reduction="mean"),
        ],
        [value("ids", ["batch", "seq"], INT64), value("labels", ["batch", "seq"], INT64)],
        [value("loss", []), value("logits", None)],
        [weight("wte.weight", ramp(11, 4) + 1), weight("fc.weight", ramp(11, 4)),
         weight("fc.bias", ramp(11)), weight("rows", [-1, 4]), weight("all", [-1])],
    )


def rotary():
    return model(
        [
            node("RotaryEmbedding", ["q", "cos", "sin"], ["rq"], num_heads=2),
            node("RotaryEmbedding", ["k", "cos", "sin"], ["rk"], num_heads=1),
            node("Attention", ["rq", "rk", "v", "mask"], ["y"], q_num_heads=2, kv_num_heads=1,
                 softcap=5.0),
        ],
        [value("q", [2, 3, 8]), value("k", [2, 3, 4]), value("v", [2, 3, 4])],
        [value("y", [2, 3, 8])],
        [weight("cos", np.cos(ramp(2, 3, 2))), weight("sin", np.sin(ramp(2, 3, 2))),
         weight("mask", np.tril(np.ones((3, 3), np.bool_)))],
        opset=23,
    )


def external_data():
    proto = make_model.linear()
    proto.graph.initializer[0].CopyFrom(
        external("fc.weight", [3, 4], location="data.bin", offset=16, length=48))
    return proto


def dropout_off():
    return model(
        [node("Dropout", ["x"], ["y"], "drop"), node("LogSoftmax", ["y"], ["z"], axis=-1)],
        [value("x", [2, 4])], [value("z", [2, 4])], opset=13)


# Name: the model, and what is done with it.
SEEDS = {
    "elementwise": (elementwise, PLAN), "logic": (logic, TEXT), "shapes": (shapes, TEXT),
    "moves": (moves, PLAN), "constants": (constants, TEXT), "reductions": (reductions, PLAN),
    "mlp": (mlp, PLAN | LOSS), "loss-inside": (loss_inside, PLAN_SHARDED),
    "rotary": (rotary, TEXT), "external-data": (external_data, PLAN | LOSS),
    "dropout-off": (dropout_off, TEXT), "linear": (make_model.linear, PLAN_SHARDED | LOSS),
    "function": (make_model.function, TEXT), "positions": (make_model.positions, PLAN | LOSS),
    "guarded-softmax": (make_model.guarded_softmax, TEXT),
    "attention": (make_model.attention, PLAN), "rms-norm": (make_model.rms_norm, PLAN),
    "nll-loss": (make_model.nll_loss, PLAN), "old-opset": (make_model.old_opset, TEXT),
    "merged": (make_model.merged, TEXT), "branches": (control_models.if_in_if, PLAN),
    "loops": (control_models.if_in_loop, TEXT), "collects": (control_models.collects, PLAN),
    "branch-in-function": (control_models.in_function, TEXT),
}


def main():
    folder = Path(sys.argv[1])
    for name, (make, variant) in SEEDS.items():
        proto = make()
        proto.model_version = variant
        (folder / f"{name}.onnx").write_bytes(proto.SerializeToString())


if __name__ == "__main__":
    main()
