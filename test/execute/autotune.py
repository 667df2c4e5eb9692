#!/usr/bin/env python3
"""--autotune: the fastest algorithm of every product, kept in a file that later runs go by. On simulated GPUs, whose
algorithms say how long they took and add in different orders, so that the bits tell which one it was."""
import json
import os
import struct
import unittest

from simulated import Gpu
from harness import content

SPLIT, VARIES, FASTEST = (1, 2, 2, 4), (0, 4, 1, 4), 3  # id, parts, reduction scheme, alignment; an id


class Autotune(Gpu):
    def setUp(self):
        super().setUp()
        self.model = self.gpu_program("g.fsdp", "--mesh", "shard=2")
        self.file = self.path("tuned.json")

    def tuned_bits(self, **settings):
        return self.outcome(self.model, "--autotune", self.file, **settings)[1]

    def measure(self):
        return self.tuned_bits(SIMCUDA_PRODUCT_TIME="300")

    def read(self):
        return json.loads(content(self.file))

    def edit(self, **changes):
        self.write("tuned.json", json.dumps({**self.read(), **changes}).encode())

    @staticmethod
    def encoded(algorithm, like):
        return struct.pack("<8Q", struct.unpack("<8Q", bytes.fromhex(like))[0], *algorithm, 0, 0, 0).hex()

    def test_the_fastest_is_taken_and_kept(self):
        guessed = self.outcome(self.model)[1]
        bits = self.measure()
        self.assertNotEqual(bits, guessed)
        algorithms = self.read()["algorithms"]
        self.assertGreater(len(algorithms), 4)
        for name, algorithm in algorithms.items():
            self.assertEqual(struct.unpack("<8Q", bytes.fromhex(algorithm))[1], FASTEST, name)
        kept = content(self.file)
        self.assertEqual(self.tuned_bits(), bits)  # where what is measured would differ
        self.assertEqual(content(self.file), kept)
        self.assertEqual(self.outcome(self.model, "--autotune", self.file, "--comm", "mpi")[1], bits)
        # What the file says is what is computed by: here what the library guesses.
        split = {name: self.encoded(SPLIT, algorithm) if int(name.split(", ")[1].split(" x ")[2]) >= 8 else algorithm
                 for name, algorithm in algorithms.items()}
        self.edit(algorithms=split)
        self.assertEqual(self.tuned_bits(), guessed)
        # Only what is missing is measured.
        first = next(name for name, algorithm in split.items() if algorithm != algorithms[name])
        self.edit(algorithms={name: algorithm for name, algorithm in split.items() if name != first})
        self.tuned_bits(SIMCUDA_PRODUCT_TIME="300")
        self.assertEqual(self.read()["algorithms"], {**split, first: algorithms[first]})

    def test_a_file_of_another_machine(self):
        bits = self.measure()
        whole = self.read()
        for change in {"driver": 12040}, {"device": "NVIDIA H100"}, {"cublaslt": 120400}:
            with self.subTest(change=change):
                self.edit(algorithms={}, **change)
                save = self.path("s.st")
                status, _, errors = self.run_gpu(self.model, "--autotune", self.file, "--save", save,
                                                 SIMCUDA_PRODUCT_TIME="300")
                self.assertEqual(status, 0, errors)
                self.assertRegex(errors, rf"^fsdp-run: warning: '.*tuned.json' was measured on .*{list(change.values())[0]}.*"
                                         rf", and this is simulated GPU with CUDA driver 13000 and cuBLASLt 130101: it is "
                                         rf"measured again\n$")
                self.assertEqual(content(save), bits)
                self.assertEqual(self.read(), whole)

    def refused(self, *words, flags=None, program=None):
        before = content(self.file) if os.path.exists(self.file) else None
        self.assertOneError(self.run_gpu(program or self.model, *(flags or ["--autotune", self.file])), *words)
        self.assertEqual(content(self.file) if os.path.exists(self.file) else None, before)

    def test_what_is_no_such_file(self):
        """Is left as it is: it may be another one by mistake."""
        self.measure()
        whole, text = self.read(), content(self.file)
        name = next(iter(whole["algorithms"]))
        for data, word in ((text[:100], "it is no JSON"), (b"", "it is no JSON"), (b"[]", "not an object"), (b"{}", "device"),
                           (b'{"device": 1, "driver": 1, "cublaslt": 1, "algorithms": {}}', "device"),
                           (b'{"device": "", "driver": 1, "cublaslt": 1, "algorithms": []}', "no object"),
                           (json.dumps({**whole, "algorithms": {name: "00"}}).encode(), "expected 128 digits"),
                           (json.dumps({**whole, "algorithms": {name: "x" * 128}}).encode(), "expected 128 digits")):
            with self.subTest(data=data[:60]):
                self.write("tuned.json", data)
                self.refused("is not what --autotune writes", word)
        for algorithm, word in (self.encoded(VARIES, whole["algorithms"][name]), "in an order that varies"), (
                "00" * 64, "cublasLtMatmulAlgoCheck failed"):
            self.write("tuned.json", json.dumps({**whole, "algorithms": {name: algorithm}}).encode())
            self.refused(name, word, "remove the file")

    def test_where_it_is_not_for(self):
        cpu = self.cpu_program("c.fsdp", "--mesh", "shard=2")
        self.refused("--autotune", "for the CPU", program=cpu)
        self.refused("--autotune", "both write", flags=["--autotune", self.file, "--metrics", self.file])
        self.refused("names no file", flags=["--autotune", ""])
        self.refused("--autotune", "cannot write", flags=["--autotune", self.path("no/such/folder")])


if __name__ == "__main__":
    unittest.main()
