"""Prints, as a Markdown table, the op types of the fixtures by family and form.

python optypes.py
"""

import json
from pathlib import Path

import onnx

FIXTURES = Path(__file__).resolve().parent / "fixtures"
FAMILIES = {
    "nanoGPT": ("nanogpt",),
    "tower": ("tower",),
    "GPT-2": ("gpt2",),
    "Llama, Qwen3": ("llama", "qwen3"),
    "GPT-NeoX": ("gpt-neox",),
}


def form(entry):
    if entry["exporter"] == "legacy":
        return "legacy 17"
    shapes = "static" if entry["static_batch"] else "dynamic"
    return f"{entry['opset']} {'optimised' if entry['optimize'] else 'raw'} {shapes}"


def op_types(entry):
    graph = onnx.load(FIXTURES / entry["file"], load_external_data=False).graph
    return {node.op_type for node in graph.node}


def main():
    manifest = json.loads((FIXTURES / "MANIFEST.json").read_text())
    found = {}
    for entry in manifest:
        family = next(f for f, heads in FAMILIES.items() if entry["model"].startswith(heads))
        found.setdefault((family, form(entry)), set()).update(op_types(entry))
    common = set.intersection(*found.values())
    print(f"In every form: {' '.join(sorted(common))}.\n")
    print("| family | form | further op types |\n|---|---|---|")
    for family in FAMILIES:
        for key in sorted(k for k in found if k[0] == family):
            print(f"| {family} | {key[1]} | {' '.join(sorted(found[key] - common))} |")


if __name__ == "__main__":
    main()
