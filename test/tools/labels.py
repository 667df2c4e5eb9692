"""Checks that every rule with a label is specified, named by a message and
tested.

  labels.py ROOT

A label is OP_cN or STAGE_vN. Those of the .td files must stand in an error
message of the code and in a test that expects it; those of the fsdp and fsdprt
dialects in their SPEC.md as well; and nothing else may stand in SPEC.md. A rule
that SPEC.md says is "Checked as X" is rule X's to test.
"""
import pathlib
import re
import sys

LABEL = re.compile(r"\b([a-z_]+_[cv][0-9]+)\b")
FILECHECK = re.compile(r"// [A-Z]+: .*error: ")  # where two files are read


def labels(text):
    return set(LABEL.findall(text))


def read(root, *patterns):
    files = [file for pattern in patterns for file in sorted(root.glob(pattern))]
    if not files:
        sys.exit(f"labels: no file matches {patterns}")
    return "\n".join(file.read_text() for file in files)


def main():
    root = pathlib.Path(sys.argv[1])
    declared = labels(read(root, "dialects/**/*.td", "passes/**/*.td"))
    spec = read(root, "dialects/*/SPEC.md")
    deferred = set(re.findall(r"\(([a-z_]+_c[0-9]+)\)[^\n]*Checked as", spec))
    # Comments name labels too; only those in string literals are messages.
    strings = re.findall(
        r'"(?:[^"\\\n]|\\.)*"',
        read(root, "dialects/**/*.cpp", "passes/**/*.cpp"),
    )
    messages = labels("\n".join(strings))
    expected = "\n".join(
        line
        for line in read(root, "test/dialects/**/*.mlir", "test/passes/**/*.mlir").splitlines()
        if "expected-error" in line or FILECHECK.search(line)
    )
    wrong = []
    for label in sorted(declared - deferred):
        if label not in messages:
            wrong.append(f"{label} is declared, but no message names it")
        if label not in labels(expected):
            wrong.append(f"{label} has no test that expects it")
    for label in sorted(messages - declared):
        wrong.append(f"{label} stands in a message, but in no .td file")
    fsdp = labels(
        read(root, "dialects/Fsdp*/*.td") + read(root, "passes/Verify/*.td")
    )
    for label in sorted(fsdp - labels(spec)):
        if not label.startswith("train_"):
            wrong.append(f"{label} is not in SPEC.md")
    for label in sorted(labels(spec) - declared):
        wrong.append(f"{label} stands in SPEC.md, but in no .td file")
    for line in wrong:
        print(line)
    print(f"{len(declared)} labels, {len(wrong)} wrong")


main()
