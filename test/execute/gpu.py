#!/usr/bin/env python3
"""Programs for GPUs, whole, on the simulated ones of test/simcuda: they train as the CPU's, in whatever order
streams run, and say what is missing or has failed."""
import ctypes.util
import itertools
import json
import math
import os
import signal
import subprocess
import sys
import time
import unittest

import numpy as np
from onnx import save

from harness import FIXTURES, ROOT, RUN, STRUCK, TOKENS, ToolTest, content, entry, execute, lines_of, tensors_of
from simulated import BF16, CUDA, SIMULATOR

sys.path.insert(0, os.path.join(ROOT, "test", "import"))
from make_model import INT64, model as make_model, node, signed, value, weight  # noqa: E402

GPT2 = os.path.join(FIXTURES, "gpt2", "dynamo18-dyn-raw.onnx")
DIMS = ["--dim", "batch=2", "--dim", "seq=8"]


def scales(layers, width=4, tokens=256):
    """A model of as many units, each of which has one row of numbers."""
    numbers = np.random.default_rng(3)
    parameters = {"wte.weight": numbers.normal(size=(tokens, width)), "head.weight": numbers.normal(size=(width, tokens))}
    nodes = [node("Gather", ["wte.weight", "input_ids"], ["x0"], "wte")]
    for i in range(layers):
        parameters[f"layers.{i}.weight"] = numbers.uniform(0.99, 1.01, width)
        nodes.append(node("Mul", [f"x{i}", f"layers.{i}.weight"], [f"x{i + 1}"], f"layers.{i}"))
    nodes.append(node("MatMul", [f"x{layers}", "head.weight"], ["logits"], "head"))
    proto = make_model(nodes, [value("input_ids", ["batch", "seq"], INT64)],
                       [value("logits", ["batch", "seq", tokens])],
                       [weight(name, array.astype(np.float32)) for name, array in parameters.items()])
    proto.producer_name = "pytorch"
    signed(proto, **{"p_" + name.replace(".", "_"): name for name in parameters})
    return proto


class Gpu(ToolTest):
    count = itertools.count()

    def environment(self, libraries=SIMULATOR, **settings):
        # One order a launch is enough: test/simcuda tries two of each kernel.
        return dict(os.environ, LD_LIBRARY_PATH=libraries, SIMCUDA_ORDERS="0", **settings)

    @staticmethod
    def environment_of(pid):
        try:
            return content(f"/proc/{pid}/environ")
        except OSError:
            return b""

    def gpu_program(self, name, *flags, model=GPT2):
        return self.program(name, *CUDA, *flags, model=model, dims=DIMS)

    def cpu_program(self, name, *flags, model=GPT2):
        return self.program(name, *flags, model=model, dims=DIMS)

    def libraries(self, *names):
        """A folder that holds only these of the simulator's libraries."""
        folder = self.path("-".join(("lib", *names)))
        os.makedirs(folder)
        for name in names:
            os.symlink(os.path.join(SIMULATOR, name), os.path.join(folder, name))
        return folder

    def run_gpu(self, program, *flags, steps=3, **settings):
        return execute(RUN, program, "--data", TOKENS, "--steps", str(steps), *flags,
                       env=self.environment(**settings), timeout=240)

    def outcome(self, program, *flags, steps=3, **settings):
        """(metrics a step, bytes of the saved parameters) of a run that must work."""
        number = next(self.count)
        metrics, save = self.path(f"m{number}.jsonl"), self.path(f"s{number}.st")
        status, output, errors = self.run_gpu(program, "--check-plan", "--metrics", metrics, "--save", save, *flags,
                                              steps=steps, **settings)
        self.assertEqual((status, errors), (0, ""))
        self.assertIn("records match the memory plan", output)
        return lines_of(metrics), content(save)

    def assertClose(self, lines, others, tolerance):
        self.assertEqual(len(lines), len(others))
        for line, other in zip(lines, others):
            for key in "loss", "grad_norm":
                self.assertLess(abs(line[key] - other[key]), tolerance * other[key], f"{key} of step {line['step']}")


class Trains(Gpu):
    def test_as_the_cpu_does(self):
        """One rank, and two over NCCL, MPI and threads."""
        for world, comms in (1, ["nccl"]), (2, ["nccl", "mpi", "thread"]):
            flags = "--mesh", f"shard={world}", "--clip-grad-norm", "1"
            cpu, _ = self.outcome(self.cpu_program(f"c{world}.fsdp", *flags))
            program = self.gpu_program(f"g{world}.fsdp", *flags)
            for comm in comms:
                with self.subTest(world=world, comm=comm):
                    lines, _ = self.outcome(program, "--comm", comm)
                    self.assertClose(lines, cpu, 1e-6)
                    for line in lines:
                        self.assertEqual(line["planned_peak_bytes"], line["measured_peak_bytes"])
                        self.assertEqual(line["library_bytes"], 0)
                        self.assertGreater(line["free_bytes"], 0)

    def test_resumes(self):
        """From a checkpoint of its own to the same bits; the CPU's program goes on from it as well."""
        program, folder = self.gpu_program("g.fsdp", "--mesh", "shard=2"), self.path("D")
        lines, saved = self.outcome(program, steps=4)
        self.outcome(program, "--checkpoint-dir", folder, steps=2)
        again, resaved = self.outcome(program, "--resume", folder + "/step-2", steps=4)
        self.assertEqual([line["loss"] for line in again], [line["loss"] for line in lines[2:]])
        self.assertEqual(resaved, saved)
        cpu, _ = self.outcome(self.cpu_program("c.fsdp", "--mesh", "shard=2"), "--resume", folder + "/step-2", steps=4)
        self.assertClose(cpu, lines[2:], 1e-6)

    def test_optimizers(self):
        """Each rule with groups, in ranges that end inside of a shard."""
        for rule in ["adam"], ["sgd", "--momentum", "0.9", "--nesterov"], ["adagrad"], ["lion"]:
            flags = ["--mesh", "shard=2", "--optimizer", *rule, "--weight-decay", "0.1", "--group", "**.bias: lr=0.5x",
                     "--group", "**.ln_*.weight: weight_decay=0"]
            name = rule[0]
            with self.subTest(rule=rule):
                cpu, saved = self.outcome(self.cpu_program(f"c-{name}.fsdp", *flags))
                gpu, other = self.outcome(self.gpu_program(f"g-{name}.fsdp", *flags))
                self.assertClose(gpu, cpu, 1e-5)
                others = tensors_of(self.write("g.st", other))
                for tensor, (_, _, values) in tensors_of(self.write("c.st", saved)).items():
                    # Keys' biases have a gradient of 0 but for rounding, of which some rules take the sign.
                    if tensor.endswith("attn.c_attn.bias"):
                        continue
                    wanted, got = (np.frombuffer(data, "<f4") for data in (values, others[tensor][2]))
                    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-4 * abs(wanted).max())

    def test_in_bf16(self):
        flags = "--mesh", "shard=2", *BF16
        cpu, _ = self.outcome(self.cpu_program("c.fsdp", *flags))
        self.assertClose(self.outcome(self.gpu_program("g.fsdp", *flags))[0], cpu, 1e-3)

    def test_in_f16(self):
        """Without a scale of the gradients: against f32 within what f16 rounds, which is less than bf16 does."""
        f16 = ["--param-dtype", "float16", "--reduce-dtype", "float32", "--output-dtype", "float32"]
        for name in "gpt2", "llama":
            with self.subTest(model=name):
                model = os.path.join(FIXTURES, name, "dynamo18-dyn-raw.onnx")
                flags = "--mesh", "shard=2", "--clip-grad-norm", "1"
                cpu, _ = self.outcome(self.cpu_program(f"c-{name}.fsdp", *flags, model=model))
                ir = self.path(f"{name}.mlir")
                program = self.gpu_program(f"g-{name}.fsdp", "--emit-ir", ir, *flags, *f16, model=model)
                self.assertClose(self.outcome(program)[0], cpu, 1e-3)
                with open(ir) as file:
                    plan = file.read()
                self.assertIn('fsdprt.gemm "attention_scores" f16 to f32', plan)
                self.assertIn('fsdprt.all_gather "all_gather" f16', plan)
                self.assertNotIn("bf16", plan)

    def test_attention_by_products(self):
        """Blocks of rows, heads that share keys, the blocks' parts of dk and dv summed in f32."""
        for name, tolerance, flags in (("llama", 1e-6, []), ("qwen3", 1e-6, ["--recompute", "model.layers.*"]),
                                       ("gpt-neox", 1e-6, []), ("llama", 1e-3, BF16), ("qwen3", 1e-3, BF16)):
            with self.subTest(model=name, flags=flags):
                number = next(self.count)
                model = os.path.join(FIXTURES, name, "dynamo18-dyn-raw.onnx")
                cpu, _ = self.outcome(self.cpu_program(f"c{number}.fsdp", *flags, model=model))
                ir = self.path(f"{number}.mlir")
                program = self.gpu_program(f"g{number}.fsdp", "--emit-ir", ir, *flags, model=model)
                self.assertClose(self.outcome(program)[0], cpu, tolerance)
                with open(ir) as file:
                    plan = file.read()
                self.assertIn('fsdprt.gemm "attention_grad_keys"', plan)
                self.assertNotIn('fsdprt.launch "attention" ', plan)
                self.assertNotIn('fsdprt.launch "attention_grad" ', plan)

    def test_sums_in_parts(self):
        """Reductions of few results, for which a GPU has two kernels, and gradients of gathers by sorted indices."""
        flags = "--mesh", "shard=2", "--clip-grad-norm", "1"
        dims = ["--dim", "batch=4", "--dim", "seq=128"]
        for tolerance, dtypes in (1e-6, []), (1e-3, BF16):
            with self.subTest(dtypes=dtypes):
                number = next(self.count)
                cpu = self.program(f"c{number}.fsdp", *flags, *dtypes, model=GPT2, dims=dims)
                ir = self.path(f"{number}.mlir")
                gpu = self.program(f"g{number}.fsdp", *CUDA, "--emit-ir", ir, *flags, *dtypes, model=GPT2, dims=dims)
                self.assertClose(self.outcome(gpu, steps=2)[0], self.outcome(cpu, steps=2)[0], tolerance)
                with open(ir) as file:
                    plan = file.read()
                for kernel in "reduce_sum_parts", "count_valid_parts", "sum_of_parts", "order_indices":
                    self.assertIn(f'fsdprt.launch "{kernel}"', plan)

    def test_more_lines_than_parameters_of_a_launch(self):
        model = self.path("lines.onnx")
        save(scales(600), model)
        flags = "--clip-grad-norm", "1"
        dims = ["--dim", "batch=2", "--dim", "seq=8"]
        cpu = self.program("c.fsdp", *flags, model=model, dims=dims)
        gpu = self.program("g.fsdp", *CUDA, *flags, model=model, dims=dims)
        self.assertClose(self.outcome(gpu, steps=2)[0], self.outcome(cpu, steps=2)[0], 1e-6)

    def test_any_order_gives_the_same_bits(self):
        """Streams as late or as early as they may be, a step launched one by one or as one graph."""
        program = self.gpu_program("g.fsdp", "--mesh", "shard=2", "--prefetch-forward", "1")
        _, first = self.outcome(program, "--graph", "off")
        for seed, graph in (1, "on"), (2, "off"), (3, "on"):
            with self.subTest(seed=seed, graph=graph):
                self.assertEqual(self.outcome(program, "--graph", graph, SIMCUDA_SEED=str(seed))[1], first)

    def test_placement_by_rows(self):
        """Several pieces a collective, and shards with gaps."""
        flags = "--mesh", "shard=2", "--placement", "dim0"
        cpu, _ = self.outcome(self.cpu_program("c.fsdp", *flags))
        program = self.gpu_program("g.fsdp", *flags)
        for comm in "nccl", "thread":
            self.assertClose(self.outcome(program, "--comm", comm)[0], cpu, 1e-6)

    def test_pinned_memory_of_collectives(self):
        """As much as each communicator's largest takes, however many there are."""
        program = self.gpu_program("g.fsdp", "--mesh", "shard=2")
        manifest = json.loads(content(program + "/manifest.json"))
        shard = max(line["shard"]["bytes"] for unit in manifest["units"] for line in unit["lines"])
        _, bits = self.outcome(program)
        for comm in "mpi", "thread":
            lines, saved = self.outcome(program, "--comm", comm, SIMCUDA_PINNED=str(40 * shard))
            self.assertEqual(saved, bits)
            for line in lines:
                # A shard and a line of two; a line, a shard and scratch; a number or two.
                self.assertTrue((3 + 5) * shard < line["staging_bytes"] <= (3 + 5) * shard + 64, line)
        self.assertEqual(self.outcome(program)[0][-1]["staging_bytes"], 0)
        self.assertOneError(self.run_gpu(program, "--comm", "mpi", SIMCUDA_PINNED=str(8 * shard)), "cannot pin",
                            "ulimit -l")

    def test_checked(self):
        program = self.gpu_program("g.fsdp")
        self.assertEqual(self.outcome(program, "--checked")[1], self.outcome(program)[1])

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


class SaysWhatIsWrong(Gpu):
    def setUp(self):
        super().setUp()
        self.model = self.gpu_program("g.fsdp", "--mesh", "shard=2")

    def refused(self, *words, program=None, flags=(), **settings):
        self.assertOneError(self.run_gpu(program or self.model, *flags, **settings), *words)

    def test_no_driver_or_one_too_old(self):
        if not ctypes.util.find_library("cuda"):  # where there is one it is found
            self.refused("the CUDA driver", "libcuda.so.1", "--target cpu", libraries=self.libraries())
        self.refused("CUDA 11.4", "12.0 or later", SIMCUDA_DRIVER_VERSION="11040")

    def test_libraries(self):
        """Missing, too old, or without what is needed; NCCL only where it moves collectives."""
        names = {"cuda": "libcuda.so.1", "nccl": "libnccl.so.2", "cublasLt": "libcublasLt.so.13"}
        remedies = {"cuda": "install the NVIDIA driver", "nccl": "install libnccl2", "cublasLt": "install the CUDA toolkit"}
        for name, file in names.items():
            with self.subTest(library=name):
                without = self.libraries(*(other for other in names.values() if other != file))
                if not ctypes.util.find_library(name):  # where there is one it is found
                    self.refused(file, remedies[name], libraries=without)
                os.symlink(os.path.join(SIMULATOR, "libnvtx3interop.so.1"), os.path.join(without, file))
                self.refused(file, "has no function", remedies[name], libraries=without)
                if name == "nccl":
                    status, _, errors = self.run_gpu(self.model, "--comm", "mpi", libraries=without)
                    self.assertEqual((status, errors), (0, ""))
        self.refused("version 2.20.5", "2.26.0 or later", "install a newer libnccl2", SIMCUDA_NCCL_VERSION="22005")
        self.refused("version 111103", "(12.0) or later", "a newer CUDA toolkit", SIMCUDA_BLAS_VERSION="111103")

    def test_collectives_that_fail(self):
        """An asynchronous error of NCCL, and a rank that never comes to one."""
        for graph in "on", "off":
            self.refused("a collective failed: remote process exited", flags=["--graph", graph],
                         SIMCUDA_FAIL_COLLECTIVE="5", SIMCUDA_FAULT_RANK="1")
            self.refused("no progress for 4 s", "--timeout", flags=["--graph", graph, "--timeout", "4"],
                         SIMCUDA_LOSE_COLLECTIVE="5", SIMCUDA_FAULT_RANK="1")

    def test_products_of_a_newer_cuda_than_the_drivers(self):
        """A driver of CUDA 12 does not run the library of 13, which may be there as well."""
        older = dict(SIMCUDA_DRIVER_VERSION="12080", SIMCUDA_BLAS_VERSION="120801")
        self.refused("cublasLt was not found", "libcublasLt.so.12", "the driver's version", **older)
        names = "libcuda.so.1", "libcublasLt.so.13", "libnccl.so.2"
        libraries = self.libraries(*names)
        os.symlink(os.path.join(SIMULATOR, "libcublasLt.so.13"), os.path.join(libraries, "libcublasLt.so.12"))
        status, _, errors = self.run_gpu(self.model, libraries=libraries, **older)
        self.assertEqual((status, errors), (0, ""))

    def test_no_gpu_or_fewer_than_ranks(self):
        self.refused("no GPU", "CUDA_VISIBLE_DEVICES", SIMCUDA_DEVICES="0")
        self.refused("ranks 0 and 1 have the same GPU", "--comm mpi", SIMCUDA_DEVICES="1")
        self.refused("2 ranks and 1 GPU", "--comm mpi", flags=["--comm", "thread"], SIMCUDA_DEVICES="1")
        status, _, errors = self.run_gpu(self.model, "--comm", "mpi", SIMCUDA_DEVICES="1")
        self.assertEqual((status, errors), (0, ""))

    def test_programs_for_others(self):
        other = self.program("sm.fsdp", "--target", "cuda", "--gpu-arch", "sm_80", model=GPT2, dims=DIMS)
        self.refused("compiled for sm_80", "does not take it", "--gpu-arch", program=other)
        cpu = self.cpu_program("c.fsdp", "--mesh", "shard=2")
        self.refused("--comm nccl", "--target cuda", program=cpu, flags=["--comm", "nccl"])
        kernels = os.path.join(self.model, "kernels.so")
        with open(kernels, "w") as file:
            file.write("no code of any GPU")
        self.refused("does not take it", "--gpu-arch")
        os.remove(kernels)
        self.refused("cannot read", "kernels.so", "compile the program again")

    def test_too_little_memory(self):
        self.refused("the plan takes", "bytes of the GPU", "free", "--recompute", SIMCUDA_MEMORY="1000000")
        # To the byte, with what libraries take.
        planned = json.loads(content(self.model + "/manifest.json"))["planned_peak_bytes"]
        library, handles = 1000000, 4  # cuBLASLt's and three communicators
        fits = planned + handles * library
        self.refused("the plan takes", f"of its {fits - 1} bytes {planned - 1} are free",
                     f"libraries of this run have {handles * library}, the driver and others 0;",
                     SIMCUDA_MEMORY=str(fits - 1), SIMCUDA_LIBRARY_MEMORY=str(library))
        status, output, errors = self.run_gpu(self.model, SIMCUDA_MEMORY=str(fits), SIMCUDA_LIBRARY_MEMORY=str(library))
        self.assertEqual((status, errors), (0, ""))
        self.assertRegex(output, r"(?m)^GPU memory: plan .* in 2 arenas, libraries 3.8 MiB, driver and others 0 B, "
                                 r"0 B of .* left$")
        for number in range(1, 6):
            with self.subTest(allocation=number):
                self.refused("out of memory", SIMCUDA_FAIL_ALLOCATION=str(number))

    def test_a_rank_is_lost(self):
        """The others neither hang nor go on."""
        child = subprocess.Popen([RUN, self.model, "--data", TOKENS, "--steps", "1000", "--timeout", "20", "--metrics",
                                  self.path("m.jsonl")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                 env=self.environment())
        deadline = time.monotonic() + 120
        while not (os.path.exists(self.path("m.jsonl")) and content(self.path("m.jsonl"))):
            self.assertLess(time.monotonic(), deadline, "no step")
            time.sleep(0.1)
        listed = execute("pgrep", "-f", self.model)[1].split()
        ranks = [pid for pid in listed if b"OMPI_COMM_WORLD_RANK=1" in self.environment_of(pid)]
        self.assertEqual(len(ranks), 1, listed)
        os.kill(int(ranks[0]), signal.SIGKILL)
        _, errors = child.communicate(timeout=120)
        error = self.assertOneError((child.returncode, "", errors))
        self.assertRegex(error, f"rank 1 was killed {STRUCK}")


if __name__ == "__main__":
    unittest.main()
