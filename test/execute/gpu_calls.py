#!/usr/bin/env python3
"""What a run on GPUs calls of the libraries, and what it tells of itself: traces, ranges, windows, graphs."""
import json
import math
import os
import unittest

from harness import FIXTURES, content, entry, lines_of
from simulated import Gpu


class Calls(Gpu):
    def test_trace(self):
        """The plan's names and times of every stream; a step that is measured is no graph."""
        program = self.gpu_program("g.fsdp", "--mesh", "shard=2")
        trace, metrics = self.path("t.json"), self.path("m.jsonl")
        status, _, errors = self.run_gpu(program, "--trace", trace, "--trace-steps", "2:2", "--metrics", metrics, steps=2)
        self.assertEqual((status, errors), (0, ""))
        with open(trace) as file:
            events = [e for e in json.load(file)["traceEvents"] if e.get("cat") == "dispatch"]
        names = {e["name"] for e in events}
        self.assertIn("transformer.h.0 all_gather", names)
        self.assertTrue(any("reduce_scatter" in name for name in names), names)
        self.assertEqual({e["args"]["step"] for e in events}, {2})
        self.assertIsNotNone(lines_of(metrics)[0]["exposed_comm_ms"])

    def test_ranges(self):
        """What a profiler is told, where NVTX is: every operation as it is enqueued, under the plan's name, and then
        graphs. Without NVTX the same bits."""
        program, ranges = self.gpu_program("g.fsdp"), self.path("ranges")
        _, bits = self.outcome(program, SIMCUDA_RANGES=ranges)
        lines = content(ranges).decode().splitlines()
        first = lines.index(" graph")  # one of three steps is run, one captured and launched within its join
        self.assertEqual(lines[first - 1:first + 1], ["join", " graph"])
        self.assertEqual(sum("graph" in line for line in lines), 4)
        self.assertEqual(lines[:first].count("transformer.h.0 gelu"), 2)
        self.assertEqual(lines[first:].count("transformer.h.0 gelu"), 0)
        self.assertEqual(sum(line[0] == " " for line in lines), 2)
        without = self.libraries("libcuda.so.1", "libcublasLt.so.13", "libnccl.so.2")
        os.remove(ranges)
        self.assertEqual(self.outcome(program, libraries=without, SIMCUDA_RANGES=ranges)[1], bits)
        self.assertFalse(os.path.exists(ranges))

    def calls(self, program, *flags, steps):
        """What each rank calls of the libraries in a run, but for asking whether something has ended."""
        file = self.path(f"calls{next(self.count)}")
        self.outcome(program, *flags, steps=steps, SIMCUDA_CALLS=file)
        ranks = {}
        for line in content(file).decode().splitlines():
            rank, function = line.split()
            if function not in ("cuStreamQuery", "ncclCommGetAsyncError"):
                ranks.setdefault(rank, []).append(function)
        self.assertEqual(len(ranks), 2)
        return list(ranks.values())

    def test_calls_of_the_libraries(self):
        """As graphs, from the third one on, a step is two calls, however many operations it has; else less than three each."""
        for name in "gpt2", "qwen3":
            ir = self.path(f"{name}.mlir")
            program = self.gpu_program(f"{name}.fsdp", "--mesh", "shard=2", "--clip-grad-norm", "1", "--emit-ir", ir,
                                       model=os.path.join(FIXTURES, name, "dynamo18-dyn-raw.onnx"))
            step = content(ir).decode().split("fsdprt.phase @step")[1].split("fsdprt.phase")[0]
            operations = step.count("= fsdprt.")
            self.assertGreater(operations, 100)
            for rank in self.calls(program, steps=5):
                launches = [place for place, function in enumerate(rank) if function == "cuGraphLaunch"]
                # Four of its microbatch, four of its update; in the second step each is captured before.
                self.assertEqual([b - a for a, b in zip(launches, launches[1:])][1:], [1] * 6)
            shorter, longer = (self.calls(program, "--graph", "off", steps=steps) for steps in (2, 3))
            for few, many in zip(shorter, longer):
                self.assertLess(len(many) - len(few), 3 * operations)

    def test_windows(self):
        """Arenas as symmetric windows of NCCL, without (an older NCCL, or when told so): the same bits. Where a
        rank cannot, no rank begins."""
        program = self.gpu_program("g.fsdp", "--mesh", "shard=2")
        _, bits = self.outcome(program)
        self.assertEqual(self.outcome(program, SIMCUDA_NCCL_VERSION="22605")[1], bits)
        self.assertEqual(self.outcome(program, NCCL_WIN_ENABLE="0", SIMCUDA_FAIL_WINDOW="1")[1], bits)
        for rank in 0, 1:
            for number, arena in (1, "state"), (2, "work"):
                with self.subTest(rank=rank, arena=arena):
                    status, _, errors = self.run_gpu(program, SIMCUDA_FAIL_WINDOW=str(number), SIMCUDA_FAULT_RANK=str(rank))
                    said = [line for line in errors.splitlines() if not line.startswith("simcuda: ")]
                    self.assertEqual((status, len(said)), (1, 1), errors)
                    self.assertRegex(said[0], rf"arena '{arena}' cannot be a symmetric window of NCCL \(rank {rank}: "
                                              r"ncclCommWindowRegister failed: .*\): NCCL_WIN_ENABLE=0 ")

    def test_mfu(self):
        """Of the products that a step has by the model's shapes, in the time that it took; on CPUs as well. Told only
        where a peak is known."""
        shapes = entry(os.path.join("gpt2", "dynamo18-dyn-raw.onnx"))["parameters"]
        weights = sum(math.prod(shape) for name, shape in shapes
                      if len(shape) == 2 and name not in ("transformer.wpe.weight", "lm_head.weight"))
        flops = 3 * 2 * (2 * 8) * weights  # forward, and a gradient of either operand
        # Attention's, two forward and four backward, are the library's on GPUs alone, over the columns that are seen.
        attention = 2 * 6 * 2 * (2 * 8 * 8) * 32
        flags = "--recompute", "transformer.h.*"
        for program in self.cpu_program("c.fsdp"), self.gpu_program("g.fsdp"), self.gpu_program("r.fsdp", *flags):
            lines, _ = self.outcome(program, "--peak-tflops", "0.5")
            for line in lines:
                counted = line["mfu"] * line["step_ms"] / 1000 * 0.5e12 - flops
                least, most = (0, 0) if "c.fsdp" in program else (attention / 2, attention)
                self.assertTrue(least - 1e-6 * flops <= counted <= most + 1e-6 * flops, (counted, least, most))
                self.assertEqual("host_ms" in line, "c.fsdp" not in program)
                self.assertTrue(0 < line.get("host_ms", line["step_ms"]) <= line["step_ms"])
        status, output, _ = self.run_gpu(program, "--peak-tflops", "0.5")
        self.assertRegex(output, r"(?m)^step 1/3 .* tokens/s  mfu \d+\.\d %$")
        metrics = self.path("m.jsonl")
        status, output, errors = self.run_gpu(program, "--metrics", metrics)
        self.assertEqual((status, errors), (0, ""))
        self.assertIn("mfu is not told: the peak speed of 'simulated GPU' is not known; give it with --peak-tflops\n", output)
        self.assertNotIn("mfu", lines_of(metrics)[0])

    def test_where_capturing_fails(self):
        """A warning, and the same training: at its end, at the first copy, at an operation within."""
        program = self.gpu_program("g.fsdp")
        save = self.path("s.st")
        _, expected = self.outcome(program)
        for place in "1", "2", "20":
            with self.subTest(place=place):
                status, _, errors = self.run_gpu(program, "--save", save, SIMCUDA_FAIL_CAPTURE=place)
                self.assertEqual(status, 0, errors)
                self.assertRegex(errors, r"^fsdp-run: warning: the GPU's operations cannot be made a graph \(rank 0: .*\); "
                                         r".*--graph off\n$")
                self.assertEqual(content(save), expected)

    def test_where_one_rank_cannot_capture(self):
        """All ranks go on as it does: NCCL has collectives captured by all or by none."""
        program = self.gpu_program("g.fsdp", "--mesh", "shard=2")
        save = self.path("s.st")
        _, expected = self.outcome(program)
        for place in "1", "20":
            with self.subTest(place=place):
                status, _, errors = self.run_gpu(program, "--save", save, SIMCUDA_FAIL_CAPTURE=place,
                                                 SIMCUDA_FAULT_RANK="1")
                self.assertEqual(status, 0, errors)
                self.assertRegex(errors, r"^fsdp-run: warning: the GPU's operations cannot be made a graph \(rank 1: ")
                self.assertEqual(errors.count("\n"), 1, errors)
                self.assertEqual(content(save), expected)

if __name__ == "__main__":
    unittest.main()
