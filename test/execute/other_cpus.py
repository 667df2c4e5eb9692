#!/usr/bin/env python3
"""Programs on CPUs whose library lacks a product. ONEDNN_MAX_CPU_ISA=AVX2
stands for a host without AVX-512, which oneDNN needs for bf16."""
import os
import unittest

from harness import COMPILE, DIMS, LOSS, NANOGPT, RUN, TOKENS, ToolTest, content, execute, lines_of

AVX2 = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
BF16 = ["--param-dtype", "bfloat16"]


class OtherCpus(ToolTest):
    def run_on(self, env, program, *flags):
        metrics = self.path("m.jsonl")
        result = execute(RUN, program, "--data", TOKENS, "--steps", "5", "--metrics", metrics, *flags, env=env)
        losses = [line["loss"] for line in lines_of(metrics)] if os.path.exists(metrics) else []
        return result, losses

    def test_products_that_the_host_has_not(self):
        # Compiled where the library has them, carried to where it has not:
        # said when the program is loaded, before a parameter is read.
        program = self.program("p.fsdp", "--mesh", "shard=2", *BF16)
        for comm in "thread", "mpi":
            with self.subTest(comm=comm):
                result, losses = self.run_on(AVX2, program, "--comm", comm)
                error = self.assertOneError(result, "product 'matmul' of unit", "in bf16", "AVX-512",
                                            "compile the program on a host like this one")
                self.assertNotIn("phase", error)
                self.assertEqual(losses, [])
                self.assertNotIn("step", result[1])

    def test_products_of_f32_are_everywhere(self):
        program = self.program("p.fsdp")
        (status, _, errors), losses = self.run_on(AVX2, program)
        self.assertEqual(status, 0, errors)
        for here, there in zip(losses, self.run_on(None, program)[1], strict=True):
            self.assertAlmostEqual(here, there, delta=1e-5 * there)

    def test_bf16_without_the_library(self):
        # Compiled where the library has no bf16, too: the products are kernels.
        here = self.program("p.fsdp", "--mesh", "shard=2", *BF16)
        command = [COMPILE, NANOGPT, *DIMS, *LOSS, "--mesh", "shard=2", *BF16, "-o"]
        status, _, errors = execute(*command, self.path("q.fsdp"), env=AVX2)
        self.assertEqual(status, 0, errors)
        warnings = [line for line in errors.splitlines() if "warning:" in line]
        self.assertEqual(len(warnings), 1, errors)
        self.assertIn("computed in f32", warnings[0])
        runs = []
        for threads in "1", "2", "3":
            (status, _, errors), losses = self.run_on(
                AVX2, self.path("q.fsdp"), "--checked", "--check-plan", "--threads", threads, "--save",
                self.path("s"))
            self.assertEqual(status, 0, errors)
            runs.append((losses, content(self.path("s"))))
        # What is widened and summed does not depend on who does it.
        self.assertEqual(runs[0], runs[1])
        self.assertEqual(runs[0], runs[2])
        for library, generated in zip(self.run_on(None, here)[1], runs[0][0], strict=True):
            self.assertAlmostEqual(library, generated, delta=1e-3 * library)
        status, _, errors = execute(*command[:-5], "-o", self.path("f.fsdp"), env=AVX2)
        self.assertEqual(status, 0, errors)
        self.assertNotIn("warning:", errors)

    def test_bf16_for_another_cpu(self):
        # Compiled here for a CPU that has no AVX-512: it runs there.
        program = self.path("p.fsdp")
        status, _, errors = execute(COMPILE, NANOGPT, *DIMS, *LOSS, *BF16, "--target-cpu", "haswell", "-o", program)
        self.assertEqual(status, 0, errors)
        self.assertIn("computed in f32", errors)
        (status, _, errors), losses = self.run_on(AVX2, program)
        self.assertEqual(status, 0, errors)
        self.assertEqual(len(losses), 5)


if __name__ == "__main__":
    unittest.main()
