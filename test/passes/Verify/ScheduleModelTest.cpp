//===- ScheduleModelTest.cpp - Rules, and agreement with every run --------===//
#include "RandomSchedule.h"
#include "ScheduleSimulator.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>

using namespace fsdp::schedule;

//===----------------------------------------------------------------------===//
// Each rule
//===----------------------------------------------------------------------===//

namespace {
constexpr size_t kCompute = 0, kGather = 1, kReduce = 2;

Dispatch gather(const char *unit, int64_t begin, std::vector<size_t> waits) {
  return {kGather,
          std::move(waits),
          {{1, begin, begin + 64, true}},
          Collective{0, "all_gather", unit, 64}};
}
Dispatch reduce(const char *unit, int64_t begin, std::vector<size_t> waits) {
  return {kReduce,
          std::move(waits),
          {{1, begin, begin + 64, true}},
          Collective{1, "reduce_scatter", unit, 64}};
}
Dispatch compute(int64_t begin, std::vector<size_t> waits) {
  return {kCompute, std::move(waits), {{1, begin, begin + 64, false}}, {}};
}

/// Two ranks, and a communicator of both for gathers and one for reductions.
Schedule onTwoRanks(std::vector<Dispatch> first, std::vector<Dispatch> second) {
  return {{std::move(first), std::move(second)}, {{0, 1}, {0, 1}}};
}
Schedule onBoth(const std::vector<Dispatch> &program) {
  return onTwoRanks(program, program);
}

std::optional<Rule> ruleOf(const Schedule &schedule) {
  auto found = findViolation(schedule);
  return found ? std::optional<Rule>(found->rule) : std::nullopt;
}
} // namespace

TEST(ScheduleModel, AcceptsAGatherThatIsWaitedFor) {
  EXPECT_EQ(ruleOf(onBoth({gather("a", 0, {}), compute(0, {0}),
                           gather("b", 0, {1}), compute(0, {2})})),
            std::nullopt);
  EXPECT_EQ(ruleOf({}), std::nullopt);
}

TEST(ScheduleModel, ReuseBeforeTheEvent) {
  auto found = findViolation(
      onBoth({gather("a", 0, {}), compute(0, {0}), gather("b", 32, {})}));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->rule, Rule::Race);
  EXPECT_TRUE((found->at == Place{found->at.rank, 2} ||
               *found->other == Place{found->at.rank, 2}));
}

TEST(ScheduleModel, TouchingRangesAreApart) {
  EXPECT_EQ(ruleOf(onBoth(
                {gather("a", 0, {}), compute(0, {0}), gather("b", 64, {})})),
            std::nullopt);
}

TEST(ScheduleModel, ReadersMayOverlap) {
  Dispatch reader{kReduce, {0}, {{1, 0, 64, false}}, {}};
  EXPECT_EQ(ruleOf(onBoth({gather("a", 0, {}), compute(0, {0}), reader})),
            std::nullopt);
  // A writer behind one of the two is not behind the other.
  EXPECT_EQ(ruleOf(onBoth({gather("a", 0, {}), compute(0, {0}), reader,
                           gather("b", 0, {1})})),
            Rule::Race);
  EXPECT_EQ(ruleOf(onBoth({gather("a", 0, {}), compute(0, {0}), reader,
                           gather("b", 0, {1, 2})})),
            std::nullopt);
}

TEST(ScheduleModel, IssueOrderOrdersNothing) {
  // On the CPU the reader has ended when the gather is issued; elsewhere not.
  EXPECT_EQ(ruleOf(onBoth({compute(0, {}), gather("a", 0, {})})), Rule::Race);
}

TEST(ScheduleModel, AnEventOfALaterDispatch) {
  EXPECT_EQ(ruleOf(onBoth({compute(0, {1}), gather("a", 0, {})})), Rule::Event);
  EXPECT_EQ(ruleOf(onBoth({compute(0, {0})})), Rule::Event);
}

TEST(ScheduleModel, ACommunicatorOnTwoStreams) {
  Dispatch other = gather("b", 64, {0});
  other.stream = kReduce;
  auto found = findViolation(onBoth({gather("a", 0, {}), other}));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->rule, Rule::Stream);
  EXPECT_EQ(found->at.dispatch, 1u);
  EXPECT_EQ(found->other->dispatch, 0u);
}

TEST(ScheduleModel, AMemberThatIssuesAnotherOrder) {
  auto found =
      findViolation(onTwoRanks({gather("a", 0, {}), gather("b", 64, {})},
                               {gather("b", 64, {}), gather("a", 0, {})}));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->rule, Rule::Order);
  EXPECT_EQ(found->at, (Place{1, 0}));
  EXPECT_EQ(*found->other, (Place{0, 0}));
}

TEST(ScheduleModel, AMemberThatIssuesOneMore) {
  auto found = findViolation(onTwoRanks(
      {gather("a", 0, {})}, {gather("a", 0, {}), gather("b", 64, {})}));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->rule, Rule::Order);
  EXPECT_EQ(found->at, (Place{1, 1}));
  EXPECT_FALSE(found->other);
}

TEST(ScheduleModel, AMemberWithOtherBytesOrAnotherKind) {
  Dispatch bytes = gather("a", 0, {}), kind = bytes;
  bytes.collective->bytes = 128;
  kind.collective->kind = "reduce_scatter";
  for (const Dispatch &other : {bytes, kind})
    EXPECT_EQ(ruleOf(onTwoRanks({gather("a", 0, {})}, {other})), Rule::Order);
}

TEST(ScheduleModel, ARankThatIsNoMember) {
  Schedule schedule = onBoth({gather("a", 0, {})});
  schedule.communicators[0] = {0};
  EXPECT_EQ(ruleOf(schedule), Rule::Order);
}

TEST(ScheduleModel, CyclicWaitsBetweenCommunicators) {
  auto found =
      findViolation(onTwoRanks({gather("a", 0, {}), reduce("a", 64, {0})},
                               {reduce("a", 64, {}), gather("a", 0, {0})}));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->rule, Rule::Cycle);
  EXPECT_EQ(found->cycle.size(), 4u);
}

TEST(ScheduleModel, CyclicWaitsThroughTheIssueOrder) {
  // Rank 0 issues the reduction when its compute has ended, which waits for the
  // gather; rank 1 gathers after the reduction.
  EXPECT_EQ(ruleOf(onTwoRanks(
                {gather("a", 0, {}), compute(0, {0}), reduce("a", 64, {})},
                {reduce("a", 64, {}), gather("a", 0, {0})})),
            Rule::Cycle);
}

TEST(ScheduleModel, GroupsOfAMeshThatCross) {
  // 2 x 2 ranks, rows 0 and 1, columns 2 and 3; one rank takes its column
  // first.
  auto on = [](size_t communicator, std::vector<size_t> waits) {
    return Dispatch{1 + communicator / 2,
                    std::move(waits),
                    {},
                    Collective{communicator, "all_reduce", "", 4}};
  };
  Schedule schedule;
  schedule.communicators = {{0, 1}, {2, 3}, {0, 2}, {1, 3}};
  schedule.ranks = {{on(0, {}), on(2, {0})},
                    {on(0, {}), on(3, {0})},
                    {on(1, {}), on(2, {0})},
                    {on(1, {}), on(3, {0})}};
  EXPECT_EQ(ruleOf(schedule), std::nullopt);
  schedule.ranks[2] = {on(2, {}), on(1, {0})};
  EXPECT_EQ(ruleOf(schedule), std::nullopt);
  schedule.ranks[1] = {on(3, {}), on(0, {0})};
  EXPECT_EQ(ruleOf(schedule), Rule::Cycle);
}

TEST(ScheduleModel, ThePeerOrdersToo) {
  // What reads before the gather has ended when the reduction ends: rank 1
  // reduces after its gather, which needs rank 0's.
  std::vector<Dispatch> first = {
      {kGather, {}, {{1, 0, 64, false}}, {}},
      {kGather, {}, {}, Collective{0, "all_gather", "a", 64}},
      {kReduce, {}, {}, Collective{1, "reduce_scatter", "a", 64}},
      {kReduce, {}, {{1, 0, 64, true}}, {}}};
  std::vector<Dispatch> second = {
      {kGather, {}, {}, Collective{0, "all_gather", "a", 64}},
      {kReduce, {0}, {}, Collective{1, "reduce_scatter", "a", 64}}};
  EXPECT_EQ(ruleOf(onTwoRanks(first, second)), std::nullopt);
  // But the reduction is in progress from its own start.
  first[2].touches = {{1, 0, 64, true}};
  first.pop_back();
  EXPECT_EQ(ruleOf(onTwoRanks(first, second)), Rule::Race);
}

//===----------------------------------------------------------------------===//
// Agreement with every run
//===----------------------------------------------------------------------===//

namespace {
/// The model's first violation is one that some run shows.
void expectAgreement(const std::optional<Violation> &found,
                     const Outcome &outcome) {
  if (!found) {
    EXPECT_TRUE(outcome.ok());
    return;
  }
  switch (found->rule) {
  case Rule::Event:
    EXPECT_TRUE(outcome.badEvent);
    return;
  case Rule::Stream:
    EXPECT_TRUE(outcome.twoStreams);
    return;
  case Rule::Order: // a sequence that is shorter leaves the others waiting
    EXPECT_TRUE(outcome.mismatch || outcome.deadlock);
    return;
  case Rule::Cycle:
    EXPECT_TRUE(outcome.deadlock);
    EXPECT_FALSE(outcome.mismatch);
    return;
  case Rule::Race:
    EXPECT_TRUE(outcome.hasRace(found->at, *found->other));
    EXPECT_FALSE(outcome.deadlock || outcome.mismatch);
    return;
  }
}
} // namespace

TEST(ScheduleModel, AgreesWithEveryRunOfRandomMutants) {
  RandomSchedule random(20240607);
  std::array<int, 6> counts{}; // by rule, and good
  for (int i = 0; i < 1000; ++i) {
    SCOPED_TRACE("mutant " + std::to_string(i));
    Schedule schedule = random.makeGood();
    Outcome outcome = simulate(schedule);
    ASSERT_TRUE(outcome.ok()) << toString(schedule);
    ASSERT_FALSE(findViolation(schedule)) << toString(schedule);
    random.mutate(schedule);
    auto found = findViolation(schedule);
    expectAgreement(found, simulate(schedule));
    if (testing::Test::HasFailure())
      FAIL() << toString(schedule);
    ++counts[found ? size_t(found->rule) : counts.size() - 1];
  }
  // A healthy share breaks each rule, and keeps all of them.
  const char *names[] = {"event", "stream", "order", "cycle", "race", "none"};
  for (size_t i = 0; i < counts.size(); ++i) {
    RecordProperty(names[i], counts[i]);
    EXPECT_GE(counts[i], 50) << names[i];
  }
}

//===----------------------------------------------------------------------===//
// Size
//===----------------------------------------------------------------------===//

/// A model of many layers: each gathers, computes in buffers that all layers
/// share, and reduces.
static std::vector<Dispatch> manyLayers(size_t layers) {
  std::vector<Dispatch> program;
  std::optional<size_t> lastCompute, lastReduce;
  for (size_t layer = 0; layer < layers; ++layer) {
    std::string unit = "h." + std::to_string(layer);
    program.push_back(gather(unit.c_str(), 0, {}));
    if (lastCompute)
      program.back().waits = {*lastCompute};
    size_t gathered = program.size() - 1;
    for (int i = 0; i < 123; ++i) {
      Dispatch kernel = compute(0, {gathered});
      for (int64_t use = 0; use < 4; ++use) {
        int64_t begin = 1024 + 512 * ((i * 7 + use) % 97);
        kernel.touches.push_back({2, begin, begin + 1024, use == 0});
      }
      program.push_back(kernel);
    }
    lastCompute = program.size() - 1;
    program.push_back(reduce(unit.c_str(), 256, {*lastCompute}));
    lastReduce = program.size() - 1;
  }
  return program;
}

TEST(ScheduleModel, EightyLayersAreQuick) {
  Schedule schedule = onBoth(manyLayers(80));
  EXPECT_EQ(schedule.ranks[0].size(), 10000u);
  auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(ruleOf(schedule), std::nullopt);
  std::chrono::duration<double> seconds =
      std::chrono::steady_clock::now() - start;
  RecordProperty("milliseconds", int(seconds.count() * 1000));
  // All pairs would take minutes; a busy machine gets no false alarm.
  EXPECT_LT(seconds.count(), 10);
  schedule.ranks[1][5001].stream = kReduce; // a kernel between two others
  EXPECT_EQ(ruleOf(schedule), Rule::Race);
}
