"""Programs for the simulated GPUs of test/simcuda, and running them."""
import itertools
import os

from harness import BIN, FIXTURES, RUN, TOKENS, ToolTest, content, execute, lines_of

SIMULATOR = os.path.join(os.path.dirname(BIN), "test", "simcuda")
CUDA = ["--target", "cuda", "--gpu-arch", "simulated"]
BF16 = ["--param-dtype", "bfloat16", "--reduce-dtype", "float32", "--output-dtype", "float32"]
GPT2 = os.path.join(FIXTURES, "gpt2", "dynamo18-dyn-raw.onnx")
DIMS = ["--dim", "batch=2", "--dim", "seq=8"]


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
