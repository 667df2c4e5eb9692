#!/usr/bin/env python3
"""What fsdp-compile writes: where it lands, what it replaces, and what it never touches."""
import os
import resource
import signal
import subprocess
import time
import unittest

from harness import COMPILE, DIMS, LOSS, NANOGPT, RUN, TOKENS, ToolTest, content, execute

# Each as the name of a folder, of a program, of a model and of a report.
ODD_NAMES = ["100%", "%%%%%%", "a b", 'quo"te', "it's", "$HOME", "back\\slash", "semi;colon", "@at", "-dash",
             "line\nbreak", "\u00e9t\u00e9"]


class Replaced(ToolTest):
    def names(self, folder):
        return sorted(os.listdir(self.path(folder)))

    def check_program(self, path):
        self.assertEqual(sorted(os.listdir(path)), ["manifest.json", "program.so"])

    def test_through_a_symlink(self):
        os.mkdir(self.path("store"))
        real = self.program("store/real.fsdp")
        os.symlink("store/real.fsdp", self.path("link.fsdp"))
        before = content(real + "/manifest.json")
        self.program("link.fsdp", "--optimizer", "sgd")
        self.assertTrue(os.path.islink(self.path("link.fsdp")))
        self.assertNotEqual(content(real + "/manifest.json"), before)
        self.check_program(real)
        self.assertEqual(self.names("."), ["link.fsdp", "store"])
        self.assertEqual(self.names("store"), ["real.fsdp"])

    def test_through_links_to_what_is_not_there_yet(self):
        os.mkdir(self.path("store"))
        os.symlink("second", self.path("first"))
        os.symlink(self.path("store/new.fsdp"), self.path("second"))
        self.program("first")
        self.check_program(self.path("store/new.fsdp"))
        self.assertEqual(self.names("."), ["first", "second", "store"])
        os.symlink("round", self.path("round"))
        self.assertOneError(self.compile("round"), "cannot write")

    def test_what_is_foreign_stays(self):
        program = self.program("d.fsdp")
        os.symlink("d.fsdp", self.path("link.fsdp"))
        before = content(program + "/manifest.json")
        inside = self.write("d.fsdp/out.st", b"trained for weeks")
        for name in "d.fsdp", "link.fsdp":
            result = self.compile(name)
            self.assertOneError(result, f"{name}' holds 'out.st'", "did not write", "-o")
            self.assertNotIn("[import]", result[2])
        self.assertEqual(content(inside), b"trained for weeks")
        self.assertEqual(content(program + "/manifest.json"), before)
        os.remove(inside)
        os.mkdir(inside)
        self.assertOneError(self.compile("d.fsdp"), "holds 'out.st'")
        os.rmdir(inside)
        self.program("d.fsdp")
        self.check_program(program)

    def test_what_only_looks_like_a_program_stays(self):
        os.mkdir(self.path("site"))
        for text in b'{"name": "a web page"}', b"[]", b"no json":
            page = self.write("site/manifest.json", text)
            self.assertOneError(self.compile("site"), "is not a program", "manifest.json")
            self.assertEqual(content(page), text)
        os.rename(page, self.path("site/program.so"))
        self.assertOneError(self.compile("site"), "is not a program", "program.so")
        # A link among the files may lead anywhere.
        program = self.program("p.fsdp")
        os.rename(program + "/program.so", self.path("elsewhere.so"))
        os.symlink(self.path("elsewhere.so"), program + "/program.so")
        self.assertOneError(self.compile("p.fsdp"), "holds 'program.so'")
        self.assertTrue(os.path.getsize(self.path("elsewhere.so")))

    def test_an_empty_folder_is_taken(self):
        os.mkdir(self.path("empty"))
        self.program("empty")
        self.check_program(self.path("empty"))
        os.mkdir(self.path("here"))
        done = subprocess.run([COMPILE, NANOGPT, *DIMS, *LOSS, "-o", "."], cwd=self.path("here"),
                              stderr=subprocess.PIPE, text=True)
        self.assertOneError((done.returncode, "", done.stderr), "current folder")

    def test_the_way_back_from_a_full_disk(self):
        """Files that cannot grow stand for the disk: the old program stays, whole."""
        program = self.program("p.fsdp")
        before = content(program + "/program.so"), content(program + "/manifest.json")

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as a full disk: an error, no signal
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.limit, self.limit))
        for self.limit in 100, 4000, 20000:
            with self.subTest(limit=self.limit):
                done = subprocess.run([COMPILE, NANOGPT, *DIMS, *LOSS, "--optimizer", "sgd", "-o", program],
                                      stderr=subprocess.PIPE, text=True, preexec_fn=limit)
                self.assertOneError((done.returncode, "", done.stderr), "File too large")
        self.assertEqual((content(program + "/program.so"), content(program + "/manifest.json")), before)
        self.check_program(program)

    def test_told_to_end(self):
        """At any time: nothing unfinished stays, and the old program does."""
        program = self.program("p.fsdp")
        before = content(program + "/manifest.json")
        ended = 0
        for number, name in (signal.SIGTERM, "Terminated"), (signal.SIGINT, "Interrupt"), (signal.SIGHUP, "Hangup"):
            for delay in 0.05, 0.15, 0.3, 0.5, 0.8:
                # A shell that runs the tests in the background has Ctrl-C ignored.
                child = subprocess.Popen([COMPILE, NANOGPT, *DIMS, *LOSS, "-o", program], stderr=subprocess.PIPE,
                                         text=True, preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))
                time.sleep(delay)
                child.send_signal(number)
                _, errors = child.communicate(timeout=60)
                if child.returncode in (0, -number):  # it was done, or had not begun
                    continue
                ended += 1
                self.assertEqual(child.returncode, 128 + number, errors)
                self.assertIn(f"fsdp-compile: error: stopped by a signal ({name})", errors)
                self.assertEqual(self.names("."), ["p.fsdp"])
                self.check_program(program)
        self.assertGreater(ended, 0)
        self.assertEqual(content(program + "/manifest.json"), before)

    def test_told_to_end_while_it_links(self):
        """The linker, which would write on, ends with it."""
        linker = self.write("ld.lld-19", b"#!/bin/sh\necho $$ > \"$LINKER_PID\"\nexec sleep 100\n")
        os.chmod(linker, 0o755)
        os.mkdir(self.path("out"))
        environment = {**os.environ, "PATH": self.folder + ":" + os.environ["PATH"],
                       "LINKER_PID": self.path("pid")}
        child = subprocess.Popen([COMPILE, NANOGPT, *DIMS, *LOSS, "-o", self.path("out/p.fsdp")],
                                 stderr=subprocess.PIPE, text=True, env=environment)
        deadline = time.monotonic() + 60
        while not (os.path.exists(self.path("pid")) and content(self.path("pid"))):
            self.assertLess(time.monotonic(), deadline, "did not link")
            time.sleep(0.05)
        [staged] = os.listdir(self.path("out"))
        self.assertIn(".partial", staged)
        child.send_signal(signal.SIGTERM)
        _, errors = child.communicate(timeout=10)
        self.assertEqual(child.returncode, 128 + signal.SIGTERM, errors)
        self.assertEqual(os.listdir(self.path("out")), [])
        self.assertFalse(os.path.exists(f"/proc/{int(content(self.path('pid')))}"), "the linker was left")


class Named(ToolTest):
    def test_odd_names(self):
        for name in ODD_NAMES:
            with self.subTest(name=name):
                os.mkdir(self.path(name))
                model = self.write(name + "/" + name + ".onnx", content(NANOGPT))
                program, plan = self.path(name + "/" + name), self.path(name + "/" + name + ".mlir")
                done = execute(COMPILE, model, *DIMS, *LOSS, "--mesh", "shard=2", "-o", program, "--emit-ir", plan,
                               "--report", self.path(name + "/" + name + ".html"))
                self.assertEqual(done[0], 0, done[2])
                self.assertEqual(sorted(os.listdir(program)), ["manifest.json", "program.so"])
                self.assertEqual(sorted(os.listdir(self.path(name))),
                                 sorted(name + end for end in ("", ".onnx", ".mlir", ".html")))
                self.assertEqual(execute(COMPILE, plan, "-o", program)[0], 0)
                save = self.path(name + "/" + name + ".st")
                self.train(program, "--steps", "1", "--save", save, "--metrics", self.path(name + "/m"))
                self.assertTrue(os.path.getsize(save))

    def test_relative_names(self):
        for name in "p.fsdp", "-x", "p/", "./q/", "%":
            with self.subTest(name=name):
                flags = ["-o=" + name] if name[0] == "-" else ["-o", name]
                done = subprocess.run([COMPILE, NANOGPT, *DIMS, *LOSS, *flags], cwd=self.folder,
                                      stderr=subprocess.PIPE, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertTrue(os.path.exists(self.path(name + "/program.so")))

    def test_an_error_is_one_line(self):
        self.write("bro\nken.onnx", b"none")
        self.assertOneError(execute(COMPILE, self.path("bro\nken.onnx"), "-o", self.path("p.fsdp")), "bro\\nken.onnx")
        self.assertOneError(execute(RUN, self.path("no\nne.fsdp"), "--data", TOKENS, "--steps", "1"), "no\\nne.fsdp")


if __name__ == "__main__":
    unittest.main()
