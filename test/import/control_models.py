"""Writes one small ONNX model with branches or loops, by name, and the same
model without them.

    python control_models.py NAME [plain=1] > model.onnx
"""

import numpy as np
from make_model import FLOAT, INT64, main, model, node, ramp, signed, value, weight
from onnx import TensorProto, helper

BOOL = TensorProto.BOOL


def number(name, content):
    """A node, as PyTorch writes numbers."""
    return helper.make_node("Constant", [], [name], name=name, value=weight(name, np.asarray(content)))


def graph(nodes, inputs=(), outputs=(), weights=()):
    return helper.make_graph(nodes, "body", list(inputs), list(outputs), list(weights))


def branch(op, operand, result, *operands):
    return graph([node(op, [operand, *operands], [result])], [], [value(result, None)])


def if_node(condition, then, otherwise, results=("y",), name="If"):
    return helper.make_node("If", [condition], list(results), name=name,
                            then_branch=then, else_branch=otherwise)


def wide(extent="3"):
    """Whether x has more than two columns, by its shape."""
    return [node("Shape", ["x"], ["dims"]), number("at", np.int64(1)), number("two", np.int64(2)),
            node("Gather", ["dims", "at"], ["columns"], axis=0),
            node("Greater", ["columns", "two"], ["wide"])]


def columns(count="3"):
    return value("x", [2, int(count)])


def with_weight(nodes, inputs, outputs, plain="", **names):
    """The model with a scale that is trained."""
    return model(nodes, inputs, outputs, [weight("scale.weight", ramp(1) + 2)])


def if_shape(count="3", plain=""):
    """A branch by the shape: tanh where x is wide, its negative else; both name
    their value h, and read a weight around them."""
    def scaled(op):
        return graph([node(op, ["x"], ["h"]), node("Mul", ["h", "scale.weight"], ["m"])],
                     [], [value("m", None)])
    op = "Tanh" if int(count) > 2 else "Neg"
    nodes = [node(op, ["x"], ["h"]), node("Mul", ["h", "scale.weight"], ["y"])] if plain else [
        *wide(), if_node("wide", scaled("Tanh"), scaled("Neg"))]
    return with_weight(nodes, [columns(count)], [value("y", None)])


def if_data():
    """A branch by a value."""
    nodes = [node("ReduceSum", ["x"], ["sum"], keepdims=0), number("zero", np.float32(0)),
             node("Greater", ["sum", "zero"], ["positive"]),
             if_node("positive", branch("Tanh", "x", "h"), branch("Neg", "x", "h"))]
    return model(nodes, [columns()], [value("y", None)])


def if_input(kind="bool"):
    """A branch by an input, which --bind fixes."""
    return model([if_node("flag", branch("Tanh", "x", "h"), branch("Neg", "x", "h"))],
                 [columns(), value("flag", [], BOOL if kind == "bool" else INT64)], [value("y", None)])


def if_in_if(plain=""):
    """A branch in a branch, with a value of the outer one and one of its own."""
    inner = if_node("wide", branch("Add", "h", "r", "x"), branch("Sub", "h", "r", "x"), ["s"], "Inner")
    outer = graph([node("Exp", ["x"], ["h"]), inner, node("Mul", ["s", "h"], ["t"])], [], [value("t", None)])
    nodes = [node("Exp", ["x"], ["h"]), node("Add", ["h", "x"], ["s"]), node("Mul", ["s", "h"], ["y"])
             ] if plain else [*wide(), if_node("wide", outer, branch("Neg", "x", "t"))]
    return model(nodes, [columns()], [value("y", None)])


def empty_branch(kind="int", plain=""):
    """A branch without a node, which gives what it holds as it is."""
    held = weight("held", np.arange(3)) if kind == "int" else weight("held", ramp(3))
    then = graph([], [], [value("held", None, INT64 if kind == "int" else FLOAT)], [held])
    cast = [node("Cast", ["i"], ["f"], to=1), node("Add", ["f", "x"], ["y"])]
    if plain:
        return model([number("i", np.arange(3)), *cast], [columns()], [value("y", None)])
    other = graph([number("none", np.zeros(3, np.int64))], [], [value("none", None)])
    return model([*wide(), if_node("wide", then, other, ["i"]), *cast], [columns()], [value("y", None)])


def body(nodes, carried, results, scans=()):
    """The body of a loop that goes on, with numbers for what it carries."""
    inputs = [value("i", [], INT64), value("go", [], BOOL), *[value(name, None) for name in carried]]
    on = node("Identity", ["go"], ["on"])
    outputs = [value("on", [], BOOL), *[value(name, None) for name in results], *scans]
    return graph([on, *nodes], inputs, outputs)


def loop(trips="3", plain="", scan="", shape="2,3"):
    """h = tanh(h * scale) + i, `trips` times; `scan` collects each, of `shape`."""
    count = int(trips)
    nodes = [number("trips", np.int64(count)), number("true", np.bool_(True))]
    step = [node("Mul", ["h", "scale.weight"], ["m"]), node("Tanh", ["m"], ["t"]),
            node("Cast", ["i"], ["f"], to=1), node("Add", ["t", "f"], ["next"])]
    dims = [int(d) for d in shape.split(",")] if shape else None
    scans = [value("each", dims)] if scan else []
    if scan:
        step.append(node("Identity", ["next"], ["each"]))
    if not plain:
        nodes.append(helper.make_node("Loop", ["trips", "true", "x"], ["last", *(["all"] if scan else [])],
                                      name="Loop", body=body(step, ["h"], ["next"], scans)))
    else:
        last = "x"
        for i in range(count):
            nodes += [node("Mul", [last, "scale.weight"], [f"m{i}"]), node("Tanh", [f"m{i}"], [f"t{i}"]),
                      number(f"f{i}", np.float32(i)), node("Add", [f"t{i}", f"f{i}"], [f"h{i}"])]
            last = f"h{i}"
        nodes.append(node("Identity", [last], ["last"]))
        if scan:
            nodes += [node("Unsqueeze", [f"h{i}", "front"], [f"u{i}"]) for i in range(count)]
            nodes.insert(0, number("front", np.array([0])))
            nodes.append(node("Concat", [f"u{i}" for i in range(count)], ["all"], axis=0))
    return with_weight(nodes, [columns()], [value("all" if scan else "last", None)])


def collects():
    return loop(scan="1")


def loop_until(stop="4", plain=""):
    """Goes on as long as i is below `stop`, without a trip count."""
    nodes = [number("true", np.bool_(True)), number("stop", np.int64(int(stop)))]
    inputs = [value("i", [], INT64), value("go", [], BOOL), value("h", None)]
    step = graph([number("one", np.int64(1)), node("Add", ["i", "one"], ["j"]),
                  node("Less", ["j", "stop"], ["more"]), node("Add", ["h", "h"], ["next"])],
                 inputs, [value("more", [], BOOL), value("next", None)])
    if plain:
        doubles = [node("Add", [f"h{i}", f"h{i}"], [f"h{i + 1}"]) for i in range(int(stop))]
        nodes += [node("Identity", ["x"], ["h0"]), *doubles, node("Identity", [f"h{stop}"], ["y"])]
    else:
        nodes.append(helper.make_node("Loop", ["", "true", "x"], ["y"], name="Loop", body=step))
    return model(nodes, [columns()], [value("y", None)])


def loop_ranks():
    """A rank more each trip."""
    step = body([node("Unsqueeze", ["h", "front"], ["next"])], ["h"], ["next"])
    made = helper.make_node("Loop", ["trips", "", "x"], ["y"], name="Loop", body=step)
    return model([number("trips", np.int64(100)), number("front", np.array([0])), made],
                 [columns()], [value("y", None)])


def loop_data():
    """Goes on as long as a computed value is small."""
    inputs = [value("i", [], INT64), value("go", [], BOOL), value("h", None)]
    step = graph([node("Exp", ["h"], ["next"]), node("ReduceSum", ["next"], ["sum"], keepdims=0),
                  node("Less", ["sum", "bound"], ["more"])],
                 inputs, [value("more", [], BOOL), value("next", None)])
    nodes = [number("trips", np.int64(3)), number("true", np.bool_(True)), number("bound", np.float32(9)),
             helper.make_node("Loop", ["trips", "true", "x"], ["y"], name="Loop", body=step)]
    return model(nodes, [columns()], [value("y", None)])


def if_in_loop(plain=""):
    """Even trips take the sine, odd ones add x from around the loop."""
    choice = if_node("even", branch("Sin", "h", "r"), branch("Add", "h", "r", "x"), ["next"], "Even")
    step = [number("two", np.int64(2)), number("zero", np.int64(0)), node("Mod", ["i", "two"], ["rest"]),
            node("Equal", ["rest", "zero"], ["even"]), choice]
    nodes = [number("trips", np.int64(3)), number("true", np.bool_(True))]
    if plain:
        nodes = [node("Sin", ["x"], ["a"]), node("Add", ["a", "x"], ["b"]), node("Sin", ["b"], ["y"])]
    else:
        nodes.append(helper.make_node("Loop", ["trips", "true", "x"], ["y"], name="Loop",
                                      body=body(step, ["h"], ["next"])))
    return model(nodes, [columns()], [value("y", None)])


def loop_in_loop(plain="", outer="2", inner="3"):
    """Adds the outer trip's number `inner` times, `outer` times."""
    add = [node("Cast", ["i"], ["unused"], to=1), node("Add", ["g", "f"], ["sum"])]
    nested = helper.make_node("Loop", ["inner", "true", "h"], ["next"], name="Nested",
                              body=body(add, ["g"], ["sum"]))
    step = [node("Cast", ["i"], ["f"], to=1), nested]
    nodes = [number("outer", np.int64(int(outer))), number("inner", np.int64(int(inner))),
             number("true", np.bool_(True))]
    if plain:
        nodes = [number("total", np.float32(3)), node("Add", ["x", "total"], ["y"])]
    else:
        nodes.append(helper.make_node("Loop", ["outer", "true", "x"], ["y"], name="Loop",
                                      body=body(step, ["h"], ["next"])))
    return model(nodes, [columns()], [value("y", None)])


def in_function(plain=""):
    """A local function with a branch that reads its argument, called twice."""
    then = graph([node("Tanh", ["a"], ["h"])], [], [value("h", None)])
    other = graph([node("Neg", ["a"], ["h"])], [], [value("h", None)])
    twice = helper.make_function(
        "local", "Choose", ["a", "c"], ["b"], [if_node("c", then, other, ["b"])],
        [helper.make_opsetid("", 18)])
    if plain:
        return model([node("Tanh", ["x"], ["h"]), node("Neg", ["h"], ["y"])], [columns()], [value("y", None)])
    return model([number("yes", np.bool_(True)), number("no", np.bool_(False)),
                  node("Choose", ["x", "yes"], ["h"], domain="local"),
                  node("Choose", ["h", "no"], ["y"], domain="local")],
                 [columns()], [value("y", None)], functions=[twice], domains=["local"])


def no_branch():
    """An If without its else."""
    made = helper.make_node("If", ["c"], ["y"], name="If", then_branch=branch("Tanh", "x", "h"))
    return model([number("c", np.bool_(True)), made], [columns()], [value("y", None)])


def carried(inputs="1"):
    """A loop whose body carries another number of values than it is given."""
    step = body([node("Tanh", ["h"], ["next"])], ["h"], ["next"])
    made = helper.make_node("Loop", ["trips", "true", *["x"] * int(inputs)], ["y"], name="Loop", body=step)
    return model([number("trips", np.int64(1)), number("true", np.bool_(True)), made],
                 [columns()], [value("y", None)])


def optimized():
    """A branch in a file of PyTorch's optimizer: it lifts constants."""
    proto = model([if_node("wide", branch("Tanh", "x", "h"), branch("Neg", "x", "h"), ["t"]),
                   node("Mul", ["t", "weight"], ["y"])],
                  [columns()], [value("y", None)],
                  [weight("weight", ramp(3)), weight("wide", np.bool_(True))])
    return signed(proto, p_weight="weight")


if __name__ == "__main__":
    main(globals())
