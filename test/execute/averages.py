#!/usr/bin/env python3
"""The average of the parameters: its values, in saved files, in checkpoints and on other meshes."""
import json
import os
import signal
import subprocess
import time
import unittest

import numpy

from harness import BIN, NANOGPT, RUN, TOKENS, content, execute, lines_of, tensors_of
from preloads import PreloadTest

KEEP = 0.75
OPTIMIZERS = ["--optimizer", "adamw", "--weight-decay", "0.1"], ["--optimizer", "sgd"]
EVALUATED = "--eval-data", TOKENS
# A disk that takes its time for each tensor of a checkpoint.
SLOW_TENSORS = r"""
ssize_t write(int fd, const void *data, size_t count) {
  char link[64], path[4096] = "";
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  readlink(link, path, sizeof path - 1);
  if (strstr(path, ".partial/rank-"))
    usleep(20000);
  return ((ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write"))(fd, data, count);
}
"""

def floats_of(path):
    """{name: array} of a safetensors file's tensors, which are f32."""
    return {name: numpy.frombuffer(data, "<f4") for name, (_, _, data) in tensors_of(path).items()}


def column(path, name):
    return [line[name] for line in lines_of(path)]


class Averages(PreloadTest):
    def program_of(self, world, *flags):
        return self.program(f"p{world}{len(flags)}.fsdp", "--mesh", f"shard={world}", *flags,
                            dims=["--dim", f"batch={6 // world}", "--dim", "seq=32"])

    def run_steps(self, program, steps, *flags, rate="1e-2"):
        return self.train(program, "--steps", str(steps), "--lr", rate, "--comm", "thread", *flags)

    def losses_of(self, program, weights):
        """What is evaluated of a file's parameters: a step at a rate of 0 leaves them as they are."""
        self.run_steps(program, 1, "--weights", weights, *EVALUATED, "--metrics", self.path("w.jsonl"), rate="0")
        return column(self.path("w.jsonl"), "eval_loss")

    def ckpt(self, *args):
        status, output, errors = execute(f"{BIN}/fsdp-ckpt", *args)
        self.assertEqual((status, errors), (0, ""), output)
        return output

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

    def test_evaluated(self):
        """As the file of them, where they are gathered as they are and where as a copy; training keeps every bit."""
        for world, flags in (1, []), (3, ["--freeze", "**.wpe.weight"]), (2, ["--param-dtype", "bfloat16"]), (
                2, ["--param-dtype", "bfloat16", "--placement", "dim0"]):
            with self.subTest(world=world, flags=flags):
                program = self.program_of(world, "--ema", "0.9", *flags)
                plain, evaluated = self.path("plain.jsonl"), self.path("evaluated.jsonl")
                saved = [self.path(name + ".st") for name in ("plain", "evaluated")]
                self.run_steps(program, 3, "--metrics", plain, "--save", saved[0])
                output = self.run_steps(program, 3, "--metrics", evaluated, "--save", saved[1], *EVALUATED,
                                        "--eval-every", "1", "--eval-ema", "--check-plan")
                self.assertIn("validation: average of the parameters, loss ", output)
                self.assertEqual(content(saved[1]), content(saved[0]))
                for name in "loss", "grad_norm":
                    self.assertEqual(column(evaluated, name), column(plain, name))
                self.assertEqual(column(evaluated, "eval_of"), ["ema"] * 3)
                for step in 1, 2, 3:
                    self.run_steps(program, step, "--save-ema", self.path("e.st"))
                    self.assertEqual(self.losses_of(program, self.path("e.st")), column(evaluated, "eval_loss")[step - 1:step])
                self.assertNotEqual(self.losses_of(program, saved[0]), column(evaluated, "eval_loss")[2:])
                self.assertEqual(column(self.path("w.jsonl"), "eval_of"), ["parameters"])

    def test_evaluated_of_a_checkpoint(self):
        """As what is exported of it, on its ranks and on others; of other data than it was trained on."""
        folder, exported = self.path("D"), self.path("E")
        self.run_steps(self.program_of(3, "--ema", "0.9"), 4, "--checkpoint-dir", folder)
        self.ckpt("export", folder + "/step-4", exported, "--ema")

        def validation(program, *flags):
            status, output, errors = execute(RUN, program, *EVALUATED, "--steps", "0", "--comm", "thread", *flags)
            self.assertEqual((status, errors), (0, ""))
            line, = (line for line in output.splitlines() if "validation: " in line)
            return line.split(" in ")[0].replace("average of the parameters, ", ""), output
        for world in 3, 2:
            program = self.program_of(world, "--ema", "0.9")
            resumed = program, "--resume", folder + "/step-4"
            averages, output = validation(*resumed, "--eval-ema")
            self.assertIn("has what is in '" + folder + "/step-4', step 4\n", output)
            self.assertIn("validation: average of the parameters, loss ", output)
            self.assertEqual(averages, validation(program, "--weights", exported)[0])
            parameters = validation(*resumed)[0]
            self.assertEqual(parameters, validation(program, "--weights", folder + "/step-4")[0])
            self.assertNotEqual(parameters, averages)

    def test_evaluated_while_a_checkpoint_is_written(self):
        """What of it has not been read yet is waited for."""
        program = self.program_of(2, "--ema", "0.9")
        plain, evaluated = self.path("plain"), self.path("evaluated")
        save = ["--checkpoint-every", "1", "--steps", "3", "--lr", "1e-2", "--comm", "thread", "--data", TOKENS]
        self.run_steps(program, 3, "--checkpoint-dir", plain, "--checkpoint-every", "1")
        metrics = self.path("m.jsonl")
        status, _, errors = execute(RUN, program, *save, "--checkpoint-dir", evaluated, *EVALUATED, "--eval-every", "1",
                                    "--eval-ema", "--metrics", metrics, env=self.preload(SLOW_TENSORS))
        self.assertEqual((status, errors), (0, ""))
        self.assertGreater(max(column(metrics, "checkpoint_wait_ms")), 100, "the disk was not slow")
        for step in 1, 2, 3:
            self.assertRegex(self.ckpt("diff", f"{plain}/step-{step}", f"{evaluated}/step-{step}"),
                             r"^0 of \d+ tensors differ\n$")

    def test_told_to_end_while_evaluated(self):
        """The checkpoint that is taken then has parameters and averages where they belong."""
        program, long = self.program_of(2, "--ema", "0.9"), self.write("long.u16", content(TOKENS) * 2000)
        plain = self.path("plain")
        self.run_steps(program, 2, "--checkpoint-dir", plain)
        for comm in "thread", "mpi":
            folder, metrics = self.path(comm), self.path(comm + ".jsonl")
            child = subprocess.Popen([RUN, program, "--data", TOKENS, "--comm", comm, "--steps", "9", "--lr", "1e-2",
                                      "--metrics", metrics, "--checkpoint-dir", folder, "--eval-data", long, "--eval-every",
                                      "2", "--eval-ema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.addCleanup(child.kill)
            while not (os.path.exists(metrics) and content(metrics).count(b"\n") == 1):
                self.assertIsNone(child.poll(), "ended by itself")
                time.sleep(0.02)
            time.sleep(1)
            child.send_signal(signal.SIGTERM)
            output, errors = child.communicate(timeout=60)
            self.assertIn("told to end: no validation after step 2\n", output, errors)
            self.assertRegex(self.ckpt("diff", plain + "/step-2", folder + "/step-2"), r"^0 of \d+ tensors differ\n$")

    def test_exported_to_onnx(self):
        """The copy's parameters are the averages; what is not trained is as it was."""
        flags = "--ema", "0.9", "--freeze", "**.wpe.weight"
        program, folder, out = self.program_of(2, *flags), self.path("D"), self.path("out")
        self.run_steps(program, 3, "--checkpoint-dir", folder, "--save-ema", self.path("e.st"))
        self.ckpt("export", folder + "/step-3", out, "--ema", "--onnx", NANOGPT, "--program", program)
        again = self.program("again.fsdp", model=os.path.join(out, os.path.basename(NANOGPT)))
        status, _, errors = execute(RUN, again, "--steps", "0", "--save", self.path("a.st"))
        self.assertEqual((status, errors), (0, ""))
        self.assertEqual(tensors_of(self.path("a.st")), tensors_of(self.path("e.st")))

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
        for flags in [], ["--onnx", NANOGPT, "--program", plain]:
            self.assertOneError(execute(f"{BIN}/fsdp-ckpt", "export", folder + "/step-1", self.path("E"), "--ema", *flags),
                                "no averages of the parameters", "--ema", output="E")
        refuse("'", "are exp_avg (f32), exp_avg_sq (f32) in it, expected exp_avg (f32), exp_avg_sq (f32), ema (f32)",
               program=averaged, flags=("--steps", "2", "--resume", folder + "/step-1"))

    def test_evaluations_refused(self):
        plain, averaged, folder = self.program_of(1), self.program_of(1, "--ema", "0.9"), self.path("D")

        def refuse(*words, program=averaged, flags=(*EVALUATED, "--steps", "0")):
            self.assertOneError(execute(RUN, program, *flags, "--eval-ema"), *words)
        refuse("--eval-ema: the program keeps no average of its parameters", "--ema 0.999", program=plain,
               flags=(*EVALUATED, "--data", TOKENS, "--steps", "2"))
        refuse("--eval-ema where no step is made is for --resume", "there is no average")
        refuse("--eval-ema is for --eval-data", flags=("--data", TOKENS, "--steps", "2"))
        self.run_steps(plain, 1, "--checkpoint-dir", folder)
        resume = "--resume", folder + "/step-1"
        refuse("are exp_avg (f32), exp_avg_sq (f32) in it, expected exp_avg (f32), exp_avg_sq (f32), ema (f32)",
               flags=(*EVALUATED, *resume))
        ours = self.path("ours")
        self.run_steps(averaged, 1, "--checkpoint-dir", ours)
        path = ours + "/step-1/rank-0.safetensors"
        data = bytearray(content(path))
        data[-5] ^= 4
        self.write("ours/step-1/rank-0.safetensors", bytes(data))
        refuse("rank-0.safetensors", "damaged", flags=(*EVALUATED, "--resume", ours + "/step-1"))
        refuse("--resume: ", "none", flags=(*EVALUATED, "--resume", self.path("none")))
        refuse("--resume is for --steps or --eval-data", flags=("--save", self.path("s.st"), *resume))
        refuse("--metrics is for --steps", flags=(*EVALUATED, *resume, "--metrics", self.path("m.jsonl")))
        # Of a program that does not say what it gathers.
        with open(averaged + "/manifest.json") as file:
            manifest = json.load(file)
        for unit in manifest["units"]:
            for line in unit["lines"]:
                del line["gathered"]
        with open(averaged + "/manifest.json", "w") as file:
            json.dump(manifest, file)
        refuse("does not say what its phases gather; compile it again", flags=(*EVALUATED, "--data", TOKENS, "--steps", "2"))


if __name__ == "__main__":
    unittest.main()
