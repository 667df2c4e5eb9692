//===- PlanCheckTest.cpp - Records against the memory plan ----------------===//

#include "core/PlanCheck.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace fsdprt;
using testing::HasSubstr;

namespace {

/// Three operations over a state buffer 0 and work buffers: 1 is written by
/// operation 0 and read by 1; 2 by 1 and 2; 3, at the bytes of 1, by 2.
class PlanCheck : public testing::Test {
protected:
  PlanCheck() {
    manifest.arenas = {{"state", 64}, {"work", 192}};
    manifest.plannedPeakBytes = 256;
    manifest.phases = {{"step", "step", Runs::Microbatch}};
    manifest.buffers = {makeBuffer(0, "weights", 0, 0, 64, 0, 0),
                        makeBuffer(1, "a", 1, 0, 64, 0, 1),
                        makeBuffer(2, "b", 1, 64, 128, 1, 2),
                        makeBuffer(3, "c", 1, 0, 64, 2, 2)};
    manifest.buffers[0].phase = "";
    args = {
        {{0, FSDPRT_ACCESS_READ, 0, 64, 0}, {1, FSDPRT_ACCESS_WRITE, 0, 64, 1}},
        {{1, FSDPRT_ACCESS_READ, 0, 64, 1},
         {1, FSDPRT_ACCESS_WRITE, 64, 128, 2}},
        {{1, FSDPRT_ACCESS_READ, 64, 128, 2},
         {1, FSDPRT_ACCESS_WRITE, 0, 64, 3}}};
  }

  static BufferSpec makeBuffer(int64_t id, const char *name, int32_t arena,
                               int64_t offset, int64_t bytes, int64_t first,
                               int64_t last) {
    BufferSpec buffer;
    buffer.id = id;
    buffer.name = name;
    buffer.kind = "activation";
    buffer.phase = "step";
    buffer.arena = arena;
    buffer.offset = offset;
    buffer.bytes = bytes;
    buffer.first = first;
    buffer.last = last;
    return buffer;
  }

  std::string check() {
    Recorder recorder(2);
    recorder.beginPhase("step");
    ops.clear();
    for (const std::vector<fsdprt_arg> &list : args)
      ops.push_back(
          {"op", "", "", list.data(), nullptr, int32_t(list.size()), 0, 0, -1});
    for (size_t i = 0; i < ops.size(); ++i)
      recorder.record(i, ops[i]);
    return checkPlan(manifest, recorder).message();
  }

  Manifest manifest;
  std::vector<std::vector<fsdprt_arg>> args;
  std::vector<fsdprt_op> ops;
};

} // namespace

TEST_F(PlanCheck, AcceptsWhatIsPlanned) { EXPECT_EQ(check(), ""); }

TEST_F(PlanCheck, AcceptsAParameterInPieces) {
  args[0] = {{1, FSDPRT_ACCESS_WRITE, 0, 32, 1},
             {1, FSDPRT_ACCESS_WRITE, 32, 32, 1},
             {0, FSDPRT_ACCESS_READ, 0, 64, 0}};
  EXPECT_EQ(check(), "");
}

TEST_F(PlanCheck, CatchesABufferPlannedTooLarge) {
  args[0][1].bytes = 32;
  args[1][0].bytes = 32;
  EXPECT_THAT(check(), HasSubstr("planned with 64 bytes but bytes [0, 32)"));
}

TEST_F(PlanCheck, CatchesAnAccessBeyondItsBuffer) {
  args[1][0].bytes = 128;
  EXPECT_THAT(check(), HasSubstr("operation 1 ('op') of phase 'step' touches "
                                 "bytes [0, 128) of arena 1 as buffer 1"));
}

TEST_F(PlanCheck, CatchesAnotherPlace) {
  args[1][1].offset = 0;
  EXPECT_THAT(check(), HasSubstr("planned at [64, 192)"));
}

TEST_F(PlanCheck, CatchesAnUnknownBuffer) {
  args[1][1].buffer = 9;
  EXPECT_THAT(check(), HasSubstr("buffer 9, which is not in the plan"));
}

TEST_F(PlanCheck, CatchesUseAfterThePlannedLife) {
  args[2].push_back({1, FSDPRT_ACCESS_READ, 0, 64, 1});
  EXPECT_THAT(check(),
              HasSubstr("lives over operations [0, 2] of phase 'step', planned "
                        "[0, 1]"));
}

TEST_F(PlanCheck, CatchesEarlyReuseEvenIfThePlanSaysSo) {
  args[2].push_back({1, FSDPRT_ACCESS_READ, 64, 128, 2});
  args[1].push_back({1, FSDPRT_ACCESS_WRITE, 0, 64, 3});
  args[2].push_back({1, FSDPRT_ACCESS_READ, 0, 64, 1});
  manifest.buffers[1].last = 2;
  manifest.buffers[3].first = 1;
  EXPECT_THAT(check(), HasSubstr("share bytes while both are alive"));
}

TEST_F(PlanCheck, CatchesScratchOverTheResult) {
  args[2].push_back({1, FSDPRT_ACCESS_SCRATCH, 0, 64, 4});
  manifest.buffers.push_back(makeBuffer(4, "scratch", 1, 0, 64, 2, 2));
  EXPECT_THAT(check(), HasSubstr("share bytes"));
}

TEST_F(PlanCheck, AcceptsInPlace) {
  args[2][1].offset = 64;
  args[2][1].bytes = 128;
  manifest.buffers[3].offset = 64;
  manifest.buffers[3].bytes = 128;
  EXPECT_EQ(check(), "");
}

TEST_F(PlanCheck, CatchesReadingBeforeWriting) {
  args[0][1].access = FSDPRT_ACCESS_READ;
  EXPECT_THAT(check(), HasSubstr("before anything wrote it"));
}

TEST_F(PlanCheck, CatchesABufferThatNothingTouches) {
  manifest.buffers.push_back(makeBuffer(5, "d", 1, 0, 64, 0, 0));
  EXPECT_THAT(check(), HasSubstr("no operation touches it"));
}

TEST_F(PlanCheck, CatchesAPeakThatIsNotReached) {
  manifest.arenas[1].bytes = 256;
  manifest.plannedPeakBytes = 320;
  EXPECT_THAT(check(),
              HasSubstr("measured peak is 256 bytes, planned are 320"));
}

TEST(Recorder, RecordsWhatDiffersInALaterRun) {
  Recorder recorder(1);
  fsdprt_arg first = {0, FSDPRT_ACCESS_WRITE, 0, 64, 0};
  fsdprt_arg second = {0, FSDPRT_ACCESS_WRITE, 64, 64, 1};
  fsdprt_op a = {"a", "", "", &first, nullptr, 1, 0, 0, -1};
  fsdprt_op b = {"b", "", "", &second, nullptr, 1, 0, 0, -1};
  EXPECT_EQ(recorder.beginPhase("init"), 0);
  EXPECT_EQ(recorder.beginPhase("step"), 1);
  recorder.record(0, a);
  EXPECT_EQ(recorder.peakBytes(), 64);
  ASSERT_EQ(recorder.phases()[1].operations[0].accesses.size(), 1u);
  recorder.beginPhase("step");
  recorder.record(0, b);
  EXPECT_EQ(recorder.peakBytes(), 128);
  EXPECT_EQ(recorder.phases()[1].operations[0].accesses.size(), 2u);
}
