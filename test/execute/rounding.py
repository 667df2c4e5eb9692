#!/usr/bin/env python3
"""Moments in bf16: every bit, on other ranks and placements, in checkpoints, beside f32."""
import os
import sys
import unittest

import numpy
from onnx import save

from harness import BIN, COMPILE, LOSS, ROOT, RUN, TOKENS, ToolTest, content, execute, lines_of, tensors_of

sys.path.insert(0, os.path.join(ROOT, "test", "import"))
from make_model import INT64, model, node, signed, value, weight  # noqa: E402

ADAMW = "--optimizer", "adamw", "--betas", "0.9,0.95"
SGD = "--optimizer", "sgd", "--momentum", "0.9"
BF16 = "--optimizer-dtype", "bfloat16"
GAMMA = numpy.uint64(0x9E3779B97F4A7C15)


def mix(z):
    """SplitMix64's, modulo 2^64."""
    z = (z ^ z >> numpy.uint64(30)) * numpy.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ z >> numpy.uint64(27)) * numpy.uint64(0x94D049BB133111EB)
    return z ^ z >> numpy.uint64(31)


def key_of(name):
    """FNV-1a."""
    key = 0xCBF29CE484222325
    for byte in name.encode():
        key = (key ^ byte) * 0x100000001B3 % 2**64
    return numpy.uint64(key)


def rounded(values, name, state, step, seed):
    """What `#train.rounded` says: the upper 16 bits of each f32, as integers."""
    with numpy.errstate(over="ignore"):
        stream = mix(mix(key_of(name) + GAMMA * numpy.uint64(seed)) + GAMMA * numpy.uint64(step))
        numbers = mix(stream + GAMMA * numpy.arange(len(values), dtype=numpy.uint64))
    part = (numbers >> numpy.uint64(16 * state)).astype(numpy.uint32) & numpy.uint32(0xFFFF)
    return ((values.view(numpy.uint32) + part) >> numpy.uint32(16)).astype(numpy.uint16)


class Rounding(ToolTest):
    def program_of(self, world, *flags):
        return self.program(f"{world}-{'-'.join(flags)}.fsdp", "--mesh", f"shard={world}", *flags,
                            dims=["--dim", f"batch={6 // world}", "--dim", "seq=32"])

    def states_of(self, program, steps, *flags, name="d"):
        """{"exp_avg/wte.weight": array}: a checkpoint, by one rank. bf16 as integers."""
        self.train(program, "--comm", "thread", "--steps", str(steps), "--lr", "1e-3",
                   "--checkpoint-dir", self.path(name), "--checkpoint-every", "100", *flags)
        status, _, errors = execute(f"{BIN}/fsdp-ckpt", "reshard", self.path(f"{name}/step-{steps}"),
                                    self.path(name + "-whole"), "-n", "1")
        self.assertEqual(status, 0, errors)
        types = {"F32": "<f4", "BF16": "<u2"}
        tensors = tensors_of(self.path(f"{name}-whole/step-{steps}/rank-0.safetensors"))
        return {key: numpy.frombuffer(data, types[dtype]) for key, (dtype, _, data) in tensors.items()}

    def last_losses(self, program, *flags):
        self.train(program, "--comm", "thread", "--steps", "40", "--lr", "1e-3", "--metrics", self.path("m.jsonl"), *flags)
        return [line["loss"] for line in lines_of(self.path("m.jsonl"))]

    def test_bits_of_the_first_step(self):
        """A first step's moments in f32, rounded by numpy, are those in bf16, wherever shards are cut."""
        for rule, states in (ADAMW, ["exp_avg", "exp_avg_sq"]), (SGD, ["momentum_buffer"]):
            for world, flags in (1, ()), (3, ()), (3, ("--placement", "dim0")), (2, ("--ema", "0.9")):
                case = f"{rule[1]}{world}{len(flags)}"
                wide = self.states_of(self.program_of(world, *rule, *flags), 1, "--seed", "5", name="w" + case)
                narrow = self.states_of(self.program_of(world, *rule, *flags, *BF16), 1, "--seed", "5", name="n" + case)
                self.assertEqual(wide.keys(), narrow.keys())
                changed = 0
                for key, values in wide.items():
                    plane, name = key.split("/", 1)
                    with self.subTest(case=case, key=key):
                        if plane not in states:
                            numpy.testing.assert_array_equal(values, narrow[key])
                            continue
                        bits = rounded(values, name, states.index(plane), 1, 5)
                        numpy.testing.assert_array_equal(bits, narrow[key])
                        changed += (bits != (values.view(numpy.uint32) >> 16)).mean() > 0.3
                self.assertGreater(changed, 10) # not all were cut off

    def test_large_seeds(self):
        """All 64 bits of a seed count."""
        for seed in 2**53 + 1, 2**64 - 1:
            wide = self.states_of(self.program_of(2, *SGD), 1, "--seed", str(seed), name=f"w{seed}")
            narrow = self.states_of(self.program_of(2, *SGD, *BF16), 1, "--seed", str(seed), name=f"n{seed}")
            for key, values in wide.items():
                if key.startswith("momentum_buffer/"):
                    name = key.split("/", 1)[1]
                    numpy.testing.assert_array_equal(rounded(values, name, 0, 1, seed), narrow[key])

    def test_any_ranks(self):
        """What is rounded up depends on parameter, element, step and seed alone."""
        want = self.last_losses(self.program_of(1, *ADAMW, *BF16))
        for world, flags in (2, ()), (3, ()), (3, ("--placement", "dim0")), (2, ("--unit", "transformer.h.*.mlp")):
            numpy.testing.assert_allclose(self.last_losses(self.program_of(world, *ADAMW, *BF16, *flags)), want, rtol=1e-5)
        other = self.last_losses(self.program_of(2, *ADAMW, *BF16), "--shuffle", "off", "--seed", "1")
        self.assertNotEqual(self.last_losses(self.program_of(2, *ADAMW, *BF16), "--shuffle", "off", "--seed", "2"), other)

    def test_as_good_as_f32(self):
        """Small changes count: losses stay by those of moments in f32."""
        for rule in ADAMW, SGD:
            want = self.last_losses(self.program_of(2, *rule))
            got = self.last_losses(self.program_of(2, *rule, *BF16))
            self.assertNotEqual(got, want)
            numpy.testing.assert_allclose(got, want, rtol=4e-3)

    def test_resumes(self):
        """From a checkpoint, bit for bit; with moments of another type it is refused."""
        program, dtypes = self.program_of(2, *ADAMW, *BF16), ("f32", "bf16")
        flags = "--comm", "thread", "--lr", "1e-3", "--checkpoint-every", "3"
        self.train(program, *flags, "--steps", "6", "--checkpoint-dir", self.path("a"), "--save", self.path("a.st"))
        self.train(program, *flags, "--steps", "6", "--checkpoint-dir", self.path("b"), "--resume", self.path("a/step-3"),
                   "--save", self.path("b.st"))
        self.assertEqual(content(self.path("a.st")), content(self.path("b.st")))
        wide = self.program_of(2, *ADAMW)
        self.assertOneError(execute(RUN, wide, "--data", TOKENS, *flags, "--steps", "9", "--resume", self.path("a/step-3"),
                                    "--checkpoint-dir", self.path("c")),
                            *(f"exp_avg ({dtype})" for dtype in dtypes))

    def test_many_parameters_in_a_unit(self):
        """The time that their update takes to compile does not grow by the square of their number, or more."""
        vectors = [f"b{i}" for i in range(150)]
        zeros = numpy.zeros(8, numpy.float32)
        nodes = [node("Gather", ["table", "input_ids"], ["x0"])]
        nodes += [node("Add", [f"x{i}", name], [f"x{i + 1}"]) for i, name in enumerate(vectors)]
        nodes += [node("Identity", [f"x{len(vectors)}"], ["logits"])]
        proto = model(nodes, [value("input_ids", ["batch", "seq"], INT64)], [value("logits", ["batch", "seq", 8])],
                      [weight("table", numpy.eye(8, dtype=numpy.float32)), *(weight(name, zeros + i) for i, name in enumerate(vectors))], 18)
        proto.producer_name = "pytorch"
        signed(proto, **{"p_" + name: name for name in ["table", *vectors]})
        save(proto, self.path("model.onnx"))
        status, _, errors = execute(COMPILE, self.path("model.onnx"), "--dim", "batch=1", "--dim", "seq=16", *LOSS, *BF16,
                                    "--mesh", "shard=2", "-o", self.path("many.fsdp"), timeout=60)
        self.assertEqual(status, 0, errors)

    def test_memory_and_info(self):
        """Half the bytes for moments, which --info says."""
        told = {}
        for flags in (), BF16:
            status, output, errors = execute(RUN, "--info", self.program_of(1, *ADAMW, *flags))
            self.assertEqual(status, 0, errors)
            told[flags] = output
        self.assertIn("keeps exp_avg, exp_avg_sq\n", told[()])
        self.assertIn("keeps exp_avg in bf16, exp_avg_sq in bf16\n", told[BF16])

    def test_refused(self):
        for flags, word in ((["--optimizer", "sgd"], "sgd without momentum keeps no moment"),
                            (["--optimizer", "adafactor"], "adafactor keeps no moment of each element")):
            self.assertOneError(self.compile("x.fsdp", *flags, *BF16), "--optimizer-dtype bfloat16 has no effect", word,
                                output="x.fsdp")
        self.assertOneError(self.compile("x.fsdp", "--optimizer-dtype", "bf16"),
                            "unknown --optimizer-dtype 'bf16', expected float32 or bfloat16", output="x.fsdp")


if __name__ == "__main__":
    unittest.main()
