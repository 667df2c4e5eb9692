#!/usr/bin/env python3
"""The average of the parameters: its values, in saved files, in checkpoints and on other meshes."""
import unittest

import numpy

from harness import BIN, RUN, TOKENS, ToolTest, content, execute, tensors_of

KEEP = 0.75
OPTIMIZERS = ["--optimizer", "adamw", "--weight-decay", "0.1"], ["--optimizer", "sgd"]



def floats_of(path):
    """{name: array} of a safetensors file's tensors, which are f32."""
    return {name: numpy.frombuffer(data, "<f4") for name, (_, _, data) in tensors_of(path).items()}


class Averages(ToolTest):
    def program_of(self, world, *flags):
        return self.program(f"p{world}{len(flags)}.fsdp", "--mesh", f"shard={world}", *flags,
                            dims=["--dim", f"batch={6 // world}", "--dim", "seq=32"])

    def run_steps(self, program, steps, *flags):
        return self.train(program, "--steps", str(steps), "--lr", "1e-2", "--comm", "thread", *flags)

    def parameters(self, program, steps):
        self.run_steps(program, steps, "--save", self.path("p.st"))
        return floats_of(self.path("p.st"))

    def test_values(self):
        """The first step's parameters, then the mean of torch's get_ema_multi_avg_fn; training is as without."""
        for flags in OPTIMIZERS:
            program = self.program_of(2, *flags, "--ema", str(KEEP), "--freeze", "**.wpe.weight")
            plain = self.program_of(2, *flags, "--freeze", "**.wpe.weight")
            average = {}
            for step in range(1, 5):
                for name, value in self.parameters(plain, step).items():
                    before = average.get(name, value)
                    average[name] = before + (1 - KEEP) * (value - before)
            output = self.run_steps(program, 4, "--save", self.path("a.st"), "--save-ema", self.path("e.st"))
            self.assertIn(f"saved {self.path('e.st')}", output)
            with self.subTest(flags=flags):
                self.assertEqual(content(self.path("a.st")), content(self.path("p.st")))
                saved = floats_of(self.path("e.st"))
                self.assertEqual(saved.keys(), average.keys())
                for name, value in average.items():
                    numpy.testing.assert_allclose(saved[name], value, rtol=0, atol=1e-6 * abs(value).max() + 1e-12)
                self.assertFalse(all(numpy.array_equal(saved[n], v) for n, v in floats_of(self.path("a.st")).items()))

    def test_placements_and_precisions(self):
        """The same on other ranks; the copy that is gathered in bf16 is not what is averaged."""
        def saved(world, *flags):
            # Of SGD: in AdamW's first steps rounding decides the sign of what is near 0.
            program = self.program_of(world, "--optimizer", "sgd", "--ema", "0.9", *flags)
            self.run_steps(program, 3, "--save-ema", self.path("e.st"))
            return floats_of(self.path("e.st"))
        expected = saved(1)
        for world, flags, most in ((3, [], 1e-5), (2, ["--placement", "dim0"], 1e-5),
                                   (2, ["--param-dtype", "bfloat16"], 5e-2)):
            with self.subTest(world=world, flags=flags):
                for name, value in saved(world, *flags).items():
                    numpy.testing.assert_allclose(value, expected[name], rtol=0,
                                                  atol=most * abs(expected[name]).max() + 1e-7)

    def test_resume_and_export(self):
        flags = "--ema", "0.9"
        whole, resumed, folder = self.path("whole.st"), self.path("resumed.st"), self.path("D")
        self.run_steps(self.program_of(3, *flags), 5, "--save-ema", whole)
        save = ["--checkpoint-dir", folder, "--checkpoint-every", "2"]
        self.run_steps(self.program_of(3, *flags), 4, *save)
        self.run_steps(self.program_of(3, *flags), 5, "--resume", folder + "/step-4", "--save-ema", resumed)
        self.assertEqual(content(resumed), content(whole))
        self.run_steps(self.program_of(2, *flags), 5, *save, "--resume", "latest", "--save-ema", resumed)
        status, output, errors = execute(f"{BIN}/fsdp-ckpt", "export", folder + "/step-5", self.path("E"), "--ema")
        self.assertEqual((status, errors), (0, ""))
        exported, wanted = floats_of(self.path("E/model.safetensors")), floats_of(resumed)
        for name, value in wanted.items():
            numpy.testing.assert_array_equal(exported[name], value)
        # Evaluated like any weights.
        status, output, errors = execute(RUN, self.program_of(2), "--weights", self.path("E/model.safetensors"),
                                         "--eval-data", TOKENS, "--steps", "0", "--comm", "thread")
        self.assertEqual((status, errors), (0, ""))
        self.assertIn("validation: ", output)

    def test_refused(self):
        self.assertOneError(self.compile("o.fsdp", "--ema", "1"), "--ema is 1, expected a number in (0, 1)",
                            output="o.fsdp")
        self.assertOneError(self.compile("o.fsdp", "--ema", "0"), "--ema is 0", output="o.fsdp")
        plain, save = self.program_of(1), self.path("e.st")

        def refuse(*words, program=plain, flags=("--steps", "2")):
            result = execute(RUN, program, "--data", TOKENS, *flags, "--save-ema", save)
            self.assertOneError(result, *words, output="e.st")
        refuse("the program keeps no average of its parameters", "--ema 0.999")
        averaged = self.program_of(1, "--ema", "0.9")
        refuse("--save-ema is for --steps", program=averaged, flags=("--steps", "0", "--save", self.path("s")))
        refuse("--save and --save-ema both write", program=averaged, flags=("--steps", "2", "--save", save))
        folder = self.path("D")
        self.run_steps(plain, 1, "--checkpoint-dir", folder)
        self.assertOneError(execute(f"{BIN}/fsdp-ckpt", "export", folder + "/step-1", self.path("E"), "--ema"),
                            "no averages of the parameters", "--ema")
        refuse("'", "are exp_avg (f32), exp_avg_sq (f32) in it, expected exp_avg (f32), exp_avg_sq (f32), ema (f32)",
               program=averaged, flags=("--steps", "2", "--resume", folder + "/step-1"))


if __name__ == "__main__":
    unittest.main()
