#!/usr/bin/env python3
"""The page of fsdp-compile --report: its numbers are the manifest's."""
import collections
import html.parser
import json
import os
import unittest

from harness import COMPILE, DIMS, LOSS, NANOGPT, ToolTest, content, execute

TIMES = 1e-9  # seconds: rounding of printed numbers


class Page(html.parser.HTMLParser):
    """Data element, and everything that a browser would fetch."""

    def __init__(self):
        super().__init__()
        self.data, self.inside, self.fetched, self.tags = "", False, [], []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        self.inside = tag == "script" and attributes.get("id") == "data"
        self.fetched += [attributes[name] for name in ("src", "href") if name in attributes]

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        self.data += data if self.inside else ""


def embedded(path):
    page = Page()
    page.feed(content(path).decode())
    return json.loads(page.data)


def union(buffers):
    """Bytes that the buffers hold, those they share once."""
    total = 0
    for arena in {b["arena"] for b in buffers}:
        end = 0
        for b in sorted((b for b in buffers if b["arena"] == arena), key=lambda b: b["offset"]):
            begin, end_of = max(b["offset"], end), b["offset"] + b["bytes"]
            total += max(0, end_of - begin)
            end = max(end, end_of)
    return total


class Report(ToolTest):
    def page(self, *flags):
        path, program = self.path("plan.html"), self.program("p.fsdp", "--report", self.path("plan.html"), *flags)
        return path, embedded(path), json.loads(content(program + "/manifest.json"))

    def test_it_is_one_file(self):
        path, data, _ = self.page("--mesh", "shard=2")
        page = Page()
        page.feed(content(path).decode())
        self.assertEqual(page.fetched, [])
        self.assertEqual(page.tags.count("script"), 2)
        text = content(path).decode()
        for word in "http://", "https://", "url(", "@import", "{{":
            self.assertNotIn(word, text.replace("http://www.w3.org", ""))
        self.assertEqual(data["format"], "fsdp-compile report")

    def test_numbers_are_the_manifests(self):
        for world in 1, 2, 5:
            with self.subTest(world=world):
                _, data, manifest = self.page("--mesh", f"shard={world}")
                self.assertEqual(data["world"], world)
                self.assertEqual(data["peak_bytes"], manifest["planned_peak_bytes"])
                self.assertEqual(data["arenas"], manifest["arenas"])
                self.assertEqual([p["name"] for p in data["phases"]], [p["name"] for p in manifest["phases"]])
                self.assertEqual([u["name"] for u in data["units"]], [u["name"] for u in manifest["units"]])
                self.check_buffers(data, manifest)
                for phase in data["phases"]:
                    self.check_memory(data, phase)
                    self.check_times(phase)
                for unit, known in zip(data["units"], manifest["units"]):
                    self.assertEqual(unit["elements"], sum(line["elements"] for line in known["lines"]))
                    self.assertEqual(unit["shard_bytes"], sum(line["shard"]["bytes"] for line in known["lines"]))

    def check_buffers(self, data, manifest):
        self.assertEqual(len(data["buffers"]), len(manifest["buffers"]))
        for shown, planned in zip(data["buffers"], manifest["buffers"]):
            for key in "id", "name", "unit", "kind", "arena", "offset", "bytes", "phase", "first":
                self.assertEqual(shown[key], planned[key])
            self.assertEqual(shown.get("until"), planned.get("until"))
            # Until a collective that uses it is known to have ended.
            self.assertGreaterEqual(shown["last"], planned["last"])

    def check_memory(self, data, phase):
        """The kinds' sums are the bytes that are alive, at every dispatch."""
        self.assertEqual(len(phase["live"]), len(phase["dispatches"]))
        names = [p["name"] for p in data["phases"]]

        def is_alive(buffer, place):
            if "runs" in data["arenas"][buffer["arena"]]:
                return False
            if not buffer["phase"]:
                return True
            number = names.index(phase["name"])
            begin = names.index(buffer["phase"]), buffer["first"]
            end = names.index(buffer.get("until", buffer["phase"])), buffer["last"]
            return begin <= (number, place) <= end

        for place, live in enumerate(phase["live"]):
            alive = [b for b in data["buffers"] if is_alive(b, place)]
            self.assertEqual(sum(live), union(alive))
            for kind, size in zip(data["kinds"], live):
                self.assertLessEqual(size, sum(b["bytes"] for b in alive if b["kind"] == kind))
        sums = [sum(live) for live in phase["live"]]
        self.assertEqual(phase["peak"]["bytes"], max(sums))
        self.assertEqual(phase["peak"]["bytes"], sums[phase["peak"]["at"]])
        self.assertLessEqual(max(sums), data["peak_bytes"])

    def check_times(self, phase):
        """The simulated run keeps to streams, events and issue order."""
        host, streams = 0, collections.defaultdict(float)
        for d in phase["dispatches"]:
            before = [phase["dispatches"][w]["end"] for w in d["waits"]]
            self.assertAlmostEqual(d["issued"], host, delta=TIMES)
            self.assertAlmostEqual(d["start"], max([host, streams[d["stream"]]] + before), delta=TIMES)
            self.assertGreaterEqual(d["end"], d["start"])
            if d["op"] == "join":
                self.assertAlmostEqual(d["end"], max([d["start"], *streams.values()]), delta=TIMES)
            streams[d["stream"]] = d["end"]
            if d["stream"] == 0:
                host = d["end"]
        self.assertAlmostEqual(phase["seconds"], host, delta=TIMES)

    def test_every_dispatch_that_runs_is_there(self):
        _, data, _ = self.page("--mesh", "shard=2")
        records = self.path("records.json")
        metrics = self.path("m.jsonl")
        self.train(self.path("p.fsdp"), "--comm", "thread", "--steps", "2", "--records", records, "--metrics", metrics,
                   "--save", self.path("w.safetensors"))
        recorded = json.loads(content(records))
        self.assertEqual({p["name"]: [(o["name"], o["unit"], o["stream"]) for o in p["operations"]]
                          for p in recorded["phases"]},
                         {p["name"]: [(d["name"], d["unit"], d["stream"]) for d in p["dispatches"]]
                          for p in data["phases"] if p["runs"] in ("once", "microbatch", "update", "save")})
        step, = [p for p in data["phases"] if p["runs"] == "microbatch"]
        line = json.loads(content(metrics).splitlines()[0])
        self.assertEqual(step["gathered_bytes"], line["gathered_bytes"])
        self.assertEqual(step["reduced_bytes"], line["reduced_bytes"])
        self.assertEqual(data["peak_bytes"], line["measured_peak_bytes"])

    def test_cost_model(self):
        slow = self.page("--mesh", "shard=2", "--cost-model", "network=1e6,latency=0")[1]
        fast = self.page("--mesh", "shard=2")[1]
        self.assertEqual((slow["cost"]["network"], slow["cost"]["latency"]), (1e6, 0))
        seconds = [next(p for p in d["phases"] if p["runs"] == "microbatch")["exposed_seconds"] for d in (slow, fast)]
        self.assertGreater(seconds[0], 10 * seconds[1])
        gathers = [d for p in slow["phases"] for d in p["dispatches"] if d["op"] == "all_gather"]
        for gather in gathers:  # half a line goes over the network, and is half of the line
            self.assertGreater(gather["end"] - gather["start"], gather["payload"] / 2 / 1e6)

    def test_a_gpus_predictions(self):
        """The chip's numbers, but for those given; a host that is ahead of all streams."""
        def page(*flags):
            path = self.path("gpu.html")
            result = execute(COMPILE, NANOGPT, *DIMS, *LOSS, "--mesh", "shard=2", "--report", path, *flags)
            self.assertEqual(result[0], 0, result[2])
            data = embedded(path)
            return data, next(p for p in data["phases"] if p["runs"] == "microbatch")

        speeds = {}
        for arch, memory in ("sm_80", 2.039e12), ("sm_90", 3.35e12), ("sm_100", 8e12):
            data, step = page("--target", "cuda", "--gpu-arch", arch, "--cost-model", "network=5e10")
            self.assertEqual((data["cost"]["memory"], data["cost"]["network"]), (memory, 5e10))
            self.assertEqual({d["issued"] for d in step["dispatches"]}, {0})
            speeds[arch] = data["cost"]["gemm-bf16"], step["compute_seconds"]
        self.assertEqual([speed for speed, _ in speeds.values()], [312e12, 989.4e12, 2250e12])
        data, step = page()
        self.assertEqual(data["cost"]["memory"], 8e9)
        self.assertGreater(len({d["issued"] for d in step["dispatches"]}), 10)
        self.assertGreater(step["compute_seconds"], 2 * speeds["sm_80"][1])

    def test_only_a_report_is_written(self):
        result = execute(COMPILE, NANOGPT, *DIMS, *LOSS, "--report", self.path("plan.html"))
        self.assertEqual(result[0], 0, result[2])
        self.assertEqual(os.listdir(self.folder), ["plan.html"])

    def test_the_planned_program_has_the_same_page(self):
        plan = self.path("plan.mlir")
        _, data, _ = self.page("--mesh", "shard=2", "--emit-ir", plan)
        result = execute(COMPILE, plan, "--report", self.path("again.html"))
        self.assertEqual(result[0], 0, result[2])
        self.assertEqual(embedded(self.path("again.html")), data)

    def measure(self, *flags):
        program, trace = self.program("q.fsdp", *flags), self.path("trace.json")
        self.train(program, "--comm", "thread", "--steps", "5", "--trace", trace)
        return trace

    def test_measured_over_planned(self):
        trace = self.measure("--mesh", "shard=2")
        _, data, _ = self.page("--mesh", "shard=2", "--measured", trace)
        step, = [p for p in data["phases"] if p["runs"] == "microbatch"]
        measured = data["measured"][step["name"]]
        self.assertEqual(measured["steps"], 3)
        self.assertIn(measured["step"], (3, 4, 5))
        self.assertEqual([r["rank"] for r in measured["ranks"]], [0, 1])
        events = {}
        for e in json.loads(content(trace))["traceEvents"]:
            if (e["ph"] == "X" and e["pid"] == 0 and e["args"]["step"] == measured["step"]
                    and e["args"]["phase"] == step["name"]):
                events[e["cat"], e["args"].get("index")] = e
        origin = events["phase", None]["ts"]
        self.assertEqual(len(measured["dispatches"]), len(step["dispatches"]))
        for place, (begin, end) in enumerate(measured["dispatches"]):
            event = events["dispatch", place]
            self.assertAlmostEqual(begin, (event["ts"] - origin) / 1e6, delta=1e-8)
            self.assertAlmostEqual(end - begin, event["dur"] / 1e6, delta=1e-8)
        self.assertAlmostEqual(measured["seconds"], events["phase", None]["dur"] / 1e6, delta=1e-8)
        waits = [(events["wait", place]["name"], place) for kind, place in events if kind == "wait"]
        self.assertEqual(sorted((name, place) for _, _, name, place in measured["waits"]), sorted(waits))

    def test_bad_input(self):
        def failing(*flags, words):
            with self.subTest(words=words):
                result = self.compile("x.fsdp", "--mesh", "shard=2", *flags)
                self.assertOneError(result, *words, output="x.fsdp")
                self.assertFalse(os.path.exists(self.path("plan.html")))
        page = ["--report", self.path("plan.html")]
        missing = os.path.join(self.folder, "no", "plan.html")
        failing("--report", missing, words=[missing, "cannot write --report"])
        failing("--report", self.folder, words=[self.folder, "cannot write --report"])
        failing("--measured", "t.json", words=["--measured is for --report"])
        failing("--cost-model", "gemm=1", words=["--cost-model is for --report"])
        failing(*page, "--cost-model", "gem=1", words=["'gem'", "expected one of gemm, gemm-bf16, memory"])
        failing(*page, "--cost-model", "gemm=0", words=["gemm is '0'", "positive"])
        failing(*page, "--measured", self.path("none.json"), words=["cannot read the trace", "none.json"])
        for number, text in enumerate([b"not json", b"{}", b"[1]", b'{"traceEvents": [3], "otherData": {}}',
                                       b'{"traceEvents": [], "otherData": {"format": "fsdp-run trace"}}',
                                       b'{"traceEvents": [3], "otherData": {"format": "fsdp-run trace"}}']):
            failing(*page, "--measured", self.write(f"bad{number}.json", text),
                    words=["is not a trace of a run", "fsdp-run --trace"])
        trace = self.measure("--mesh", "shard=3")
        failing(*page, "--measured", trace, words=["another program", "3 ranks, planned are 2"])
        trace = self.measure("--mesh", "shard=2", "--clip-grad-norm", "1")
        failing(*page, "--measured", trace, words=["another program", "dispatch"])


if __name__ == "__main__":
    unittest.main()
