#!/usr/bin/env python3
"""Trains exported models with fsdp-compile and fsdp-run and compares them with
PyTorch's goldens.

    check.py --bin build/bin [--worlds 1,2] [--kinds adamw,sgd]
             [--device simcuda] [--accumulate N] [FILE-PATTERN ...]

FILE-PATTERN selects entries of fixtures/MANIFEST.json by shell pattern
("gpt2/*"). With --device simcuda programs are for GPUs, simulated ones, with
NCCL's collectives; with --orders N the first N steps of each run are made again
in other orders of streams, with graphs and without: every loss, gradient norm
and parameter must have the same bits. A model that is expected to be refused
must be refused, with a message that has every name and the option of the
manifest. With --accumulate N the rows of a golden's step are N microbatches,
where they divide into so many on all ranks. Prints one line a run and their number; exit status 1 when a run
differs by more than the tolerance or fails, or when an AdamW golden is missing.
"""
import argparse
import fnmatch
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
TOLERANCE = 1e-5  # relative, of every loss, gradient norm and parameter
# In bf16: of every loss, from FSDP2's; and how far losses and gradient norms may
# be from the fp32 run (root mean square over the steps), in FSDP2's distances.
BF16_TOLERANCE = 1e-3
BF16_DISTANCE = 1.5


def load_safetensors(path):
    """{name: float32 array} of a safetensors file."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        data = file.read()
    header.pop("__metadata__", None)
    tensors = {}
    for name, info in header.items():
        begin, end = info["data_offsets"]
        assert info["dtype"] == "F32", f"{name} is {info['dtype']}"
        tensors[name] = np.frombuffer(data[begin:end], "<f4").reshape(info["shape"])
    return tensors


# Orders of streams, and whether a step is a graph, in which a program is run again.
ORDERS = [(2, "off"), (3, "on")]


def run(command, **settings):
    """Runs a command; returns its exit status and everything it printed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, stderr=subprocess.STDOUT, timeout=1200,
                          env={**os.environ, **settings})
    return done.returncode, done.stdout


class Checker:
    def __init__(self, args, folder, models=os.path.join(HERE, "fixtures")):
        self.bin, self.comm, self.folder, self.models = args.bin, args.comm, folder, models
        self.compile_args = args.compile_args.split()
        self.settings, self.run_args, self.orders = {}, [], args.orders
        self.accumulate = args.accumulate
        if self.accumulate > 1:
            self.run_args = ["--accumulate", str(self.accumulate)]
        if args.device == "simcuda":
            self.comm = "nccl"
            self.compile_args += ["--target", "cuda", "--gpu-arch", "simulated"]
            self.run_args += ["--timeout", "600"]  # simulating takes its time
            # test/simcuda tries two orders of threads of each kernel.
            self.settings = {"LD_LIBRARY_PATH": os.path.abspath(os.path.join(args.bin, "../test/simcuda")),
                             "SIMCUDA_ORDERS": "0", "SIMCUDA_SEED": "1"}
        self.failures = 0
        self.worst = {}  # largest relative differences of the run being checked
        self.checks = 0
        self.runs = 0

    def report(self, what, error, said=""):
        self.checks += 1
        self.failures += bool(error)
        detail = error or said or ", ".join(f"{key} {worst:.1e}" for key, worst in self.worst.items())
        print(f"{'FAIL' if error else 'ok  '} {what}{': ' + detail if detail else ''}", flush=True)
        self.worst = {}

    def compile(self, entry, golden, world, batch):
        model = os.path.join(self.models, entry["file"])
        command = [os.path.join(self.bin, "fsdp-compile"), model, "--mesh", f"shard={world}",
                   "-o", os.path.join(self.folder, "program.fsdp"), "--optimizer", golden["optimizer"],
                   "--weight-decay", str(golden.get("weight_decay", 0))]
        if entry["static_batch"] is None:
            command += ["--dim", f"batch={batch}", "--dim", f"seq={golden['seq']}"]
        if entry["loss"] is None:
            command += ["--loss", "cross_entropy"]
        if golden.get("clip_grad_norm"):
            command += ["--clip-grad-norm", str(golden["clip_grad_norm"])]
        for number in "momentum", "dampening", "lr_decay", "initial_accumulator_value", "beta2_decay", "d":
            if golden.get(number):
                command += ["--" + number.replace("_", "-"), str(golden[number])]
        if "betas" in golden:
            command += ["--betas", ",".join(map(str, golden["betas"]))]
        for name, value in epsilons(golden):
            command += [f"--{name}", str(value)]
        if golden.get("nesterov"):
            command += ["--nesterov"]
        for pattern, numbers in golden.get("groups", []):
            pattern = entry["prefix"] + pattern.replace("*", "**")
            command += ["--group", f"{pattern}: {', '.join(group_numbers(numbers))}"]
        command += ["--loss-mean", golden.get("loss_mean", "global")]
        for option in "param", "reduce", "output":
            if f"{option}_dtype" in golden:
                command += [f"--{option}-dtype", golden[f"{option}_dtype"]]
        for pattern in golden.get("no_decay", []):
            command += ["--no-decay", entry["prefix"] + pattern.replace("*", "**")]
        for name in entry["frozen"]:
            command += ["--freeze", name]
        command += self.compile_args
        if entry["exporter"] == "legacy":
            for name, row in entry["padding_idx"].items():
                command += ["--padding-idx", f"{name}={row}"]
            # This exporter does not tell buffers from parameters.
            for name, *_ in entry["buffers"]:
                command += ["--freeze", name]
        if any(i["name"] == "attention_mask" for i in entry["inputs"]):
            command += ["--bind", "attention_mask=1"]
        if entry["weights"].startswith("initializers without"):
            command += ["--init"]
        if entry["weights"].startswith("graph inputs"):
            command += ["--init"] + [x for name, _ in entry["parameters"] if name not in entry["ties"]
                                   for x in ("--param", name)]
        return run(command)

    def train(self, entry, golden, world, save, steps=None, metrics="metrics.jsonl", flags=()):
        command = [os.path.join(self.bin, "fsdp-run"), "-n", str(world), "--comm", self.comm,
                   os.path.join(self.folder, "program.fsdp"),
                   "--data", os.path.join(HERE, golden["data"]), "--shuffle", "off",
                   "--steps", str(steps or golden["steps"]), "--lr", str(golden["lr"]),
                   "--metrics", os.path.join(self.folder, metrics), "--check-plan", *self.run_args, *flags]
        if golden.get("labels"):
            command += ["--labels", os.path.join(HERE, golden["labels"])]
        if "weights.safetensors" in entry["weights"] and not entry["weights"].startswith("external"):
            command += ["--weights", os.path.join(self.models, entry["model"], "weights.safetensors")]
        command += ["--save", save]
        if entry["prefix"]:
            command += ["--strip-prefix", entry["prefix"]]
        return run(command, **self.settings)

    def check(self, entry, golden_path, world):
        what = f"{entry['file']} {os.path.basename(golden_path)[:-5]} on {world}"
        if not os.path.exists(golden_path):
            return self.report(what, f"there is no {os.path.basename(golden_path)}: run golden.py")
        golden = json.load(open(golden_path))
        if golden["global_batch"] % (world * self.accumulate):
            return None
        error, save = self.run_and_compare(entry, golden, world)
        if not error and os.path.exists(golden_path[:-5] + ".safetensors"):
            error = self.compare_parameters(golden_path, save)
        self.report(what, error)

    def run_and_compare(self, entry, golden, world):
        """What is wrong with a run's metrics and saved names, and the saved file."""
        self.runs += 1
        save = os.path.join(self.folder, "saved.safetensors")
        batch = golden["global_batch"] // (world * self.accumulate)
        status, output = self.compile(entry, golden, world, batch)
        if status:
            return "fsdp-compile: " + last_error(output), save
        status, output = self.train(entry, golden, world, save)
        if status:
            return "fsdp-run: " + last_error(output), save
        error = self.compare_metrics(golden) or self.compare_names(entry, save)
        return error or self.compare_orders(entry, golden, world), save

    def steps_of(self, metrics):
        with open(os.path.join(self.folder, metrics)) as file:
            return [json.loads(line) for line in file]

    def compare_orders(self, entry, golden, world):
        """The first steps in other orders of streams: the same bits."""
        expected = [(step["loss"], step["grad_norm"]) for step in self.steps_of("metrics.jsonl")[:self.orders]]
        parameters = None
        for seed, graph in ORDERS if self.orders else ():
            save, where = os.path.join(self.folder, "order.safetensors"), f"with seed {seed}, graph {graph}"
            self.settings["SIMCUDA_SEED"] = str(seed)
            status, output = self.train(entry, golden, world, save, self.orders, "order.jsonl", ["--graph", graph])
            self.settings["SIMCUDA_SEED"] = "1"
            if status:
                return f"fsdp-run {where}: {last_error(output)}"
            if [(step["loss"], step["grad_norm"]) for step in self.steps_of("order.jsonl")] != expected:
                return f"{where} steps have other losses or gradient norms"
            with open(save, "rb") as file:
                saved = file.read()
            if saved != (parameters or saved):
                return f"{where} parameters have other bits"
            parameters = saved
        return ""

    def compare_metrics(self, golden):
        steps = self.steps_of("metrics.jsonl")
        if len(steps) != golden["steps"]:
            return f"{len(steps)} steps, expected {golden['steps']}"
        error = (self.compare_bf16 if "param_dtype" in golden else self.compare_exact)(steps, golden)
        if error:
            return error
        for step in steps:
            if step["measured_peak_bytes"] != step["planned_peak_bytes"]:
                return f"measured peak {step['measured_peak_bytes']}, planned {step['planned_peak_bytes']}"
        return ""

    def compare_exact(self, steps, golden):
        for key in "loss", "grad_norm":
            worst = max(abs(step[key] - want) / abs(want) for step, want in zip(steps, golden[key]))
            self.worst[key] = worst
            if not worst <= TOLERANCE:
                return f"{key} differs by {worst:.2e} relative"
        return ""

    def compare_bf16(self, steps, golden):
        worst = max(abs(step["loss"] - want) / want for step, want in zip(steps, golden["loss"]))
        self.worst["loss from FSDP2's"] = worst
        if not worst <= BF16_TOLERANCE:
            return f"loss differs by {worst:.2e} relative from FSDP2's"
        for key in "loss", "grad_norm":
            exact = np.array(golden[f"fp32_{key}"])
            ours, theirs = (np.sqrt(np.mean((np.array(run) / exact - 1) ** 2))
                            for run in ([step[key] for step in steps], golden[key]))
            self.worst[f"{key}, FSDP2's distances from fp32"] = ours / theirs
            if not ours <= BF16_DISTANCE * theirs:
                return f"{key} is {ours:.2e} from fp32, FSDP2's {theirs:.2e}"
        return ""

    def compare_names(self, entry, save):
        """What a strict load_state_dict would complain about."""
        saved = {name: list(tensor.shape) for name, tensor in load_safetensors(save).items()}
        state = {name.removeprefix(entry["prefix"]): dims
                 for name, dims, *_ in entry["parameters"] + entry["buffers"]}
        missing, unexpected = sorted(state.keys() - saved.keys()), sorted(saved.keys() - state.keys())
        if missing or unexpected:
            return f"load_state_dict: missing {missing}, unexpected {unexpected}"
        for name, dims in state.items():
            if saved[name] != dims:
                return f"load_state_dict: {name} has shape {saved[name]}, expected {dims}"
        return ""

    def compare_parameters(self, golden_path, save):
        saved, wanted = load_safetensors(save), load_safetensors(golden_path[:-5] + ".safetensors")
        for name, want in wanted.items():
            worst = np.abs(saved[name] - want).max() / max(np.abs(want).max(), 1e-30)
            self.worst["parameters"] = max(worst, self.worst.get("parameters", 0))
            if not worst <= TOLERANCE:
                return f"{name} differs by {worst:.2e} of its largest value"
        return ""

    def check_refusal(self, entry):
        reason = entry["expected"].split(":", 1)[1].strip()
        golden = {"optimizer": "adamw", "weight_decay": 0, "seq": entry["seq"]}
        status, output = self.compile(entry, golden, 1, 2)
        error = message = ""
        if status == 0:
            error = f"was not refused ({reason})"
        elif output.count("error:") != 1:
            error = "expected one error, got: " + output.strip()[-300:]
        else:
            message = output[output.index("error:"):].strip()
            missing = [name for name in [*entry["names"], entry["option"]] if name not in message]
            if missing:
                error = f"the message lacks {', '.join(missing)}: {message}"
        self.report(f"{entry['file']} is refused", error, message.split("\n")[0])


def epsilons(numbers):
    """(name, value) of torch's eps: one, or Adafactor's two, of which None is the default."""
    eps = numbers.get("eps")
    if isinstance(eps, list):
        return [(f"eps{i + 1}", value) for i, value in enumerate(eps) if value is not None]
    return [] if eps is None else [("eps", eps)]


def group_numbers(numbers):
    """Numbers of a group as --group has them: lr=0.5x, betas=0.8,0.9."""
    texts = [f"{name}={value}" for name, value in epsilons(numbers)]
    for name, value in numbers.items():
        if name != "eps":
            text = ",".join(map(str, value)) if isinstance(value, list) else value
            texts.append(f"{name}={text}{'x' if name == 'lr' else ''}")
    return texts


def last_error(output):
    lines = [line for line in output.splitlines() if "error" in line]
    return (lines or output.splitlines() or ["no output"])[-1]


def goldens_of(entry, kinds, worlds):
    """(golden file, world) of the runs that hold for this file.

    Every file has AdamW goldens, and is meant to be checked with them: those are
    given though the file is missing.
    """
    folder = os.path.join(HERE, "goldens")
    for kind in kinds:
        # Rules with groups have no further kinds.
        optimizer, special = (kind, "") if kind.endswith("-groups") else kind.partition("-")[::2]
        for world in worlds:
            batch = entry["static_batch"] * world if entry["static_batch"] else 24
            name = f"{entry['golden']}.{optimizer}-b{batch}{'-' + special if special else ''}"
            # The mean of the ranks' means depends on the number of ranks.
            name += f"-w{world}.json" if special == "rankmean" else ".json"
            path = os.path.join(folder, name)
            if kind == "adamw" or os.path.exists(path):
                yield path, world


def options(description, parents=()):
    """The options of every script that checks runs, after those of `parents`."""
    parser = argparse.ArgumentParser(description=description, parents=parents,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/bin", help="folder of fsdp-compile and fsdp-run")
    parser.add_argument("--comm", default="thread", help="fsdp-run's --comm")
    parser.add_argument("--compile-args", default="", help="further options of fsdp-compile")
    parser.add_argument("--device", default="cpu", choices=["cpu", "simcuda"], help="what programs run on")
    parser.add_argument("--orders", type=int, default=0, metavar="N",
                        help="steps that are made again in other orders of streams, with --device simcuda")
    parser.add_argument("--accumulate", type=int, default=1, metavar="N", help="microbatches a step")
    parser.add_argument("patterns", nargs="*", default=["*"], help="shell patterns of files")
    return parser


def main():
    parser = options(__doc__)
    parser.add_argument("--worlds", default="1,2,3,4,8", help="numbers of ranks")
    parser.add_argument("--kinds", default="adamw", help="adamw, sgd, adamw-labels, adamw-nodecay, adamw-rankmean, adamw-bf16, adam-groups and "
                             "the like (golden.py, RULES)")
    args = parser.parse_args()
    entries = json.load(open(os.path.join(HERE, "fixtures", "MANIFEST.json")))
    worlds = [int(world) for world in args.worlds.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        checker = Checker(args, folder)
        for entry in entries:
            if not any(fnmatch.fnmatch(entry["file"], pattern) for pattern in args.patterns):
                continue
            if entry["expected"].startswith("refused"):
                checker.check_refusal(entry)
            elif entry["golden"]:
                for path, world in goldens_of(entry, args.kinds.split(","), worlds):
                    checker.check(entry, path, world)
    print(f"{checker.runs} runs, {checker.checks - checker.runs} other checks, {checker.failures} failed")
    # A pattern that selects nothing is a mistake in the test.
    return 1 if checker.failures or not checker.checks else 0


if __name__ == "__main__":
    sys.exit(main())
