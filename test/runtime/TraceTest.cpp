//===- TraceTest.cpp - The rings, and what is written of them -------------===//

#include "core/Trace.h"
#include "trainer/TraceFile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace fsdprt;
using testing::ElementsAre;

namespace {

fsdprt_op makeOp(const char *name, const char *unit, int32_t stream,
                 int32_t record) {
  fsdprt_op op = {};
  op.name = name;
  op.unit = unit;
  op.scope = "";
  op.stream = stream;
  op.record = record;
  return op;
}

void addDispatch(Trace &trace, const fsdprt_op &op, int64_t index,
                 int64_t begin, int64_t end) {
  trace.add(Trace::Program, TraceSpan::Kind::Dispatch, &op, index, begin, end);
}

std::vector<int64_t> stepsOf(const Trace &trace) {
  std::vector<int64_t> steps;
  for (const TraceSpan &span : trace.take())
    steps.push_back(span.step);
  return steps;
}

std::vector<nlohmann::json> eventsOf(const std::string &text) {
  std::vector<nlohmann::json> events;
  for (auto &event :
       nlohmann::json::parse("[" + text.substr(0, text.rfind(',')) + "]"))
    if (event["ph"] == "X")
      events.push_back(event);
  return events;
}

} // namespace

TEST(Trace, MeasuresOnlyTheStepsAskedFor) {
  Trace trace(2, 4);
  fsdprt_op op = makeOp("gemm", "", 0, -1);
  for (int64_t step : {-1, 0, 1, 2, 3, 4}) {
    trace.beginPhase("step", step);
    EXPECT_EQ(trace.active(), step == 2 || step == 3);
    if (trace.active())
      addDispatch(trace, op, 0, 0, 1);
    trace.endPhase();
    EXPECT_FALSE(trace.active());
  }
  EXPECT_THAT(stepsOf(trace), ElementsAre(2, 2, 3, 3));
}

TEST(Trace, KeepsTheNewestWholeSteps) {
  // Two spans a step and the phase: 7 spans hold two steps and a bit.
  Trace trace(0, 10, /*capacity=*/7);
  fsdprt_op op = makeOp("gemm", "", 0, -1);
  for (int64_t step = 0; step < 5; ++step) {
    trace.beginPhase("step", step);
    addDispatch(trace, op, 0, 0, 1);
    addDispatch(trace, op, 1, 1, 2);
    trace.endPhase();
  }
  EXPECT_EQ(trace.lost(), 8);
  EXPECT_THAT(stepsOf(trace), ElementsAre(3, 3, 3, 4, 4, 4));
}

TEST(Trace, NamesWhatEndedLastOfAllThatAWaitWaitedFor) {
  Trace trace(0, 1);
  fsdprt_op gather = makeOp("all_gather", "h.3", FSDPRT_STREAM_GATHER, 0);
  fsdprt_op reduce = makeOp("reduce_scatter", "h.4", FSDPRT_STREAM_REDUCE, 1);
  fsdprt_op gemm = makeOp("gemm", "h.3", FSDPRT_STREAM_COMPUTE, -1);
  const int32_t waits[] = {0, 1};
  const fsdprt_arg args[] = {{0, FSDPRT_ACCESS_READ, 0, 100, 0},
                             {0, FSDPRT_ACCESS_WRITE, 0, 20, 1},
                             {0, FSDPRT_ACCESS_SCRATCH, 0, 7, 2}};
  gemm.waits = waits;
  gemm.num_waits = 2;
  gemm.args = args;
  gemm.num_args = 3;
  trace.beginPhase("step", 0);
  addDispatch(trace, gather, 0, 1000, 9000);
  addDispatch(trace, reduce, 1, 1000, 8000);
  trace.add(Trace::Program, TraceSpan::Kind::Wait, &gemm, 2, 2000, 9500);
  addDispatch(trace, gemm, 2, 9500, 12000);
  trace.endPhase();

  auto events = eventsOf(traceEvents(trace, /*rank=*/3, /*clockAhead=*/500));
  ASSERT_EQ(events.size(), 5u);
  EXPECT_EQ(events[0]["name"], "h.3 all_gather");
  EXPECT_EQ(events[0]["tid"], FSDPRT_STREAM_GATHER);
  EXPECT_EQ(events[0]["pid"], 3);
  EXPECT_EQ(events[0]["ts"], 0.5);
  EXPECT_EQ(events[0]["dur"], 8.0);
  EXPECT_EQ(events[2]["name"], "wait for h.3 all_gather");
  EXPECT_EQ(events[2]["cat"], "wait");
  EXPECT_EQ(events[3]["name"], "h.3 gemm");
  EXPECT_EQ(events[3]["args"]["bytes"], 120);
  EXPECT_EQ(events[3]["args"]["unit"], "h.3");
  EXPECT_EQ(events[3]["args"]["index"], 2);
  EXPECT_EQ(events[4]["name"], "step 1");
  EXPECT_EQ(events[4]["cat"], "phase");
}

TEST(Trace, FindsClocksThatAreAheadByTheLeastTimesOnTheWay) {
  // Rank 1 is 1000 ahead, a message takes 50 in each direction; rank 2 is 400
  // behind, 20.
  EXPECT_THAT(clocksAhead({0, 50 - 1000, 20 + 400}, {0, 50 + 1000, 20 - 400}),
              ElementsAre(0, 1000, -400));
}
