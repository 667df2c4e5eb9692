#!/usr/bin/env python3
"""The measured timeline (fsdp-run --trace) against the plan and the metrics."""
import collections
import json
import os
import unittest

from harness import RUN, TOKENS, ToolTest, content, execute, lines_of
from report import embedded

STREAMS = ["compute", "gather", "reduce", "copy"]


def name_of(dispatch):
    return " ".join(filter(None, [dispatch["unit"], dispatch["name"]]))


class Trace(ToolTest):
    def run_traced(self, program, *flags):
        trace = self.path("trace.json")
        self.train(program, "--steps", "5", "--trace", trace, *flags)
        return json.loads(content(trace))

    def events(self, trace):
        """Complete events by (rank, step)."""
        runs = collections.defaultdict(list)
        for event in trace["traceEvents"]:
            if event["ph"] == "X":
                runs[event["pid"], event["args"]["step"]].append(event)
        return runs

    def check_run(self, events, planned):
        """Every dispatch of the plan once, on its stream and under its name;
        streams do not overlap themselves, and all lie within the step."""
        dispatches = [e for e in events if e["cat"] == "dispatch"]
        dispatches.sort(key=lambda e: e["args"]["index"])
        self.assertEqual([(e["args"]["index"], e["name"], e["tid"], e["args"]["unit"], e["args"]["scope"],
                           e["args"]["bytes"]) for e in dispatches],
                         [(i, name_of(d), d["stream"], d["unit"], d["scope"], d["bytes"])
                          for i, d in enumerate(planned)])
        phase, = [e for e in events if e["cat"] == "phase"]
        rounding = 0.002  # microseconds
        for stream in range(4):
            at = phase["ts"]
            last = None
            mine = [e for e in events if e["tid"] == stream and e["cat"] != "phase"]
            # A join's wait lies within the join.
            for event in sorted(mine, key=lambda e: (e["ts"], -e["dur"])):
                self.assertGreaterEqual(event["dur"], 0)
                if last and last["args"]["index"] == event["args"]["index"] and last["name"] == "join":
                    self.assertLessEqual(event["ts"] + event["dur"], last["ts"] + last["dur"] + rounding)
                    continue
                self.assertGreaterEqual(event["ts"] + rounding, at, event)
                at, last = event["ts"] + event["dur"], event
            self.assertLessEqual(at, phase["ts"] + phase["dur"] + rounding)
        # What a dispatch waits for has ended.
        for event, dispatch in zip(dispatches, planned):
            for index in dispatch["waits"]:
                before = dispatches[index]
                self.assertGreaterEqual(event["ts"] + rounding, before["ts"] + before["dur"])

    def check(self, world, *flags, steps=(3, 4, 5)):
        report = self.path("plan.html")
        program = self.program("p.fsdp", "--mesh", f"shard={world}", "--report", report)
        planned = [p for p in embedded(report)["phases"] if p["runs"] in ("microbatch", "update")]
        self.assertEqual(len(planned), 2)
        trace = self.run_traced(program, *flags)
        runs = self.events(trace)
        self.assertEqual(set(runs), {(rank, s) for rank in range(world) for s in steps})
        for events in runs.values():
            for phase in planned:
                self.check_run([e for e in events if e["args"]["phase"] == phase["name"]], phase["dispatches"])
        names = {(e["name"], e["pid"], e.get("tid")): e["args"] for e in trace["traceEvents"] if e["ph"] == "M"}
        for rank in range(world):
            self.assertEqual(names["process_name", rank, None], {"name": f"rank {rank}"})
            for stream, name in enumerate(STREAMS):
                self.assertEqual(names["thread_name", rank, stream], {"name": name})
        # The clocks are one: in each step the ranks were at work together.
        for s in steps:
            phases = [e for rank in range(world) for e in runs[rank, s]
                      if e["cat"] == "phase" and e["args"]["phase"] == "step"]
            self.assertLess(max(e["ts"] for e in phases), min(e["ts"] + e["dur"] for e in phases))
        self.assertEqual(sorted(os.listdir(self.folder)), ["p.fsdp", "plan.html", "trace.json"])

    def test_ranks_that_are_processes(self):
        self.check(2)

    def test_ranks_that_are_threads(self):
        self.check(3, "--comm", "thread")

    def test_one_rank_and_chosen_steps(self):
        self.check(1, "--trace-steps", "2:3", steps=(2, 3))

    def test_waits_are_what_the_metrics_call_exposed(self):
        program, metrics = self.program("p.fsdp", "--mesh", "shard=2"), self.path("m.jsonl")
        trace = self.run_traced(program, "--comm", "thread", "--comm-delay", "5", "--metrics", metrics)
        runs = self.events(trace)
        for line in lines_of(metrics)[2:]:
            events = runs[0, line["step"]]
            waits = [e for e in events if e["cat"] == "wait"]
            blocked = sum(e["dur"] for e in waits) / 1000
            self.assertGreater(len(waits), 2)
            self.assertAlmostEqual(blocked, line["exposed_comm_ms"], delta=0.02 * line["exposed_comm_ms"] + 0.5)
            self.assertTrue(any("all_gather" in e["name"] for e in waits))

    def test_bad_input(self):
        program = self.program("p.fsdp")
        data = ["--data", TOKENS]
        missing = os.path.join(self.folder, "no", "trace.json")
        self.assertOneError(execute(RUN, program, *data, "--steps", "2", "--trace", missing), missing)
        self.assertOneError(execute(RUN, program, *data, "--steps", "2", "--trace-steps", "0:1"), "is for --trace")
        for steps, words in ("1", "expected two numbers"), ("2:1", "A <= B"), ("0:1", "1 <= A"), ("0:9", "which is 2"), ("a:b", "'a:b'"):
            self.assertOneError(execute(RUN, program, *data, "--steps", "2", "--trace", self.path("t.json"),
                                        "--trace-steps", steps), words)
        self.assertFalse(os.path.exists(self.path("t.json")))


if __name__ == "__main__":
    unittest.main()
