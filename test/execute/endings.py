#!/usr/bin/env python3
"""How a run ends: what it says, its exit status, and what it leaves, whatever strikes it and when."""
import json
import os
import signal
import struct
import subprocess
import time
import unittest

from harness import RUN, TOKENS, content, execute, lines_of
from preloads import HELD_FINALIZE, HELD_OPEN, NO_FORK, TOLD_AT_START, PreloadTest


class Endings(PreloadTest):
    def setUp(self):
        super().setUp()
        self.model = self.program("p.fsdp", "--mesh", "shard=2")

    def run_with(self, *flags, steps="2", data=TOKENS, **rest):
        return execute(RUN, self.model, "--data", data, "--steps", steps, *flags, **rest)

    def test_no_more_processes(self):
        """Nothing trains, and no process but ours is struck."""
        save = self.path("s.st")
        status, output, errors = self.run_with("--save", save, "--timeout", "1", env=self.preload(NO_FORK))
        self.assertEqual(status, 1, errors)
        self.assertRegex(errors, "^fsdp-run: error: cannot start mpirun: .*; allow more processes .*\n$")
        self.assertFalse(os.path.exists(save))

    def test_told_to_end_after_the_save(self):
        for comm in "thread", "mpi":
            save, held, told = self.path(comm + ".st"), self.path(comm + ".fifo"), self.path(comm + ".told")
            os.mkfifo(held)
            child = subprocess.Popen([RUN, self.model, "--data", TOKENS, "--steps", "2", "--comm", comm, "--save", save,
                                      "--trace", held], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                     env=self.preload(HELD_OPEN, HELD=held, TOLD=told))
            deadline = time.monotonic() + 60
            while not os.path.exists(told):
                self.assertLess(time.monotonic(), deadline, "did not come to its trace")
                time.sleep(0.05)
            child.send_signal(signal.SIGTERM)
            _, errors = child.communicate(timeout=60)
            with self.subTest(comm=comm):
                self.assertEqual(child.returncode, 128 + signal.SIGTERM)
                self.assertRegex(errors, r"^fsdp-run: error: stopped by a signal \(Terminated\).*"
                                         rf"; the parameters are saved in '{save}'\n$")
                self.assertNotIn("nothing was saved", errors)
                self.assertTrue(os.path.getsize(save))

    def test_a_rank_that_hangs_when_all_is_done(self):
        save = self.path("s.st")
        status, output, errors = self.run_with("--timeout", "6", "--save", save, env=self.preload(HELD_FINALIZE))
        self.assertEqual((status, errors), (0, ""))
        self.assertIn("saved " + save, output)

    def test_told_to_end_before_ranks_are_started(self):
        status, _, errors = self.run_with(env=self.preload(TOLD_AT_START, TOLD=self.path("record")))
        self.assertEqual(status, 128 + signal.SIGTERM)
        self.assertRegex(errors, r"^fsdp-run: error: stopped by a signal \(Terminated\); nothing was saved\n$")
        record = content(self.path("record")).decode()
        self.assertRegex(record, "^/fsdprt-")
        self.assertFalse(os.path.exists("/dev/shm" + record))

    def test_ranks_that_end_without_having_trained(self):
        os.chmod(self.write("mpirun", b"#!/bin/sh\nexit 0\n"), 0o755)
        result = self.run_with(env={**os.environ, "PATH": self.folder + ":" + os.environ["PATH"]})
        self.assertOneError(result, "exit status 0, before they had finished")
        self.assertEqual(result[0], 1)

    def test_closed_standard_files(self):
        metrics = self.path("m.jsonl")
        for comm in "thread", "mpi":
            done = subprocess.run(f"'{RUN}' '{self.model}' --data '{TOKENS}' --steps 2 --comm {comm} --metrics '{metrics}'"
                                  " >&- 2>&- <&-", shell=True)
            self.assertEqual(done.returncode, 0)
            self.assertEqual([line["step"] for line in lines_of(metrics)], [1, 2])

    def test_full_standard_output(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([RUN, self.model, "--data", TOKENS, "--steps", "2", "--comm", "thread"], stdout=full,
                                  stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr, "^fsdp-run: warning: not all could be written to standard output\n$")


class Reports(PreloadTest):
    """Reports replace nothing that is somebody's."""

    def setUp(self):
        super().setUp()
        self.model = self.program("p.fsdp", "--mesh", "shard=2")

    def refused(self, words, *flags, **rest):
        for comm in "thread", "mpi":
            with self.subTest(comm=comm, flags=flags):
                result = execute(RUN, self.model, "--steps", "1", "--comm", comm, *flags, **rest)
                self.assertOneError(result, *words)
                self.assertNotIn("step 1", result[1])

    def test_records_of_the_other_ranks(self):
        text = self.write("d.1", b"some text " * 1000)
        data = ["--data", text, "--tokenizer", "bytes"]
        self.refused(["--records of rank 1 would replace", "d.1'", "--data"], *data, "--records", self.path("d"))
        self.assertEqual(content(text), b"some text " * 1000)
        data = ["--data", TOKENS]
        self.refused(["--records of rank 1 and --save both write", "out.1'"], *data, "--records", self.path("out"),
                     "--save", self.path("out.1"))
        os.mkdir(self.path("r.1"))
        self.refused(["--records of rank 1: cannot write", "r.1'", "folder"], *data, "--records", self.path("r"))
        self.refused(["--records: cannot write '/dev/null'", "2 ranks"], *data, "--records", "/dev/null")
        self.assertFalse(os.path.lexists("/dev/null.1"))
        self.train(self.model, "--steps", "1", "--records", self.path("ok"))
        for name in "ok", "ok.1":
            self.assertTrue(json.loads(content(self.path(name)))["phases"])

    def test_weights_in_several_files(self):
        os.mkdir(self.path("w"))
        shard = self.path("w/model.safetensors")
        self.train(self.model, "--steps", "1", "--save", shard)
        before = content(shard)
        index = {"weight_map": {"any": "model.safetensors"}}
        for folder in False, True:
            if folder:
                self.write("w/model.safetensors.index.json", json.dumps(index).encode())
            for flag in "--metrics", "--records", "--trace":
                self.refused([flag + " would replace", "model.safetensors'", "--weights"], "--data", TOKENS,
                             "--weights", self.path("w"), flag, shard)
        self.refused(["--metrics would replace", "index.json'", "--weights"], "--data", TOKENS, "--weights",
                     self.path("w"), "--metrics", self.path("w/model.safetensors.index.json"))
        self.assertEqual(content(shard), before)

    def test_weights_with_more_than_parameters(self):
        """What is left of them is said, as load_state_dict would."""
        saved = self.path("w.safetensors")
        self.assertNotIn("--weights", self.train(self.model, "--steps", "1", "--save", saved))
        self.assertNotIn("--weights", self.train(self.model, "--steps", "1", "--weights", saved))
        data = content(saved)
        length, = struct.unpack("<Q", data[:8])
        header = json.loads(data[8:8 + length])
        end = len(data) - 8 - length
        for name, word in (("typo.bias", "a tensor is"), ("typo.weight", "2 tensors are")):
            header[name] = {"dtype": "F32", "shape": [1], "data_offsets": [end, end + 4]}
            data, end = data + bytes(4), end + 4
            text = json.dumps(header).encode()
            more = self.write("more.safetensors", struct.pack("<Q", len(text)) + text + data[8 + length:])
            self.assertIn(f"--weights: {word} of '{more}' no parameter of the program: 'typo.bias'",
                          self.train(self.model, "--steps", "1", "--weights", more))

    def test_metrics_of_an_earlier_run_are_kept_until_there_are_new_ones(self):
        earlier = b'{"step":1,"rows":4}\n'
        metrics = self.write("m.jsonl", earlier)
        program = self.program("bad.fsdp", "--mesh", "shard=2")
        # Found when the program is loaded: it has no such function.
        manifest = json.loads(content(program + "/manifest.json"))
        manifest["phases"][0]["symbol"] = "nowhere"
        self.write("bad.fsdp/manifest.json", json.dumps(manifest).encode())
        result = execute(RUN, program, "--data", TOKENS, "--steps", "1", "--comm", "thread", "--metrics", metrics)
        self.assertOneError(result, "nowhere")
        self.assertEqual(content(metrics), earlier)

    def test_a_trace_into_a_pipe(self):
        done = subprocess.run(f"'{RUN}' '{self.model}' --data '{TOKENS}' --steps 2 --comm thread --trace /dev/stderr",
                              shell=True, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0)
        self.assertTrue(json.loads(done.stderr)["traceEvents"])

    def test_one_failed_report_costs_no_other(self):
        """The trace cannot be written; the records are, and the summary."""
        records = self.path("r")
        status, output, errors = execute(RUN, self.model, "--data", TOKENS, "--steps", "2", "--trace", "/dev/full",
                                         "--records", records, "--check-plan")
        self.assertOneError((status, output, errors), "cannot write the trace to '/dev/full'", "No space left")
        self.assertIn("records match the memory plan", output)
        self.assertIn("peak", output)
        self.assertTrue(json.loads(content(records))["phases"])


if __name__ == "__main__":
    unittest.main()
