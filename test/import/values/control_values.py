"""Holds models with branches and loops against the same models without them
(../control_models.py), values and gradients, and these against ONNX's own
evaluator.

    python control_values.py ONNX_VALUES
"""

import json
import pathlib
import sys
import tempfile

import numpy as np
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import control_models  # noqa: E402
from tool import ask  # noqa: E402

CASES = [
    ("if_shape", {}), ("if_shape", {"count": "2"}), ("if_in_if", {}), ("empty_branch", {}), ("loop", {}),
    ("loop", {"trips": "1"}), ("loop", {"scan": "1"}), ("loop_until", {}),
    ("loop_until", {"stop": "1"}), ("if_in_loop", {}), ("loop_in_loop", {}), ("in_function", {}),
]


def build(name, arguments):
    """The model, with what it trains as inputs: gradients are those of inputs."""
    proto = getattr(control_models, name)(**arguments)
    arrays = [np.linspace(-1, 1, 6 if arguments.get("count") != "2" else 4, dtype=np.float32).reshape(2, -1)]
    for tensor in proto.graph.initializer:
        proto.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
        arrays.append(numpy_helper.to_array(tensor))
    del proto.graph.initializer[:]
    return proto, arrays


def problems(name, arguments, replies):
    if errors := [reply["error"] for reply in replies if "error" in reply]:
        return errors
    proto, arrays = build(name, {**arguments, "plain": "1"})
    wanted = ReferenceEvaluator(proto).run(None, dict(zip([i.name for i in proto.graph.input], arrays)))[0]
    found, plain = replies
    got = np.array(found["outputs"][0]["values"]).reshape(found["outputs"][0]["shape"])
    if got.shape != wanted.shape or not np.allclose(got, wanted, rtol=4e-6, atol=1e-30):
        return [f"value is {got}, ONNX has {wanted}"]
    if found != plain:
        return [f"has {found}, without branches and loops {plain}"]
    if not any(np.any(gradient) for gradient in found["gradients"]):
        return ["no gradient but 0"]
    return []


def main(tool):
    with tempfile.TemporaryDirectory() as folder:
        lines = []
        for i, (name, arguments) in enumerate(CASES):
            for plain in ("", "1"):
                proto, arrays = build(name, {**arguments, **({"plain": plain} if plain else {})})
                path = pathlib.Path(folder) / f"{i}-{plain}.onnx"
                path.write_bytes(proto.SerializeToString())
                lines.append(json.dumps({"model": str(path), "gradient": True,
                                         "inputs": [a.reshape(-1).tolist() for a in arrays]}))
        replies = ask(tool, lines)
    failures = 0
    for i, (name, arguments) in enumerate(CASES):
        found = problems(name, arguments, replies[2 * i: 2 * i + 2])
        failures += bool(found)
        for problem in found:
            print(f"{name} {arguments}: {problem}")
    print(f"{len(CASES)} cases, {failures} differ")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main(sys.argv[1])
