#!/usr/bin/env python3
"""fsdp-run --self-test: every operation of a program beside the CPU, on simulated GPUs that may compute one wrongly."""
import itertools
import json
import os
import unittest

from harness import BIN, FIXTURES, RUN, TOKENS, ToolTest, content, execute, lines_of
from simulated import BF16, CUDA, SIMULATOR

DIMS = ["--dim", "batch=2", "--dim", "seq=8"]


class SelfTest(ToolTest):
    count = itertools.count()

    def made(self, *flags, model="gpt2", target=CUDA):
        return self.program(f"p{next(self.count)}.fsdp", *target, *flags, dims=DIMS,
                            model=os.path.join(FIXTURES, model, "dynamo18-dyn-raw.onnx"))

    def environment(self, **settings):
        return dict(os.environ, LD_LIBRARY_PATH=SIMULATOR, SIMCUDA_ORDERS="0", **settings)

    def self_test(self, program, *flags, **settings):
        return execute(RUN, program, "--self-test", *flags, env=self.environment(**settings), timeout=240)

    def passes(self, program, *flags, **settings):
        """The table's rows, as JSON, of a test that finds nothing; it takes the place of an earlier one's."""
        table = self.path("t.jsonl")
        status, output, errors = self.self_test(program, "--metrics", table, *flags, **settings)
        self.assertEqual((status, errors), (0, ""))
        *rows, device = lines_of(table)
        self.assertEqual(device["class"], "device")
        self.assertIn(f"all {len(rows)} kinds of operations compute what the CPU does\n", output)
        for row in rows:
            self.assertTrue(row["ok"], row)
            self.assertLess(row["error"], row["allowed"], row)
            self.assertIn(f"{row['class']:<10}  {row['name']}", output)
        return rows

    def differs(self, program, *words, **settings):
        """The one thing that is found, and its row."""
        table = self.path("t.jsonl")
        status, output, errors = self.self_test(program, "--metrics", table, **settings)
        self.assertEqual(status, 1, errors)
        self.assertOneError((status, output, errors), "differs from the CPU: ", *words)
        rows = lines_of(table)[:-1]
        wrong = [row for row in rows if not row["ok"]]
        self.assertEqual(output.count("DIFFERS"), len(wrong))
        self.assertIn(f"{len(wrong)} of {len(rows)} kinds of operations differ from the CPU\n", output)
        return wrong


class Agrees(SelfTest):
    def test_models(self):
        """Attention by products, half precision, parameters of the file and random tokens."""
        for model, flags in (("gpt2", ["--clip-grad-norm", "1"]), ("qwen3", BF16), ("nanogpt", ["--optimizer", "sgd"]), ("llama", ["--optimizer-dtype", "bfloat16"]),
                             ("gpt2", ["--param-dtype", "float16"])):
            with self.subTest(model=model, flags=flags):
                rows = self.passes(self.made(*flags, model=model))
                self.assertLessEqual({"kernel", "product", "memory"}, {row["class"] for row in rows})
                for row in rows:
                    self.assertGreater(row["count"], 0, row)
                    self.assertGreater(row["us"], 0, row)
                    self.assertEqual(row["tflops"] is not None, " x " in row["what"], row)
                # Nothing agrees because it was not looked at: results that are rounded are not equal.
                self.assertTrue(all(row["error"] > 0 for row in rows if row["class"] == "product"))
                self.assertTrue(any(row["error"] > 0 for row in rows if row["class"] == "kernel"))

    def test_ranks(self):
        """Collectives, of several pieces too, however they travel; of bf16 and f32."""
        for flags, comms in ([], ["nccl", "mpi", "thread"]), ([*BF16, "--placement", "dim0"], ["nccl"]):
            program = self.made("--mesh", "shard=2", *flags)
            for comm in comms:
                with self.subTest(flags=flags, comm=comm):
                    rows = self.passes(program, "--comm", comm)
                    self.assertLessEqual({"all_gather", "reduce_scatter", "all_reduce"}, {row["name"] for row in rows})

    def test_without_mpi_and_onednn(self):
        """As the runtime is built on a machine with GPUs; and what the table says of that."""
        lean = os.path.join(os.path.dirname(BIN), "test", "runtime", "fsdp-run-without-both")
        for world in "1", "2":
            program, table = self.made("--mesh", f"shard={world}", *BF16, model="llama"), self.path(f"{world}.jsonl")
            status, output, errors = execute(lean, program, "--self-test", "--comm", "thread", "--metrics", table,
                                             env=self.environment(), timeout=240)
            self.assertEqual((status, errors), (0, ""))
            self.assertIn("kinds of operations compute what the CPU does\n", output)
            device = lines_of(table)[-1]
            self.assertEqual((device["name"], device["driver"], device["cublaslt"]), ("simulated GPU", 13000, 130101))

    def test_on_the_cpu(self):
        for world in "1", "2":
            rows = self.passes(self.made("--mesh", f"shard={world}", target=[]))
            self.assertEqual([row for row in rows if row["class"] == "kernel" and row["error"] > 0], [])

    def test_data_and_tf32(self):
        rows = self.passes(self.made("--matmul-precision", "high"), "--data", TOKENS)
        self.assertTrue(any(row["class"] == "product" for row in rows))


class Finds(SelfTest):
    def test_a_wrong_element(self):
        program = self.made()
        for launch in "1", "7", "13":  # each kernel is run once, and five times to time it
            with self.subTest(launch=launch):
                wrong = self.differs(program, "element ", ", expected ", SIMCUDA_WRONG_KERNEL=launch)
                self.assertEqual(len(wrong), 1, wrong)
                self.assertIn(wrong[0]["class"], ("kernel", "attention"))

    def test_a_wrong_product(self):
        """A tile of 16 x 16, of a large matrix and in half precision; sums in bf16, where they should be in f32."""
        for flags in [], BF16:
            program = self.made(*flags, model="nanogpt")
            for fault in "SIMCUDA_WRONG_PRODUCT", "SIMCUDA_ROUND_PRODUCT":
                with self.subTest(flags=flags, fault=fault):
                    wrong = self.differs(program, "('matmul", "element ", "allowed", **{fault: "1"})
                    self.assertEqual([row["class"] for row in wrong], ["product"])

    def test_a_wrong_byte_of_a_collective(self):
        program = self.made("--mesh", "shard=2")
        for rank in "0", "1":
            wrong = self.differs(program, f"rank {rank}: operation ", "all_gather", SIMCUDA_WRONG_COLLECTIVE="1",
                                 SIMCUDA_FAULT_RANK=rank)
            self.assertIn("all_gather", [row["name"] for row in wrong])
            self.assertEqual({row["class"] for row in wrong}, {"collective"})

    def test_what_varies(self):
        """An operation that is right the first time it runs, and wrong when it runs again on the same."""
        self.differs(self.made(), "run again on the same, byte ", SIMCUDA_WRONG_KERNEL="6")


class Refuses(SelfTest):
    def test_programs_without_cpu_code(self):
        program = self.made()
        os.remove(os.path.join(program, "reference.so"))
        self.assertOneError(self.self_test(program), "cannot read", "reference.so", "compile the program again")
        path = os.path.join(program, "manifest.json")
        manifest = json.loads(content(path))
        del manifest["target"]["reference"]
        self.write(path, json.dumps(manifest).encode())
        self.assertOneError(self.self_test(program), "no CPU code", "compile it again")
        # Whoever only trains needs none.
        status, _, errors = execute(RUN, program, "--data", TOKENS, "--steps", "1", env=self.environment())
        self.assertEqual((status, errors), (0, ""))

    def test_what_it_does_not_go_with(self):
        program = self.made()
        for flags in ["--steps", "3"], ["--save", self.path("x.st")], ["--checked"], ["--graph", "on"]:
            result = self.self_test(program, *flags)
            self.assertOneError(result, "--self-test makes two steps of its own", flags[0])
            self.assertEqual(result[0], 2)

    def test_a_kernel_that_faults(self):
        self.assertOneError(self.self_test(self.made(), SIMCUDA_FAIL_KERNEL="9"), "operation ", "CUDA_ERROR_")


if __name__ == "__main__":
    unittest.main()
