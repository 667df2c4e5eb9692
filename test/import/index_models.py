"""Writes one small model with an operator that reads or writes by places.

    python index_models.py NAME > model.onnx
"""

import sys

import numpy as np
from make_model import FLOAT, INT64, model, node, value, weight

TABLE = value("x", [4, 3, 2])


def constant(name, values):
    return weight(name, np.asarray(values, dtype=np.int64))


def one(op, inputs, shape, constants=(), kind=FLOAT, outputs=None, opset=18, given=(), **attributes):
    """A model of one node whose first operand is x; `inputs` are its operands."""
    results = outputs or [value("y", shape, kind)]
    return model(
        [node(op, inputs, [r.name for r in results], "layer", **attributes)],
        [TABLE, *given],
        results,
        constants,
        opset=opset,
    )


def computed():
    """Nodes that compute indices which may be negative, from an input of tokens."""
    return [
        node("Sub", ["tokens", "two"], ["i"], "places"),
    ]


def with_computed(op, inputs, result, shape, indices, given=(), **attributes):
    return model(
        [*computed(), node(op, inputs, ["y"], "layer", **attributes)],
        [TABLE, value("tokens", indices, INT64), *given],
        [value(result, shape)],
        [constant("two", 2)],
    )


def gather():
    return with_computed("Gather", ["x", "i"], "y", [2, 3, 2], [2])


def gather_tokens():
    return model(
        [node("Gather", ["x", "tokens"], ["y"], "layer")],
        [TABLE, value("tokens", [2, 5], INT64)],
        [value("y", [2, 5, 3, 2])],
    )


def gather_steps():
    return one("Gather", ["x", "i"], [2, 3, 2], [constant("i", [3, 1])])


def gather_nd():
    return with_computed("GatherND", ["x", "i"], "y", [5, 2], [5, 2])


def gather_nd_batches():
    return with_computed("GatherND", ["x", "i"], "y", [4, 5, 2], [4, 5, 1], batch_dims=1)


def gather_nd_constant():
    return one("GatherND", ["x", "i"], [3, 2], [constant("i", [[1, 0], [1, 1], [1, -1]])])


def gather_nd_outside():
    return one("GatherND", ["x", "i"], [1, 2], [constant("i", [[1, 3]])])


def gather_elements():
    return with_computed("GatherElements", ["x", "i"], "y", [4, 5, 1], [4, 5, 1], axis=1)


def gather_elements_known():
    places = np.arange(20).reshape(4, 5, 1) * 7 % 3
    return one("GatherElements", ["x", "i"], [4, 5, 1], [constant("i", places)], axis=1)


def scatter_nd(reduction="none"):
    return with_computed(
        "ScatterND",
        ["x", "i", "u"],
        "y",
        [4, 3, 2],
        [5, 2],
        [value("u", [5, 2])],
        reduction=reduction,
    )


def scatter_nd_rows():
    return one(
        "ScatterND",
        ["x", "i", "u"],
        [4, 3, 2],
        [constant("i", [[1], [2]])],
        given=[value("u", [2, 3, 2])],
    )


def scatter_elements(rows=4):
    rows = int(rows)
    return with_computed(
        "ScatterElements",
        ["x", "i", "u"],
        "y",
        [4, 3, 2],
        [rows, 3, 2],
        [value("u", [rows, 3, 2])],
        axis=1,
        reduction="add",
    )


def scatter_elements_by_floats():
    """Rows are left out, so that places are sums of indices."""
    return one(
        "ScatterElements",
        ["x", "u", "u"],
        [4, 3, 2],
        given=[value("u", [2, 3, 2])],
        axis=1,
    )


def top_k(k=2):
    k = int(k)
    outputs = [value("y", [4, k, 2]), value("i", [4, k, 2], INT64)]
    return one("TopK", ["x", "k"], None, [constant("k", [k])], outputs=outputs, axis=1, largest=0)


def arg_max(last=0):
    return one("ArgMax", ["x"], [4, 2], kind=INT64, axis=1, keepdims=0, select_last_index=int(last))


def one_hot():
    return model(
        [
            *computed(),
            node("Constant", [], ["values"], value=weight("", np.float32([0, 1]))),
            node("Constant", [], ["w"], value=weight("", np.ones((5, 2), np.float32))),
            node("OneHot", ["i", "depth", "values"], ["h"], "layer", axis=0),
            node("MatMul", ["h", "w"], ["y"], "layer"),
        ],
        [value("tokens", [5], INT64)],
        [value("y", [4, 2])],
        [
            constant("two", 2),
            constant("depth", 4),
        ],
    )


def cumsum():
    return one("CumSum", ["x", "axis"], [4, 3, 2], [constant("axis", -2)], exclusive=1, reverse=1)


def compress():
    condition = weight("c", np.array([True, False, True]))
    return one("Compress", ["x", "c"], [4, 2, 2], [condition], axis=1)


def einsum(equation, a, b, y):
    def dims(text):
        return [int(extent) for extent in text.split("x")] if text else []

    return model(
        [node("Einsum", ["a", "b"] if b else ["a"], ["y"], "layer", equation=equation)],
        [value("a", dims(a)), *([value("b", dims(b))] if b else [])],
        [value("y", dims(y))],
    )


if __name__ == "__main__":
    name, *rest = sys.argv[1:]
    arguments = dict(entry.split("=", 1) for entry in rest)
    sys.stdout.buffer.write(globals()[name](**arguments).SerializeToString())
