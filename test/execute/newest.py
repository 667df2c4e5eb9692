#!/usr/bin/env python3
"""The newest checkpoint: named when a run ends otherwise than well, and what to do where it is damaged or in the way."""
import os
import shutil
import signal
import struct
import subprocess
import time
import unittest

from harness import RUN, TOKENS, ToolTest, content, execute


class Newest(ToolTest):
    def setUp(self):
        super().setUp()
        self.checkpoints = self.path("D")
        self.model = self.program("p.fsdp")

    def go(self, *flags):
        return execute(RUN, self.model, "--data", TOKENS, "--comm", "thread", "--checkpoint-dir", self.checkpoints, *flags)

    def goes(self, *flags):
        status, output, errors = self.go(*flags)
        self.assertEqual((status, errors), (0, ""))
        return output

    def flip(self, path):
        with open(path, "r+b") as file:
            file.seek(-5, os.SEEK_END)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))

    def test_damaged(self):
        """It is said which one to go on from, and how."""
        for name in "rank-0.safetensors", "checkpoint.json":
            with self.subTest(name=name):
                shutil.rmtree(self.checkpoints, ignore_errors=True)
                self.goes("--steps", "4", "--checkpoint-every", "2")
                last = self.checkpoints + "/step-4"
                self.flip(f"{last}/{name}")
                self.assertOneError(self.go("--steps", "6", "--resume", "latest"), last,
                                    f"; move '{last}' away to go on from '{self.checkpoints}/step-2'")
                shutil.move(last, self.path("away." + name))
                self.assertIn("step 2, row", self.goes("--steps", "6", "--resume", "latest"))
                shutil.rmtree(self.checkpoints + "/step-2")
                self.flip(f"{self.checkpoints}/step-6/{name}")
                self.assertOneError(self.go("--steps", "8", "--resume", "latest"),
                                    f"; there is no other one in '{self.checkpoints}'")

    def test_a_folder_that_is_in_the_way(self):
        """Before anything is trained, not when its step has come."""
        os.makedirs(self.checkpoints + "/step-3")
        result = self.go("--steps", "4")
        self.assertOneError(result, f"'{self.checkpoints}/step-3' is no checkpoint, having no checkpoint.json", "move it away")
        self.assertNotIn("step 1", result[1])
        self.assertEqual(sorted(os.listdir(self.checkpoints)), ["lock", "step-3"])

    def interrupt(self, number, *flags):
        """(status, output, errors) of a run that is told to end after its fourth step, and the newest checkpoint's step."""
        metrics = self.path("m.jsonl")
        child = subprocess.Popen([RUN, self.model, "--data", TOKENS, "--comm", "thread", "--checkpoint-dir", self.checkpoints,
                                  "--steps", "1000000", "--metrics", metrics, *flags],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(child.kill)
        while not (os.path.exists(metrics) and content(metrics).count(b"\n") > 4):
            self.assertIsNone(child.poll(), "ended by itself")
            time.sleep(0.02)
        child.send_signal(number)
        output, errors = child.communicate(timeout=60)
        steps = [int(name[5:]) for name in os.listdir(self.checkpoints) if name[5:].isdigit()]
        return (child.returncode, output, errors), max(steps)

    def test_named_where_a_run_is_stopped(self):
        """The one that is there: the next one may be without its name yet."""
        result, newest = self.interrupt(signal.SIGINT, "--checkpoint-every", "2", "--checkpoint-wait")
        status, _, error = result
        self.assertEqual(status, 128 + signal.SIGINT)
        self.assertRegex(error, r"^fsdp-run: error: stopped by a signal \(Interrupt\), rank 0 .*; the newest checkpoint is "
                                rf"'{self.checkpoints}/step-\d+'\n$")
        self.assertNotIn("nothing was saved", error)
        self.assertIn(int(error.rstrip("'\n").rsplit("-", 1)[1]), (newest, newest - 2))

    def test_told_to_end_nothing_is_exported(self):
        save = self.path("s.safetensors")
        (status, output, errors), _ = self.interrupt(signal.SIGTERM, "--save", save)
        self.assertEqual((status, errors), (75, ""))
        self.assertIn("--resume latest goes on, and saves at the end of the run\n", output)
        self.assertFalse(os.path.exists(save))

    def test_a_validation_without_a_label(self):
        """It is an error, and costs no checkpoint."""
        labels = self.write("l.i32", struct.pack("<i", -100) * (os.path.getsize(TOKENS) // 2))
        self.assertOneError(self.go("--steps", "4", "--checkpoint-every", "2", "--eval-data", TOKENS, "--eval-labels", labels,
                                    "--eval-every", "2"), "--eval-data has no label that is not ignored")
        self.assertEqual(sorted(os.listdir(self.checkpoints)), ["lock", "step-2"])
        self.assertOneError(execute(RUN, self.model, "--steps", "0", "--eval-data", TOKENS, "--eval-labels", labels),
                            "--eval-data has no label that is not ignored")


if __name__ == "__main__":
    unittest.main()
