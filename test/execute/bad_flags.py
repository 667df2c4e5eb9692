#!/usr/bin/env python3
"""Command lines that fsdp-compile must refuse, each with one clear message."""
import os
import re
import unittest

from harness import COMPILE, DIMS, FIXTURES, LOSS, NANOGPT, OPT, RUN, ToolTest, content, execute


class Flags(ToolTest):
    def refused(self, words, *flags, **rest):
        with self.subTest(flags=flags, **rest):
            self.assertOneError(self.compile("out.fsdp", *flags, **rest), *words, output="out.fsdp")

    def test_unbound_dimension(self):
        self.refused(["'seq'", "--dim seq=N"], dims=["--dim", "batch=2"])
        self.refused(["'seqq'", "'seq'"], dims=["--dim", "batch=2", "--dim", "seqq=32"])
        self.refused(["positive"], dims=["--dim", "batch=2", "--dim", "seq=0"])
        self.refused(["name=number"], dims=["--dim", "batch"])

    def test_sequence_longer_than_the_positions(self):
        self.refused(["transformer.wpe.weight", "32 rows", "--dim"],
                     dims=["--dim", "batch=2", "--dim", "seq=33"])
        self.program("fits.fsdp", dims=["--dim", "batch=2", "--dim", "seq=32"])

    def test_patterns_that_match_nothing(self):
        self.refused(["transformer.hh.*", "'transformer.h.0'"], "--unit", "transformer.hh.*")
        self.refused(["'nope'", "nearest"], "--freeze", "nope")
        self.refused(["'nope'", "nearest"], "--no-decay", "nope")
        self.refused(["'nope'", "nearest"], "--param", "nope")
        self.refused(["'nope'", "'logits'"], "--logits", "nope")
        self.refused(["'nope'", "'input_ids'"], "--bind", "nope=1")

    def test_patterns_that_nearly_match(self):
        for flag in "--freeze", "--no-decay":
            self.refused(["'transformer.h.*' matches no parameter, 'transformer.h.*.**' would; nearest"], flag,
                         "transformer.h.*")
            self.refused(["'h.0' matches no parameter, '**.h.0.**' would"], flag, "h.0")
        for flag in "--recompute", "--unit":
            self.refused(["'transformer.h.*.attn.c_attn.weight' matches no module, "
                          "'transformer.h.*.attn.c_attn' would"], flag, "transformer.h.*.attn.c_attn.weight")
            self.refused(["'h.*' matches no module, '**.h.*' would"], flag, "h.*")
        self.refused(["'h.*' matches no unit, '**.h.*' would"], "--prefetch-forward", "h.*=2")

    def test_either_name_of_a_tied_parameter_is_a_name(self):
        self.program("head.fsdp", "--no-decay", "lm_head.weight", "--freeze", "lm_head.weight")

    def test_values_nobody_knows(self):
        self.refused(["shard=0"], "--mesh", "shard=0")
        self.refused(["'two'", "shard=8"], "--mesh", "two")
        self.refused(["'adamx'", "adamw, adam, sgd, adagrad, lion or adafactor", "did you mean adam"], "--optimizer", "adamx")
        self.refused(["amsgrad", "largest second moment"], "--optimizer", "amsgrad")
        self.refused(["'mse'", "cross_entropy"], loss=["--loss", "mse"])
        self.refused(["no loss", "--loss cross_entropy"], loss=[])
        self.refused(["'up'", "data or model"], "--labels-shift", "up")
        self.refused(["'all'", "global or rank"], "--loss-mean", "all")

    def test_numbers(self):
        self.refused(["'1,2'", "0.9,0.999"], "--betas", "1,2")
        self.refused(["--eps 'abc'", "number", "--help"], "--eps", "abc")
        for flag, value, shown, interval in (
                ("--eps", "-1e-8", "-1e-08", "[0, 3.4e+38]"), ("--eps", "nan", "nan", "[0, 3.4e+38]"),
                ("--weight-decay", "-0.1", "-0.1", "[0, 3.4e+38]"),
                ("--weight-decay", "nan", "nan", "[0, 3.4e+38]"),
                ("--weight-decay", "1e39", "1e+39", "[0, 3.4e+38]"),
                ("--momentum", "2", "2", "[0, 1)"), ("--momentum", "-0.5", "-0.5", "[0, 1)"),
                ("--clip-grad-norm", "-1", "-1", "(0, 3.4e+38]"),
                ("--clip-grad-norm", "0", "0", "(0, 3.4e+38]"),
                ("--clip-grad-norm", "nan", "nan", "(0, 3.4e+38]"),
                ("--clip-grad-norm", "inf", "inf", "(0, 3.4e+38]")):
            self.refused([f"{flag} is {shown}, expected a number in {interval}"], f"{flag}={value}",
                         *(["--optimizer", "sgd"] if flag == "--momentum" else []))
        for betas in "nan,0.9", "0.9,1", "-0.1,0.9":
            self.refused([f"'{betas}'", "[0, 1)"], f"--betas={betas}")
        for count in "-1", "1.5", "x":
            self.refused([f"--reduce-in-flight '{count}'", "whole number", "--help"],
                         f"--reduce-in-flight={count}")

    def test_the_same_dimension_twice(self):
        self.refused(["'seq'", "twice", "32", "16"], dims=[*DIMS, "--dim", "seq=16"])
        self.program("fits.fsdp", dims=[*DIMS, "--dim", "seq=32"])

    def test_no_decay_where_nothing_decays(self):
        self.refused(["--no-decay", "--weight-decay"], "--optimizer", "sgd", "--no-decay", "**.bias")
        self.program("fits.fsdp", "--optimizer", "sgd", "--no-decay", "**.bias", "--weight-decay", "0.1")

    def test_flags_of_another_optimizer(self):
        self.refused(["--momentum is for --optimizer sgd", "adamw has --betas, --eps, --weight-decay"],
                     "--momentum", "0.9")
        self.refused(["--betas is for --optimizer adamw or adam or lion", "sgd has --momentum"],
                     "--optimizer", "sgd", "--betas", "0.9,0.99")
        self.refused(["--eps is for", "lion has --betas, --weight-decay"], "--optimizer", "lion", "--eps", "1e-8")
        self.refused(["--lr-decay is for --optimizer adagrad"], "--lr-decay", "0.1")
        self.refused(["--nesterov needs a momentum above 0"], "--optimizer", "sgd", "--nesterov")
        self.refused(["--nesterov needs", "no dampening"], "--optimizer", "sgd", "--nesterov", "--momentum", "0.9",
                     "--dampening", "0.5")
        self.refused(["dampening has no effect without --momentum"], "--optimizer", "sgd", "--dampening", "0.5")
        self.refused(["--initial-accumulator-value is -1", "[0, 3.4e+38]"], "--optimizer", "adagrad",
                     "--initial-accumulator-value=-1")
        for flag, *words in (("--d=0.5", "--d is 0.5", "[1, 3.4e+38]"), ("--eps1=0", "--eps1 is 0", "[1e-15, 3.4e+38]"),
                             ("--beta2-decay=0.1", "--beta2-decay is 0.1", "[-3.4e+38, 0]"),
                             ("--eps2=-1", "--eps2 is -1", "[0, 3.4e+38]"),
                             ("--eps=1e-8", "--eps is for", "adafactor has --beta2-decay, --eps1, --eps2, --d")):
            self.refused(words, "--optimizer", "adafactor", flag)
        self.refused(["--beta2-decay is for --optimizer adafactor"], "--beta2-decay=-0.5")

    def test_groups(self):
        for text, *words in (("**.bias", "expected PATTERN: NAME=NUMBER"), ("**.bias:", "expected PATTERN"),
                             (": lr=0.1x", "expected PATTERN"), ("nope: lr=0.1x", "matches no parameter", "nearest"),
                             ("**: weightdecay=0", "adamw has no number 'weightdecay'", "'weight_decay'"),
                             ("**: amsgrad=true", "largest second moment"), ("**: maximize=true", "negate"),
                             ("**: lr=0.1", "lr is '0.1'", "0.1x"), ("**: lr=x", "lr is", "0.1x"),
                             ("**: lr=-1x", "lr is -1", "[0, 3.4e+38]"), ("**: lr=nanx", "lr is nan"),
                             ("**: betas=0.9", "betas is '0.9'"), ("**: betas=0.9,1", "beta2 is 1", "[0, 1)"),
                             ("**: betas=0.9,0.8,0.7", "betas is"), ("**: eps=abc", "eps is 'abc'"),
                             ("**: eps=1e-8, eps=1e-6", "eps is given twice"), ("**: 0.1", "is no NAME=NUMBER"),
                             ("**: momentum=0.9", "adamw has no number 'momentum'")):
            self.refused(["--group '" + text.split(":")[0].strip(), *words], "--group", text)
        self.refused(["--group 'transformer.wte.weight' has no effect"], "--group", "**: lr=0.1x", "--group",
                     "transformer.wte.weight: lr=2x")
        self.refused(["one number for all parameters", "give --initial-accumulator-value"], "--optimizer", "adagrad", "--group",
                     "**: initial_accumulator_value=1")
        self.refused(["--group '**: d=0'", "d is 0, expected a number in [1, 3.4e+38]"], "--optimizer", "adafactor", "--group",
                     "**: d=0")
        self.program("fits.fsdp", "--group", "**.bias: lr=0.1x, betas=0.8, 0.9, weight_decay=0", "--group", "**: eps=0")

    def test_a_loss_that_is_there_already(self):
        model = os.path.join(FIXTURES, "gpt2-loss", "dynamo18-dyn-raw.onnx")
        self.refused(["returns a loss of its own"], model=model)
        self.refused(["twice"], "--labels-shift", "data", model=model, loss=[])
        self.program("fits.fsdp", model=model, loss=[])

    def test_usage(self):
        self.refused(["--bogus", "--help"], "--bogus")
        self.assertOneError(execute(COMPILE, NANOGPT), "-o model.fsdp", "--help")

    def test_what_a_command_line_lacks_is_status_2(self):
        for command in ([COMPILE, NANOGPT, "--bogus"], [COMPILE, NANOGPT], [COMPILE, NANOGPT, "-o", "x", "--eps", "-1"],
                        [COMPILE, NANOGPT, "-o", "x", "--dim", "a"], [OPT, "--bogus"], [OPT, NANOGPT, "--dim", "a"],
                        [RUN, "x.fsdp", "--bogus"], [RUN, "x.fsdp"], [RUN, "x.fsdp", "--steps", "x"]):
            with self.subTest(command=command):
                self.assertOneError(execute(*command))
                self.assertEqual(execute(*command)[0], 2)

    def test_an_error_names_the_model_with_its_folder(self):
        self.assertOneError(self.compile("out.fsdp", "--freeze", "nope"), NANOGPT + ": error: --freeze 'nope'")

    def test_planned_input(self):
        plan = self.path("plan.mlir")
        self.program("a.fsdp", "--emit-ir", plan)
        text = content(plan)
        self.assertOneError(execute(COMPILE, plan, "-o", self.path("b.fsdp"), "--mesh", "shard=4"),
                            "--mesh", "already planned", output="b.fsdp")
        broken = self.write("broken.mlir", re.sub(rb"bytes \d+ persistent", b"bytes 64 persistent", text))
        self.assertOneError(execute(COMPILE, broken, "-o", self.path("b.fsdp")), "fsdprt_v2", output="b.fsdp")
        self.write("broken.mlir", text[:len(text) // 2])
        self.assertOneError(execute(COMPILE, broken, "-o", self.path("b.fsdp")), "broken.mlir", output="b.fsdp")
        self.write("broken.mlir", re.sub(rb"@k0 extent", b"@k999 extent", text, count=1))
        self.assertOneError(execute(COMPILE, broken, "-o", self.path("b.fsdp")), "@k999", "program_v3", output="b.fsdp")
        imported = execute(OPT, NANOGPT, *DIMS)[1]
        self.write("broken.mlir", imported.encode())
        self.assertOneError(execute(COMPILE, broken, "-o", self.path("b.fsdp")), "--emit-ir", output="b.fsdp")
        self.assertOneError(execute(COMPILE, self.path("none.mlir"), "-o", self.path("b.fsdp")), "none.mlir")

    def test_target(self):
        self.refused(["'bogus'", "native"], "--target-cpu", "bogus")
        # A CPU of another architecture than the host's, whichever that is.
        foreign = "cortex-a53" if os.uname().machine == "x86_64" else "skylake"
        self.refused([f"'{foreign}'", "architecture"], "--target-cpu", foreign)


class Outputs(ToolTest):
    def into(self, path):
        return execute(COMPILE, NANOGPT, *DIMS, *LOSS, "-o", path)

    def test_what_is_no_program_is_not_replaced(self):
        file = self.write("precious", b"data")
        os.mkdir(self.path("folder"))
        inside = self.write("folder/precious", b"data")
        for path in file, self.path("folder"):
            self.assertOneError(self.into(path), path, "is not a program", "-o")
        self.assertEqual(content(file), b"data")
        self.assertEqual(content(inside), b"data")

    def test_folder_that_cannot_be_written(self):
        file = self.write("file", b"")
        self.assertOneError(self.into(file + "/p.fsdp"), "cannot write", "Not a directory")
        self.assertOneError(self.into(self.path("none/p.fsdp")), "cannot write", "No such file")
        self.assertOneError(self.into("/proc/p.fsdp"), "cannot write")

    def one_error(self, words, *flags, model=NANOGPT):
        """Before any work: no stage has begun."""
        with self.subTest(flags=flags):
            result = execute(COMPILE, model, *DIMS, *LOSS, *flags)
            self.assertOneError(result, "fsdp-compile: error: ", *words)
            self.assertNotIn("[import]", result[2])

    def test_one_file_for_two_outputs(self):
        os.mkdir(self.path("d"))
        x, program = self.path("x"), self.path("p.fsdp")
        self.one_error(["-o and --emit-ir both write", "'" + x], "-o", x, "--emit-ir", x)
        self.one_error(["-o and --report both write"], "-o", x, "--report", self.path("d/../x"))
        self.one_error(["--emit-ir and --report both write"], "-o", program, "--emit-ir", x, "--report", x)
        self.one_error(["--emit-ir and --report both write"], "-o", program, "--emit-ir", "-", "--report", "-")
        model = self.write("m.onnx", content(NANOGPT))
        os.symlink(model, self.path("link"))
        for path in model, self.path("link"):
            self.one_error(["--emit-ir would replace", "the model"], "-o", program, "--emit-ir", path, model=model)
        self.assertEqual(content(model), content(NANOGPT))
        # External data, which only the import knows.
        folder = os.path.join(FIXTURES, "nanogpt-uneven")
        model = self.write("e.onnx", content(os.path.join(folder, "dynamo18-dyn-raw-external.onnx")))
        weights = self.write("weights.safetensors", content(os.path.join(folder, "weights.safetensors")))
        for flag in "--emit-ir", "--report":
            result = self.compile("p.fsdp", flag, weights, model=model, dims=["--dim", "batch=2", "--dim", "seq=8"])
            self.assertOneError(result, flag, "would replace", "data of the model")
        self.assertEqual(content(weights), content(os.path.join(folder, "weights.safetensors")))
        self.program("p.fsdp")
        self.one_error(["--report", "inside", "p.fsdp"], "-o", program, "--report", program + "/plan.html")

    def test_outputs_that_cannot_be_written(self):
        program = self.path("p.fsdp")
        for flag in "--emit-ir", "--report":
            self.one_error(["cannot write", "No such file"], "-o", program, flag, self.path("none/x"))
            self.one_error(["cannot write", flag, "Is a directory"], "-o", program, flag, self.folder)
            # The device itself would be replaced by a file.
            os.path.exists(self.path("pipe")) or os.mkfifo(self.path("pipe"))
            self.one_error(["cannot write", flag, "not a regular file", "standard output"], "-o", program, flag,
                           self.path("pipe"))
        self.one_error(["cannot write", "No such file"], "-o", self.path("none/p.fsdp"))

    def test_a_failed_compilation_keeps_the_old_program(self):
        program = self.program("p.fsdp")
        before = content(program + "/manifest.json")
        self.assertOneError(self.compile("p.fsdp", "--optimizer", "adamx"), "adamw")
        self.assertEqual(content(program + "/manifest.json"), before)
        self.program("p.fsdp", "--optimizer", "sgd")
        self.assertNotEqual(content(program + "/manifest.json"), before)
        self.assertEqual(os.listdir(self.folder), ["p.fsdp"])


if __name__ == "__main__":
    unittest.main()
