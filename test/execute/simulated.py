"""Programs for the simulated GPUs of test/simcuda."""
import os

from harness import BIN

SIMULATOR = os.path.join(os.path.dirname(BIN), "test", "simcuda")
CUDA = ["--target", "cuda", "--gpu-arch", "simulated"]
BF16 = ["--param-dtype", "bfloat16", "--reduce-dtype", "float32", "--output-dtype", "float32"]
