#!/usr/bin/env python3
"""What fsdp-run must refuse, or stop at, each with one clear message."""
import array
import json
import os
import shutil
import stat
import subprocess
import unittest

from harness import FIXTURES, NANOGPT, RUN, TOKENS, ToolTest, content, execute, lines_of


class Runs(ToolTest):
    def setUp(self):
        super().setUp()
        self.model = self.program("p.fsdp", "--mesh", "shard=2")

    def run_with(self, *flags, data=TOKENS, program=None):
        return execute(RUN, program or self.model, "--data", data, "--steps", "3", *flags)

    def refused(self, words, *flags, **rest):
        """By ranks that are threads as by ranks that are processes."""
        for comm in "thread", "mpi":
            with self.subTest(comm=comm, flags=flags, **rest):
                self.assertOneError(self.run_with("--comm", comm, *flags, **rest), *words)

    def test_mesh_that_does_not_match(self):
        self.refused(["2 ranks", "shard=2", "-n 2", "--mesh"], "-n", "3")

    def refused_at_once(self, words, *flags):
        """By the command line alone: the program need not be there."""
        with self.subTest(flags=flags):
            said = self.assertOneError(execute(RUN, "none.fsdp", "--data", TOKENS, *flags), *words,
                                       "see fsdp-run --help")
            self.assertLess(len(said), 200)

    def test_numbers(self):
        rate = "expected a number in [0, 3.4e+38]"
        for flag in "--lr", "--min-lr":
            for value in "nan", "inf", "-1", "1e+39":
                self.refused_at_once([f"{flag} is {value}", rate], "--steps", "3", f"{flag}={value}")
        self.refused_at_once(["--steps is -1", "0 or more"], "--steps", "-1")
        whole = "expected a whole number in [0, "
        self.refused_at_once([f"--steps is 9{'0' * 20}, {whole}9223372036854775807]"], "--steps", "9" + "0" * 20)
        self.refused_at_once([f"--seed is -1, {whole}18446744073709551615]"], "--steps", "3", "--seed", "-1")
        self.refused_at_once([f"--ranks is 4294967298, {whole}2147483647]"], "--steps", "3", "-n", "4294967298")
        self.refused_at_once(["--check-plan takes no value"], "--steps", "3", "--check-plan=maybe")
        self.refused_at_once(["not expected: maybe"], "--steps", "3", "--check-plan", "maybe")
        self.assertOneError(execute(RUN), "no program is given", "MODEL.fsdp")
        self.refused_at_once(["--warmup is -1", "0 or more"], "--steps", "3", "--warmup", "-1")
        self.refused_at_once(["--ranks is 0", "1 or more"], "--steps", "3", "-n", "0")
        self.refused_at_once(["--threads is 0", "[1, 1024]"], "--steps", "3", "--threads", "0")
        self.refused_at_once(["--threads is 100000", "[1, 1024]"], "--steps", "3", "--threads", "100000")
        for value in "0", "inf", "nan":
            self.refused_at_once([f"--timeout is {value}", "(0, 1e+09]"], "--steps", "3", "--timeout", value)
        self.refused_at_once(["--comm-delay is nan", "[0, 1e+09]"], "--steps", "3", "--comm-delay", "nan")
        self.refused_at_once(["--peak-tflops is 0", "(0, 1e+09]"], "--steps", "3", "--peak-tflops", "0")
        self.refused_at_once(["--steps is given 2 times", "once"], "--steps", "3", "--steps", "3")
        self.refused_at_once(["cannot read --lr 'abc', expected a number"], "--steps", "3", "--lr", "abc")

    def test_options_without_effect(self):
        self.refused_at_once(["--min-lr is for --schedule cosine"], "--steps", "3", "--min-lr", "1e-5")
        self.refused_at_once(["unknown --schedule 'cosin'", "piecewise:FILE", "did you mean cosine"],
                             "--steps", "3", "--schedule", "cosin")
        self.refused_at_once(["--decay-steps is for --schedule wsd"], "--steps", "3", "--decay-steps", "1")
        self.refused_at_once(["--schedule wsd needs --decay-steps"], "--steps", "3", "--schedule", "wsd")
        self.refused_at_once(["--decay-steps is 3", "--warmup leaves", "2"], "--steps", "3", "--schedule", "wsd",
                             "--warmup", "1", "--decay-steps", "3")
        self.refused_at_once(["--min-lr is 1", "at most --lr"], "--steps", "3", "--schedule", "cosine",
                             "--min-lr", "1")
        self.refused_at_once(["--warmup is 5", "at most --steps"], "--steps", "3", "--warmup", "5")
        self.refused_at_once(["--warmup", "no step"], "--steps", "3", "--warmup", "3", "--schedule", "cosine")
        for flag in "--save", "--metrics", "--weights", "--trace":
            self.refused_at_once([flag + " '' names no file"], "--steps", "3", flag, "")
        self.refused_at_once(["--trace-steps is for --trace"], "--steps", "3", "--trace-steps", "0:1")

    def test_files_of_rates(self):
        for text, *words in (("", "holds no rates"), ("# none\n\n", "holds no rates"),
                             ("2 1e-3\n", "line 1", "begins with step 2", "expected 1"),
                             ("1 1e-3\n\n1 1e-4\n", "line 3", "step 1 after 1"), ("1 fast\n", "line 1", "1000 3e-4"),
                             ("1 1e-3 x\n", "line 1", "1000 3e-4"), ("one 1e-3\n", "line 1"), ("1\n", "line 1"),
                             ("1 -1e-3\n", "[0, 3.4e+38]"), ("1 nan\n", "[0, 3.4e+38]"), ("1 1e39\n", "[0, 3.4e+38]")):
            file = self.write("rates.txt", text.encode())
            self.refused_at_once([*words, file], "--steps", "3", "--schedule", "piecewise:" + file)
        self.refused_at_once(["cannot read the rates", "No such file"], "--steps", "3", "--schedule",
                             "piecewise:" + self.path("none"))
        self.refused_at_once(["cannot read the rates"], "--steps", "3", "--schedule", "piecewise:")
        file = self.write("rates.txt", b"1 1e-3\n2 1e-4 # slower\n")
        for option in "--lr", "--min-lr", "--warmup":
            self.refused_at_once([option + " has no effect"], "--steps", "3", "--schedule", "piecewise:" + file,
                                 option, "1")

    def test_program_for_another_target(self):
        path = self.model + "/manifest.json"
        manifest = json.loads(content(path))
        manifest["target"]["features"].append("quantum42")
        self.write("p.fsdp/manifest.json", json.dumps(manifest).encode())
        self.refused(["quantum42"])

    def test_cut_programs(self):
        for name in "program.so", "manifest.json":
            whole = content(os.path.join(self.model, name))
            for part in 0, 10, len(whole) // 3, len(whole) - 3:
                broken = self.path("broken.fsdp")
                shutil.rmtree(broken, ignore_errors=True)
                shutil.copytree(self.model, broken)
                self.write("broken.fsdp/" + name, whole[:part])
                with self.subTest(name=name, part=part):
                    result = self.run_with("--comm", "thread", program=broken)
                    # Bytes at the very end may be padding that nothing reads.
                    if part == len(whole) - 3 and result[0] == 0:
                        continue
                    self.assertOneError(result, "broken.fsdp")
        self.refused(["none.fsdp"], program=self.path("none.fsdp"))

    def test_memory_that_is_not_free(self):
        manifest = json.loads(content(self.model + "/manifest.json"))
        manifest["arenas"][1]["bytes"] = 1 << 42  # of which the program touches what it did
        manifest["planned_peak_bytes"] = sum(arena["bytes"] for arena in manifest["arenas"] if "runs" not in arena)
        self.write("p.fsdp/manifest.json", json.dumps(manifest).encode())
        self.refused(["does not fit", "4.0 TiB", "--ignore-memory"])
        self.train(self.model, "--steps", "1", "--comm", "thread", "--ignore-memory")

    def test_short_data(self):
        tokens = content(TOKENS)
        # Four windows of 32 tokens and the last one's target: 129 tokens.
        self.refused(["128 tokens", "129", "short.u16"], data=self.write("short.u16", tokens[:256]))
        self.train(self.model, "--steps", "1", data=self.write("fits.u16", tokens[:258]))
        self.refused(["odd.u16", "multiple of 2"], data=self.write("odd.u16", tokens[:999]))
        self.refused(["none.u16", "No such file"], data=self.path("none.u16"))

    def test_token_beyond_the_vocabulary(self):
        tokens = bytearray(content(TOKENS))
        tokens[2 * 777:2 * 777 + 2] = (131).to_bytes(2, "little")
        self.refused(["token 131", "position 777", "byte 1554", "vocabulary of 131"],
                     data=self.write("beyond.u16", bytes(tokens)))

    def test_text_without_a_tokenizer(self):
        self.refused(["--tokenizer bytes"], data=self.write("text.txt", b"text " * 1000))

    def test_loss_that_is_not_finite(self):
        for comm in "thread", "mpi":
            metrics, save = self.path("m.jsonl"), self.path("s.safetensors")
            self.assertOneError(self.run_with("--comm", comm, "--lr", "1e38", "--metrics", metrics,
                                              "--save", save),
                                "step 2", "not finite", output="s.safetensors")
            self.assertEqual([line["step"] for line in lines_of(metrics)], [1])

    def labels(self, ignored):
        """Labels of all tokens, where ignored(i) of them -100."""
        tokens = array.array("H", content(TOKENS))
        values = [-100 if ignored(i) else t for i, t in enumerate(tokens)]
        return self.write("y.i32", array.array("i", values).tobytes())

    def test_no_valid_label_on_any_rank(self):
        self.refused(["step 1", "label"], "--labels", self.labels(lambda i: True))

    def test_a_rank_without_a_label_adds_nothing(self):
        # In file order rank 0 has windows 0 and 1 of step 0, rank 1 has 2, 3.
        # A valid label on rank 0 only: the loss is that of rank 0's tokens.
        labels = self.labels(lambda i: not 0 < i <= 64)
        single = self.program("one.fsdp")
        losses = []
        for program in self.model, single:
            metrics = self.path("m.jsonl")
            self.train(program, "--steps", "1", "--shuffle", "off", "--labels", labels, "--metrics",
                       metrics)
            losses.append(lines_of(metrics)[0])
        for key in "loss", "grad_norm":
            self.assertAlmostEqual(losses[0][key], losses[1][key], delta=2e-6 * losses[1][key])

    def test_labels_of_the_wrong_size(self):
        self.refused(["y.i32", "int32"], "--labels", self.write("y.i32", bytes(40)))

    def test_output_that_cannot_be_written(self):
        file = self.write("file", b"")
        for flag in "--save", "--metrics", "--records", "--trace":
            self.refused(["cannot write", "file"], flag, file + "/x")
            self.refused(["cannot write", "No such file"], flag, self.path("none/x"))
            self.refused(["cannot write", "folder"], flag, self.folder)
        # Nothing of the program's folder is replaced, but the compiler replaces it.
        for flag in "--save", "--metrics", "--records", "--trace":
            self.refused([flag, "inside of the program's folder", "elsewhere"], flag, self.model + "/x")
        os.symlink(self.model, self.path("link"))
        self.refused(["--save", "inside of the program's folder"], "--save", self.path("link/x"))
        self.assertEqual(sorted(os.listdir(self.model)), ["manifest.json", "program.so"])

    def test_one_file_for_two_outputs(self):
        flags = ["--save", "--metrics", "--records", "--trace"]
        for i, first in enumerate(flags):
            for second in flags[i + 1:]:
                self.refused([first, second, "both write", "x'"], first, self.path("x"), second,
                             self.folder + "/./x")
        self.assertFalse(os.path.exists(self.path("x")))

    def test_outputs_do_not_replace_inputs(self):
        data = self.write("data.u16", content(TOKENS))
        os.symlink(data, self.path("link.u16"))
        for flag in "--save", "--metrics", "--records", "--trace":
            for path in data, self.path("link.u16"):
                self.refused([flag, "would replace", "--data"], flag, path, data=data)
        self.assertEqual(content(data), content(TOKENS))
        labels = self.labels(lambda i: False)
        for flags in ["--labels"], ["--eval-data", TOKENS, "--eval-labels"]:
            self.refused(["--metrics", flags[-1]], "--metrics", labels, *flags, labels)
        save = self.path("s.safetensors")
        self.train(self.model, "--steps", "1", "--save", save)
        self.refused(["--trace", "--weights"], "--trace", save, "--weights", save)
        self.train(self.model, "--steps", "1", "--weights", save, "--save", save)

    def test_metrics_do_not_replace_other_files(self):
        """What is no metrics of an earlier run stays; what is, is begun anew."""
        for text in b"notes\n", b"notes", b'{"step": 1, "loss": 1}\n', b"\n":
            notes = self.write("notes", text)
            self.refused(["--metrics", "line 1 of it is not a step's metrics", "give another file"], "--metrics", notes)
            self.assertEqual(content(notes), text)
        metrics = self.path("m.jsonl")
        for before in None, b"", b'{"step":1,"ro', b'{"st', b'{"step":1,"rows":4}\n{"step":2,"ro':
            if before is not None:
                self.write("m.jsonl", before)
            self.train(self.model, "--steps", "1", "--metrics", metrics)
            self.assertEqual(len(lines_of(metrics)), 1)
        self.assertOneError(execute(RUN, self.model, "--steps", "0", "--eval-data", TOKENS, "--metrics", metrics),
                            "--metrics is for --steps above 0")
        self.assertEqual(len(lines_of(metrics)), 1)

    def test_metrics_into_a_pipe(self):
        """Whoever reads it has all of them."""
        pipe = self.path("pipe")
        os.mkfifo(pipe)
        reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE)
        self.addCleanup(reader.kill)
        self.train(self.model, "--steps", "2", "--metrics", pipe)
        self.assertEqual(reader.communicate(timeout=60)[0].count(b"\n"), 2)

    def test_outputs_do_not_replace_the_program_or_its_model(self):
        model = self.write("m.onnx", content(NANOGPT))
        program = self.program("own.fsdp", model=model)
        for path in model, program + "/manifest.json", program + "/program.so":
            before = content(path)
            for flag in "--save", "--metrics", "--records", "--trace":
                status = execute(RUN, program, "--data", TOKENS, "--steps", "1", flag, path)
                self.assertOneError(status, flag, "would replace", "the program reads")
            self.assertEqual(content(path), before)

    def test_threads_under_a_launcher(self):
        launched = {**os.environ, "OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"}
        self.assertOneError(execute(RUN, self.model, "--comm", "thread", "--data", TOKENS, "--steps", "1", env=launched),
                            "--comm thread", "mpirun started 2")

    def test_saving_does_not_replace_what_is_no_file(self):
        # The checkpoint is renamed into place. A pipe of our own stands for
        # devices: should this ever fail, nothing of the system's is replaced.
        os.mkfifo(self.path("pipe"))
        self.refused(["not a regular file"], "--save", self.path("pipe"))
        self.assertTrue(stat.S_ISFIFO(os.lstat(self.path("pipe")).st_mode))

    def test_weights(self):
        save = self.path("s.safetensors")
        self.train(self.model, "--steps", "1", "--save", save)
        whole = content(save)
        for part in 0, 5, 8, 100, len(whole) // 2, len(whole) - 1:
            self.refused(["cut.safetensors"], "--weights", self.write("cut.safetensors", whole[:part]))
        self.refused(["[1009, 200]", "[131, 32]"], "--weights",
                     os.path.join(FIXTURES, "nanogpt-uneven", "weights.safetensors"))
        self.refused(["none"], "--weights", self.path("none.safetensors"))

    def test_weights_that_changed_after_compiling(self):
        folder = os.path.join(FIXTURES, "nanogpt-uneven")
        os.mkdir(self.path("model"))
        for name in "dynamo18-dyn-raw-external.onnx", "weights.safetensors":
            shutil.copy(os.path.join(folder, name), self.path("model"))
        model = self.program("e.fsdp", "--mesh", "shard=2", dims=["--dim", "batch=2", "--dim", "seq=24"],
                             model=self.path("model/dynamo18-dyn-raw-external.onnx"))
        weights = self.path("model/weights.safetensors")
        whole = content(weights)
        flags = "--save", self.path("s.safetensors")
        self.train(model, "--steps", "1", *flags)
        for changed in whole + bytes(4), whole[:-4]:
            self.write("model/weights.safetensors", changed)
            self.refused(["weights.safetensors", f"has {len(changed)} bytes, but had {len(whole)}",
                          "compile the program again", "--weights"], *flags, program=model)
        # What is given instead is read by its own header.
        self.train(model, "--steps", "1", *flags, "--weights", self.write("w.safetensors", whole))
        os.remove(weights)
        self.refused(["weights.safetensors", "No such file", "--weights"], *flags, program=model)

    def test_an_old_checkpoint_survives_a_failed_run(self):
        save = self.write("s.safetensors", b"precious")
        self.assertOneError(self.run_with("--lr", "1e38", "--save", save), "not finite")
        self.assertEqual(content(save), b"precious")


if __name__ == "__main__":
    unittest.main()
