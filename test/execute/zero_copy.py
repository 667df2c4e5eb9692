#!/usr/bin/env python3
"""Parameters and gradients are gathered, computed and reduced in place."""
import os
import re
import unittest

from harness import COMPILE, FIXTURES, OPT, ToolTest, content, execute, lines_of

MODELS = ["nanogpt", "gpt2", "llama", "llama-tied", "gpt-neox", "qwen3"]
ADDED = re.compile(r"^( *)%\w+ = fsdprt\.reduce_scatter .*\[#fsdprt\.arg<read (\d+)\[0 : (\d+)\]>.*"
                   r"#fsdprt\.arg<scratch (\d+)\[.*$", re.M)


class ZeroCopy(ToolTest):
    def plan(self, name, *flags):
        """A planned program of two ranks, as text."""
        file = os.path.join(FIXTURES, name, "dynamo18-dyn-raw.onnx")
        path = self.path(f"{name}.mlir")
        self.program(f"{name}.fsdp", "--mesh", "shard=2", "--emit-ir", path, *flags, model=file)
        return path

    def copied(self, program):
        """local_copy_bytes of each step, and what the closing lines say."""
        metrics = self.path("m.jsonl")
        output = self.train(program, "--comm", "thread", "--steps", "2", "--metrics", metrics, "--check-plan")
        said = int(re.search(r"^local copies: (\d+) bytes a step$", output, re.M)[1])
        return [line["local_copy_bytes"] for line in lines_of(metrics)], said

    def test_no_copy_and_no_identity_kernel_in_the_plan(self):
        for name in MODELS:
            with self.subTest(model=name):
                status, _, errors = execute(OPT, self.plan(name), "--fsdprt-verify-copies", "-o", os.devnull)
                self.assertEqual(status, 0, errors)
                self.assertEqual(self.copied(self.path(f"{name}.fsdp")), ([0, 0], 0))
        status, _, errors = execute(OPT, self.plan("gpt2", "--param-dtype", "bfloat16"), "--fsdprt-verify-copies",
                                    "-o", os.devnull)
        self.assertEqual(status, 0, errors)

    def test_a_copy_of_gradients_is_found_and_counted(self):
        plan = content(self.plan("nanogpt")).decode()
        bytes_of = []

        def add_copy(reduction):
            # The first half of the first line into the scratch of its reduction.
            if bytes_of:
                return reduction[0]
            indent, buffer, size = reduction[1], reduction[2], int(reduction[3])
            bytes_of.append(size // 2)
            half = f"[0 : {size // 2}]"
            return (f'{indent}%added = fsdprt.copy "copy_gradient" on compute [#fsdprt.arg<read {buffer} {half}>, '
                    f'#fsdprt.arg<write {reduction[4]} {half}>] unit "" scope ""\n{indent}' +
                    re.sub(r"wait\(", "wait(%added, ", reduction[0].strip()))

        mutant = self.write("mutant.mlir", ADDED.sub(add_copy, plan).encode())
        self.assertEqual(len(bytes_of), 1)
        size = bytes_of[0]
        status, _, errors = execute(OPT, mutant, "--fsdprt-verify-copies", "-o", os.devnull)
        self.assertEqual(status, 1)
        self.assertIn(f"'copy_gradient' copies {size} bytes of buffer", errors)
        status, _, errors = execute(COMPILE, mutant, "-o", self.path("mutant.fsdp"))
        self.assertEqual(status, 0, errors)
        self.assertEqual(self.copied(self.path("mutant.fsdp")), ([size, size], size))

    def test_a_cast_of_a_shard_in_the_step_is_found(self):
        plan = content(self.plan("gpt2", "--param-dtype", "bfloat16")).decode()
        derived = re.search(r'fsdprt\.launch "derive_source" .*', plan)[0]
        step = re.search(r'fsdprt\.phase @step runs +microbatch \{\n', plan)[0]
        added = re.sub(r" wait\([^)]*\)", "", derived)
        mutant = self.write("mutant.mlir", plan.replace(step, f"{step}    %added = {added}\n").encode())
        status, _, errors = execute(OPT, mutant, "--fsdprt-verify-copies", "-o", os.devnull)
        self.assertEqual(status, 1)
        self.assertIn("'derive_source' only moves or casts parameters or gradients", errors)


if __name__ == "__main__":
    unittest.main()
