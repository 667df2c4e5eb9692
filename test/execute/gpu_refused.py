#!/usr/bin/env python3
"""What is missing or has failed on GPUs is said: drivers, libraries, memory, ranks."""
import ctypes.util
import json
import os
import signal
import subprocess
import time
import unittest

from harness import RUN, STRUCK, TOKENS, content, execute
from simulated import DIMS, GPT2, SIMULATOR, Gpu


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
