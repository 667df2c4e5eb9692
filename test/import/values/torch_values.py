"""Holds imported operators against PyTorch: values, and gradients of their sum,
at kinks, ties and ends as well.

    python torch_values.py ONNX_VALUES          checks against torch_values.json
    python torch_values.py --write              writes it, with PyTorch
"""

import json
import math
import pathlib
import sys
import tempfile

import numpy as np
from onnx import TensorProto, helper

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from make_model import node, recorded  # noqa: E402
from tool import ask  # noqa: E402

FILE = pathlib.Path(__file__).with_suffix(".json")
WIDE = [-1000.0, -100.0, -20.5, -3.0, -2.5, -1.0, -0.5, -1e-6, -0.0, 0.0, 1e-6, 0.25, 0.5, 1.0, 1.5, 3.0, 6.0, 20.5,
        100.0, 1000.0]
UNIT = [-1.0, -0.75, -1e-6, 0.0, 0.5, 1.0]
HALVES = [-2.5, -1.5, -0.5, -0.25, 0.0, 0.5, 0.75, 1.5, 2.5]
# Quotients that are rounded up to whole numbers, of both signs, and ones that
# have no number.
FAR_OVER = [1.0, 0.9, -1.0, 1.0, -7.25, 7.0, 6.0, -0.0, 2.0, -2.0, 0.0, 1e30]
BESIDE = [0.1, 0.3, 0.1, -0.1, 2.0, -2.0, 3.0, 2.0, 0.0, 0.0, 0.0, 1e-3]
TIES = [[1.0, 2.0, 2.0, -1.0], [0.0, 0.0, 0.0, 0.0], [-3.0, -2.0, -3.0, -2.0]]
ZEROS = [[0.0, 2.0, 3.0], [0.0, 0.0, 3.0], [1.5, -2.0, 4.0], [0.0, 0.0, 0.0]]
KINDS = {"f32": (TensorProto.FLOAT, np.float32), "f64": (TensorProto.DOUBLE, np.float64)}
OPSETS = {"silu": 24, "norm_old": 13, "clamp_old": 6, "pad_old": 10}
# Where PyTorch's f32 has fewer digits than the tolerance, and where ONNX has a
# number in f32 alone.
LEFT_OUT = {("gelu", "f32"), ("logsumexp_far", "f32"), ("hardsigmoid", "f64")}


def one(op, *names, **attributes):
    """A node of x (and of more inputs, by name) that gives y."""
    return lambda kind: [node(op, ["x", *names], ["y"], **attributes)]


def constant(name, value, kind):
    return helper.make_node("Constant", [], [name], value=helper.make_tensor(name, kind, [], [value]))


def clip(low, high, call):
    def build(kind):
        nodes = [constant(n, v, kind) for n, v in (("low", low), ("high", high)) if v is not None]
        names = ["x", "low" if low is not None else "", "high" if high is not None else ""]
        return [*nodes, recorded(node("Clip", names, ["y"]), call)]
    return build


def ints(name, *values):
    return helper.make_node("Constant", [], [name], value_ints=values)


def reduce(op, call=None, axes=(-1,)):
    def build(kind):
        reduction = node(op, ["x", "axes"], ["y"], keepdims=0)
        return [ints("axes", *axes), recorded(reduction, call) if call else reduction]
    return build


def log1p(kind):
    return [constant("one", 1.0, kind), node("Add", ["x", "one"], ["sum"]),
            recorded(node("Log", ["sum"], ["y"]), "log1p = log1p(%x)")]


def expm1(kind):
    return [constant("one", 1.0, kind), node("Exp", ["x"], ["e"]),
            recorded(node("Sub", ["e", "one"], ["y"]), "expm1 = expm1(%x)")]


def remainder(kind):
    return [node("Div", ["x", "z"], ["q"]), node("Floor", ["q"], ["f"]), node("Mul", ["f", "z"], ["m"]),
            recorded(node("Sub", ["x", "m"], ["y"]), "remainder = remainder(%x, %z)")]


def quotient(target):
    def build(kind):
        return [node("Div", ["x", "z"], ["q"]), recorded(node("Floor", ["q"], ["y"]), f"y = {target}")]
    return build


def log_of_sum(kind):
    """What has the record of log1p and is none: another number is added."""
    return [constant("two", 2.0, kind), node("Add", ["x", "two"], ["sum"]),
            recorded(node("Log", ["sum"], ["y"]), "log1p = log1p(%x)")]


def log_add_exp(kind):
    return [node("Exp", ["x"], ["a"]), node("Exp", ["z"], ["b"]), node("Add", ["a", "b"], ["sum"]),
            recorded(node("Log", ["sum"], ["y"]), "logaddexp = logaddexp(%x, %z)")]


def softplus(kind):
    return [constant("most", 20.0, kind), node("Greater", ["x", "most"], ["c"]), node("Softplus", ["x"], ["s"]),
            node("Where", ["c", "x", "s"], ["y"])]


def log_sigmoid(kind):
    return [node("Sigmoid", ["x"], ["s"]), node("Log", ["s"], ["y"])]


def deviation(kind):
    return [ints("axes", -1), constant("fix", 2 / 3, kind), node("ReduceMean", ["x", "axes"], ["m"]),
            node("Sub", ["x", "m"], ["d"]), node("Mul", ["d", "d"], ["dd"]),
            node("ReduceMean", ["dd", "axes"], ["v"], keepdims=0), node("Div", ["v", "fix"], ["w"]),
            recorded(node("Sqrt", ["w"], ["y"]), "sqrt = sqrt(%var)")]


def norm3(kind):
    return [ints("axes", -1), constant("three", 3.0, kind), constant("third", 1 / 3, kind),
            node("Abs", ["x"], ["a"]), node("Pow", ["a", "three"], ["p"]),
            node("ReduceSum", ["p", "axes"], ["s"], keepdims=0),
            recorded(node("Pow", ["s", "third"], ["y"]), "norm = linalg_vector_norm(%x, 3.0, [-1])")]


def trunc(kind):
    return [node("Abs", ["x"], ["a"]), node("Floor", ["a"], ["f"]), node("Sign", ["x"], ["s"]),
            node("Mul", ["f", "s"], ["y"])]


def pad(mode, *pads):
    return lambda kind: [ints("pads", *pads), node("Pad", ["x", "pads"], ["y"], mode=mode)]


# Name: PyTorch's call, nodes, input x and those beside it.
CASES = {
    "elu": ("F.elu(x, 0.5)", one("Elu", alpha=0.5), WIDE),
    "celu": ("F.celu(x, 2.0)", one("Celu", alpha=2.0), WIDE),
    "selu": ("F.selu(x)", one("Selu"), WIDE),
    "mish": ("F.mish(x)", one("Mish"), WIDE),
    "softplus": ("F.softplus(x)", softplus, WIDE),
    "softsign": ("F.softsign(x)", one("Softsign"), WIDE[2:-2]),
    "leaky_relu": ("F.leaky_relu(x, 0.25)", one("LeakyRelu", alpha=0.25), WIDE),
    "prelu": ("F.prelu(x, z)", one("PRelu", "z"), WIDE, [0.25]),
    "threshold": ("F.threshold(x, 0.5, 0.0)", one("ThresholdedRelu", alpha=0.5), WIDE),
    "softshrink": ("F.softshrink(x, 0.5)", one("Shrink", lambd=0.5, bias=0.5), WIDE),
    "hardshrink": ("F.hardshrink(x, 0.5)", one("Shrink", lambd=0.5), WIDE),
    "hardsigmoid": ("F.hardsigmoid(x)", one("HardSigmoid", alpha=1 / 6, beta=0.5), WIDE),
    "hardswish": ("F.hardswish(x)", one("HardSwish"), WIDE),
    "silu": ("F.silu(x)", one("Swish"), WIDE),
    "gelu": ("F.gelu(x)", one("Gelu"), WIDE),
    "relu": ("F.relu(x)", one("Relu"), WIDE),
    "clamp": ("x.clamp(-1, 1)", clip(-1.0, 1.0, "clamp = clamp(%x, -1, 1)"), WIDE),
    "clamp_min": ("x.clamp_min(0.5)", clip(0.5, None, "clamp_min = clamp_min(%x, 0.5)"), WIDE),
    "clamp_tensor": ("torch.clamp_max(x, torch.tensor(1.0, dtype=x.dtype))",
                     clip(None, 1.0, "clamp_max = clamp_max(%x, %lifted)"), WIDE),
    "clamp_crossed": ("x.clamp(2, 1)", clip(2.0, 1.0, "clamp = clamp(%x, 2, 1)"), WIDE),
    "relu6": ("F.relu6(x)", clip(0.0, 6.0, "relu6 = relu6(%x)"), WIDE),
    "hardtanh": ("F.hardtanh(x)", clip(-1.0, 1.0, "hardtanh = hardtanh(%x)"), WIDE),
    "log_sigmoid": ("F.logsigmoid(x)", log_sigmoid, WIDE),
    "log1p": ("torch.log1p(x)", log1p, [-0.75, -1e-7, 0.0, 1e-7, 3.0, 1000.0]),
    "logaddexp": ("torch.logaddexp(x, z)", log_add_exp, [-1000.0, 0.0, 1.0, 1000.0], [-1000.0, 2.0, 1.0, -1000.0]),
    "expm1": ("torch.expm1(x)", expm1, [-1.0, -1e-7, 0.0, 1e-7, 3.0]),
    "floor_divide": ("torch.floor_divide(x.detach(), z.detach()) + 0 * x + 0 * z", quotient("floor_divide(%x, %z)"), FAR_OVER, BESIDE),
    "div_floor": ("torch.div(x, z, rounding_mode='floor')", quotient("div(%x, %z, rounding_mode=floor)"), FAR_OVER,
                  BESIDE),
    "div_far": ("torch.div(x, z)", one("Div", "z"), [1e20, 1e-25, -3.0], [1e20, 1e-23, 2.0]),
    "log_of_sum": ("torch.log(x + 2)", log_of_sum, [-1.0, 0.0, 0.5, 100.0]),
    "remainder": ("torch.remainder(x, z)", remainder, [0.9, -3.0, 3.5, -7.25], [0.3, 2.0, -2.0, -2.0]),
    "tan": ("torch.tan(x)", one("Tan"), [-1.5, -1e-6, 0.0, 0.5, 2.0]),
    "asin": ("torch.asin(x)", one("Asin"), UNIT),
    "acos": ("torch.acos(x)", one("Acos"), UNIT),
    "atan": ("torch.atan(x)", one("Atan"), WIDE),
    "sinh": ("torch.sinh(x)", one("Sinh"), [-50.0, -1e-6, 0.0, 0.5, 50.0]),
    "cosh": ("torch.cosh(x)", one("Cosh"), [-50.0, -1e-6, 0.0, 0.5, 50.0]),
    "asinh": ("torch.asinh(x)", one("Asinh"), WIDE),
    "acosh": ("torch.acosh(x)", one("Acosh"), [1.0, 1.5, 1000.0]),
    "atanh": ("torch.atanh(x)", one("Atanh"), UNIT),
    "abs": ("torch.abs(x)", one("Abs"), WIDE),
    "sqrt": ("torch.sqrt(x)", one("Sqrt"), [0.0, 4.0]),
    "sign": ("torch.sign(x)", one("Sign"), [*HALVES, math.nan]),
    "floor": ("torch.floor(x)", one("Floor"), HALVES),
    "ceil": ("torch.ceil(x)", one("Ceil"), HALVES),
    "round": ("torch.round(x)", one("Round"), HALVES),
    "trunc": ("torch.trunc(x)", trunc, HALVES),
    "fmod": ("torch.fmod(x, z)", one("Mod", "z", fmod=1), [3.0, -3.0, 3.5, -7.25], [2.0, 2.0, -2.0, -2.0]),
    "maximum": ("torch.maximum(x, z)", one("Max", "z"), [1.0, 2.0, 3.0], [2.0, 2.0, 2.0]),
    "minimum": ("torch.minimum(x, z)", one("Min", "z"), [1.0, 2.0, 3.0], [2.0, 2.0, 2.0]),
    "mean": ("torch.stack([x, z]).mean(0)", one("Mean", "z"), [1.0, 2.0], [2.0, 5.0]),
    "max_dim": ("x.max(-1).values", reduce("ReduceMax", "max_1 = max(%x, -1)"), TIES),
    "min_dim": ("x.min(-1).values", reduce("ReduceMin", "min_1 = min(%x, -1)"), TIES),
    "max_dim_rows": ("x.max(0).values", reduce("ReduceMax", "max_1 = max(%x, 0)", axes=(0,)), TIES),
    "max_all": ("x.max()", reduce("ReduceMax", "max_1 = max(%x)", axes=(0, 1)), TIES),
    "amax": ("x.amax(-1)", reduce("ReduceMax", "amax = amax(%x, [-1])"), TIES),
    "amin": ("x.amin(-1)", reduce("ReduceMin"), TIES),
    "max_dim_nan": ("x.max(-1).values", reduce("ReduceMax", "max_1 = max(%x, -1)"), [[1.0, math.nan, 2.0]]),
    "norm": ("torch.linalg.vector_norm(x, dim=-1)", reduce("ReduceL2"), ZEROS),
    "norm1": ("torch.linalg.vector_norm(x, 1, dim=-1)", reduce("ReduceL1"), ZEROS),
    "norm3": ("torch.linalg.vector_norm(x, 3, dim=-1)", norm3, ZEROS),
    "std": ("x.std(-1)", deviation, [[2.0, 2.0, 2.0], [1.5, -2.0, 4.0]]),
    "prod": ("torch.prod(x, -1)", reduce("ReduceProd"), ZEROS),
    "prod_all": ("torch.prod(x)", reduce("ReduceProd", axes=(0, 1)), [[1.5, -2.0, 4.0], [0.5, 3.0, 1.0]]),
    "logsumexp": ("torch.logsumexp(x, -1)", reduce("ReduceLogSumExp"),
                  [[5.0, 5.0, -1000.0], [-math.inf, 1.0, 2.0], [-math.inf] * 3, [-2.0, -2.0, -3.0]]),
    "logsumexp_far": ("torch.logsumexp(x, -1)", reduce("ReduceLogSumExp"), [[1000.0, 1000.0, 999.0], [-2e3, -2e3, 0]]),
    "log_sum": ("x.sum(-1).log()", reduce("ReduceLogSum"), [[1.0, 2.0, 4.0]]),
    "sum_square": ("x.square().sum(-1)", reduce("ReduceSumSquare"), ZEROS),
    "log_softmax": ("F.log_softmax(x, -1)", one("LogSoftmax"), [[1000.0, 0.0, -1000.0], [1.0, 2.0, 3.0]]),
    "pad_reflect": ("F.pad(x, (3, 2), mode='reflect')", pad("reflect", 0, 0, 3, 0, 0, 2), [[[1.0, 2.0, 3.0, 4.0]]]),
    "pad_edge": ("F.pad(x, (3, 2), mode='replicate')", pad("edge", 0, 0, 3, 0, 0, 2), [[[1.0, 2.0, 3.0]]]),
    # What is an operand today was an attribute.
    "norm_old": ("torch.linalg.vector_norm(x, dim=-1)", one("ReduceL2", axes=[-1], keepdims=0), ZEROS),
    "clamp_old": ("x.clamp(-1, 1)", one("Clip", min=-1.0, max=1.0), WIDE),
    "pad_old": ("F.pad(x, (3, 2), mode='reflect')", one("Pad", pads=[0, 0, 3, 0, 0, 2], mode="reflect"),
                [[[1.0, 2.0, 3.0, 4.0]]]),
    "pad_wrap": ("F.pad(x, (2, 1), mode='circular')", pad("wrap", 0, 0, 2, 0, 0, 1), [[[1.0, 2.0, 3.0]]]),
}


def runs():
    return [(name, kind) for name in CASES for kind in KINDS if (name, kind) not in LEFT_OUT]


def write():
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(1)
    answers = {}
    for name, kind in runs():
        call, _, *inputs = CASES[name]
        dtype = {"f32": torch.float32, "f64": torch.float64}[kind]
        given = [torch.tensor(x, dtype=dtype, requires_grad=True) for x in inputs]
        y = eval(call, {"torch": torch, "F": F}, dict(zip("xz", given)))
        y.sum().backward()
        answers[f"{name} {kind}"] = {"value": y.tolist(), "gradients": [x.grad.tolist() for x in given]}
    lines = [f'"{name}": {json.dumps(answer)}' for name, answer in answers.items()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def request(name, kind, folder):
    _, build, *inputs = CASES[name]
    proto, dtype = KINDS[kind]
    arrays = [np.array(x, dtype) for x in inputs]
    values = [helper.make_tensor_value_info(n, proto, a.shape) for n, a in zip("xz", arrays)]
    graph = helper.make_graph(build(proto), "g", values, [helper.make_tensor_value_info("y", proto, None)])
    opset = helper.make_opsetid("", OPSETS.get(name, 20))
    model = helper.make_model(graph, opset_imports=[opset], ir_version=10)
    path = folder / f"{name}-{kind}.onnx"
    path.write_bytes(model.SerializeToString())
    flat = [[x if math.isfinite(x) else str(x) for x in a.reshape(-1).tolist()] for a in arrays]
    return json.dumps({"model": str(path), "inputs": flat, "gradient": True})


def differs(got, wanted, kind):
    wanted = np.array(wanted, np.float64).reshape(-1)
    got = np.array(got, np.float64)
    tolerance = 4e-6 if kind == "f32" else 1e-12
    return got.shape != wanted.shape or not np.allclose(got, wanted, rtol=tolerance, atol=1e-30, equal_nan=True)


def problems(name, kind, reply, wanted):
    if "error" in reply:
        return [reply["error"]]
    parts = [("value", reply["outputs"][0]["values"], wanted["value"])]
    parts += [(f"gradient {i}", got, want)
              for i, (got, want) in enumerate(zip(reply["gradients"], wanted["gradients"], strict=True))]
    return [f"{part} is {got}, PyTorch has {want}" for part, got, want in parts if differs(got, want, kind)]


def check(tool):
    answers = json.loads(FILE.read_text())
    wanted = runs()
    with tempfile.TemporaryDirectory() as folder:
        lines = [request(name, kind, pathlib.Path(folder)) for name, kind in wanted]
        replies = ask(tool, lines)
    failures = 0
    for (name, kind), reply in zip(wanted, replies):
        found = problems(name, kind, reply, answers[f"{name} {kind}"])
        failures += bool(found)
        for problem in found:
            print(f"{name} {kind}: {problem}")
    print(f"{len(wanted)} cases, {failures} differ from PyTorch")
    sys.exit(failures > 0)


if __name__ == "__main__":
    write() if sys.argv[1] == "--write" else check(sys.argv[1])
