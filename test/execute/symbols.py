#!/usr/bin/env python3
"""The runtime holds no model arithmetic, the program needs nothing but the runtime."""
import os
import re
import shutil
import unittest

from harness import BIN, FIXTURES, ROOT, ToolTest, execute

NM = shutil.which("nm") or shutil.which("llvm-nm-19")
LIBRARY = os.environ.get("FSDP_LIB", os.path.join(os.path.dirname(BIN), "lib", "libfsdprt.so"))
MEMORY = {"memcpy", "memmove", "memset", "memcmp"}


def symbols(path, which):
    status, output, errors = execute(NM, "-D", which, path)
    assert status == 0, errors
    return {line.split()[-1].split("@")[0] for line in output.splitlines()}


def declared(file, macro):
    with open(os.path.join(ROOT, "runtime", "abi", file)) as text:
        return set(re.findall(rf"^{macro}\((\w+)", text.read(), re.MULTILINE))


def abi():
    """What phases call, and what kernels may: one matrix product, in f32 and bf16."""
    kernel = declared("kernel_functions.def", "FSDPRT_KERNEL_FUNCTION")
    assert kernel == {"fsdprt_tile_gemm", "fsdprt_tile_gemm_bf16"}, kernel
    return declared("functions.def", "FSDPRT_FUNCTION") | kernel


class Symbols(ToolTest):
    def test_the_runtime_shows_the_abi_and_its_entry(self):
        self.assertGreater(len(abi()), 5)
        self.assertEqual(symbols(LIBRARY, "--defined-only"), abi() | {"fsdprt_main"})

    def test_programs_import_the_abi_only(self):
        for file in "nanogpt/dynamo18-dyn-raw", "llama/dynamo18-dyn-raw", "gpt-neox/dynamo18-dyn-raw":
            for optimizer in "adamw", "sgd":
                program = self.program("p.fsdp", "--mesh", "shard=2", "--clip-grad-norm", "1",
                                       "--optimizer", optimizer,
                                       model=os.path.join(FIXTURES, file + ".onnx"))
                imported = symbols(os.path.join(program, "program.so"), "--undefined-only")
                self.assertLessEqual(imported, abi() | MEMORY)
                # It does gather, reduce and compute.
                self.assertLessEqual({"fsdprt_all_gather", "fsdprt_reduce_scatter", "fsdprt_gemm",
                                      "fsdprt_launch"}, imported)


if __name__ == "__main__":
    unittest.main()
