#!/usr/bin/env python3
"""What hangs or fails on a GPU is named: operation and unit, phase and step, where operations are launched one by one
and where a step is one graph."""
import re
import unittest

from simulated import Gpu

GRAPHS = ("1", "off"), ("2", "on")  # the first step is never a graph


class Names(Gpu):
    def setUp(self):
        super().setUp()
        self.model = self.gpu_program("g.fsdp", "--mesh", "shard=2")

    def error(self, *flags, steps=3, **settings):
        return self.assertOneError(self.run_gpu(self.model, *flags, steps=steps, **settings))

    def number_of(self, step):
        """Of a collective of the step's second unit, as each communicator counts."""
        return str(2 + 5 * (int(step) - 1))

    def test_a_collective_that_fails(self):
        for step, graph in GRAPHS:
            with self.subTest(step=step):
                error = self.error("--graph", graph, SIMCUDA_FAIL_COLLECTIVE=self.number_of(step), SIMCUDA_FAULT_RANK="1")
                self.assertRegex(error, rf"rank 1: operation \d+ \('all_gather' of unit 'transformer.h.0'\) of phase "
                                        rf"'step', step {step}: a collective failed: remote")

    def test_a_collective_that_hangs(self):
        """For the time-out, from the last operation that ended."""
        for step, graph in GRAPHS:
            with self.subTest(step=step):
                error = self.error("--graph", graph, "--timeout", "3", SIMCUDA_LOSE_COLLECTIVE=self.number_of(step),
                                   SIMCUDA_FAULT_RANK="1")
                self.assertRegex(error, rf"no progress for 3 s: rank \d makes no progress in operation 'all_gather' of unit "
                                        rf"'transformer.h.0' \(phase 'step', step {step}\), as 1 other that is as far; see")

    def test_a_kernel_that_faults(self):
        """In a graph as one of those between two that others wait for."""
        for step, graph in GRAPHS:
            for seed in "0", "1", "2":
                with self.subTest(step=step, seed=seed):
                    number = str(20 + 80 * (int(step) - 1))
                    result = self.run_gpu(self.model, "--graph", graph, SIMCUDA_FAIL_KERNEL=number, SIMCUDA_SEED=seed)
                    error = self.assertOneError(result, "CUDA_ERROR_ILLEGAL_ADDRESS", f" of phase 'step', step {step}: ")
                    faulted = re.search(r"simcuda: '(.*)' of unit '(.*)' on stream 0.* faults", result[2])
                    first, last = re.search(r"operation (\d+) \('.*?'\)(?: up to operation (\d+) )?", error).groups()
                    if graph == "off":
                        self.assertIn(f"('{faulted[1]}' of unit '{faulted[2]}')", error)
                        self.assertNotIn(" up to ", error)
                    else:
                        self.assertLess(int(last or first) - int(first), 32)  # of all streams
        error = self.error("--checked", SIMCUDA_FAIL_KERNEL="20", SIMCUDA_FAULT_RANK="1")
        self.assertEqual(error.count("operation "), 1 + error.count("an operation on the GPU"))

    def test_a_slow_step_is_no_hang(self):
        """Longer than the time-out as a whole, but something ends all the time."""
        program = self.gpu_program("one.fsdp")
        for graph in "off", "on":
            result = self.run_gpu(program, "--graph", graph, "--timeout", "1.5", steps=2, SIMCUDA_DELAY="25")
            self.assertEqual((result[0], result[2]), (0, ""))

    def test_without_writes_of_a_stream(self):
        """Nothing is known within a phase then; the training is the same."""
        _, bits = self.outcome(self.model)
        for writes in "off", "uncaptured":
            self.assertEqual(self.outcome(self.model, SIMCUDA_STREAM_WRITES=writes)[1], bits)
        error = self.error("--timeout", "3", SIMCUDA_LOSE_COLLECTIVE="2", SIMCUDA_STREAM_WRITES="off")
        self.assertIn("makes no progress (phase 'step', step 1)", error)


if __name__ == "__main__":
    unittest.main()
