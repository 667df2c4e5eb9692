"""Tests what kernels.so of a program for the simulator exports, and that it needs nothing.

    simulated_kernels.py PROGRAM

Reads the table of runtime/abi/simulated.h and compares it with the manifest's and the
program's own idea of the kernels.
"""
import ctypes
import json
import os
import re
import sys


class Kernel(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("call", ctypes.c_void_p), ("num_args", ctypes.c_uint32),
                ("threads", ctypes.c_uint32)]


def main(program):
    with open(os.path.join(program, "manifest.json")) as file:
        target = json.load(file)["target"]
    assert target["kind"] == "cuda" and target["arch"] == "simulated", target
    assert target["kernels"] == [{"file": "kernels.so", "form": "simulated"}], target
    # Every symbol must be found now, by nothing but the file itself.
    library = ctypes.CDLL(os.path.join(program, "kernels.so"), mode=os.RTLD_NOW | os.RTLD_LOCAL)
    hooks = (ctypes.c_void_p * 7).in_dll(library, "fsdp_simulated_hooks")
    assert not any(hooks), "the hooks are the runner's to fill in"
    kernels = []
    table = ctypes.addressof(Kernel.in_dll(library, "fsdp_simulated_kernels"))
    while (kernel := Kernel.from_address(table + len(kernels) * ctypes.sizeof(Kernel))).name:
        assert kernel.call and kernel.num_args >= 2, kernel.name
        assert kernel.threads in (32, 64, 128, 256), (kernel.name, kernel.threads)
        kernels.append(kernel.name.decode())
    assert kernels == [f"k{i}" for i in range(len(kernels))] and kernels, kernels
    # The program names the kernels that it launches.
    with open(os.path.join(program, "program.so"), "rb") as file:
        named = set(re.findall(rb"\0(k\d+)(?=\0)", file.read()))
    assert named == {name.encode() for name in kernels}, (named, kernels)


if __name__ == "__main__":
    main(sys.argv[1])
