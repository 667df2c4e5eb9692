//===- ScheduleTest.cpp - Learning rates, and when a run ends -------------===//

#include "trainer/Schedule.h"
#include "TestProgram.h"
#include "trainer/Budget.h"
#include "trainer/CommandLine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace fsdprt;
using namespace fsdprt::test;
using testing::HasSubstr;

//===----------------------------------------------------------------------===//
// Learning rate
//===----------------------------------------------------------------------===//

TEST(LearningRate, ConstantWithWarmup) {
  RunOptions options;
  options.steps = 100;
  options.learningRate = 0.4;
  options.warmup = 4;
  EXPECT_DOUBLE_EQ(learningRateAt(options, 0), 0);
  EXPECT_DOUBLE_EQ(learningRateAt(options, 1), 0.1);
  EXPECT_DOUBLE_EQ(learningRateAt(options, 4), 0.4);
  EXPECT_DOUBLE_EQ(learningRateAt(options, 99), 0.4);
}

TEST(LearningRate, CosineFromTheWarmupToTheMinimum) {
  RunOptions options;
  options.steps = 110;
  options.learningRate = 1;
  options.minLearningRate = 0.2;
  options.schedule = "cosine";
  options.warmup = 10;
  EXPECT_DOUBLE_EQ(learningRateAt(options, 5), 0.5);
  EXPECT_DOUBLE_EQ(learningRateAt(options, 10), 1);
  EXPECT_NEAR(learningRateAt(options, 60), 0.6, 1e-12);
  EXPECT_NEAR(learningRateAt(options, 110), 0.2, 1e-12);
}

static RunOptions scheduled(const char *name) {
  RunOptions options;
  options.schedule = name;
  options.steps = 110;
  options.learningRate = 1;
  options.minLearningRate = 0.2;
  options.warmup = 10;
  return options;
}

TEST(LearningRate, LinearFromTheWarmupToTheMinimum) {
  RunOptions options = scheduled("linear");
  EXPECT_DOUBLE_EQ(learningRateAt(options, 5), 0.5);
  EXPECT_DOUBLE_EQ(learningRateAt(options, 10), 1);
  EXPECT_DOUBLE_EQ(learningRateAt(options, 60), 0.6);
  EXPECT_DOUBLE_EQ(learningRateAt(options, 109), 0.2 + 0.8 / 100);
}

TEST(LearningRate, InverseSquareRootHalvesAfterFourWarmups) {
  RunOptions options = scheduled("inverse_sqrt");
  EXPECT_DOUBLE_EQ(learningRateAt(options, 5), 0.5);
  EXPECT_DOUBLE_EQ(learningRateAt(options, 10), 1);
  EXPECT_DOUBLE_EQ(learningRateAt(options, 40), 0.5);
  EXPECT_DOUBLE_EQ(learningRateAt(options, 1000), 0.2); // the minimum
  options.warmup = 0;                                   // 10000 steps
  EXPECT_DOUBLE_EQ(learningRateAt(options, 0), 1);
  EXPECT_DOUBLE_EQ(learningRateAt(options, 30000), 0.5);
}

TEST(LearningRate, WarmUpStableDecay) {
  RunOptions options = scheduled("wsd");
  options.decaySteps = 20;
  EXPECT_DOUBLE_EQ(learningRateAt(options, 5), 0.5);
  EXPECT_DOUBLE_EQ(learningRateAt(options, 10), 1);
  EXPECT_DOUBLE_EQ(learningRateAt(options, 90), 1);
  EXPECT_DOUBLE_EQ(learningRateAt(options, 100), 0.6);
  EXPECT_DOUBLE_EQ(learningRateAt(options, 109), 0.2 + 0.8 / 20);
}

TEST(LearningRate, PiecewiseHoldsEachRateUntilTheNext) {
  RunOptions options;
  options.rates = {{1, 0.5}, {3, 0.25}, {10, 0}};
  for (auto [step, rate] : std::map<int64_t, double>{
           {0, 0.5}, {1, 0.5}, {2, 0.25}, {8, 0.25}, {9, 0}, {1000, 0}})
    EXPECT_EQ(learningRateAt(options, step), rate) << step;
}

//===----------------------------------------------------------------------===//
// When a run ends
//===----------------------------------------------------------------------===//

TEST(Budget, ReadsDurations) {
  EXPECT_EQ(parseDuration("90"), 90);
  EXPECT_EQ(parseDuration("90s"), 90);
  EXPECT_EQ(parseDuration("1.5m"), 90);
  EXPECT_EQ(parseDuration("2h"), 7200);
  EXPECT_EQ(parseDuration("1d"), 86400);
  for (const char *text :
       {"", "s", "0", "-1", "1w", "1 h", "1hm", "nan", "inf", "1e20d"})
    EXPECT_EQ(parseDuration(text), std::nullopt) << text;
}

TEST(Budget, TokensBecomeStepsWhereNobodySaysHowMany) {
  Manifest manifest;
  manifest.batch = 2;
  manifest.seq = 32;
  manifest.mesh = {{"shard", 3}}; // 192 tokens a step
  auto stepsFor = [&](int64_t steps, int64_t tokens) {
    RunOptions options;
    options.steps = steps;
    options.maxTokens = tokens;
    setStepsByTokens(options, manifest);
    return options.steps;
  };
  EXPECT_EQ(stepsFor(kNoLastStep, 192), 1);
  EXPECT_EQ(stepsFor(kNoLastStep, 193), 2);
  EXPECT_EQ(stepsFor(kNoLastStep, 1920), 10);
  EXPECT_EQ(stepsFor(7, 1920), 7);
  EXPECT_EQ(stepsFor(kNoLastStep, 0), kNoLastStep);
}

TEST(Budget, TokensThatAreLeftBecomeTheStepsThatFollow) {
  Manifest manifest;
  manifest.batch = 2;
  manifest.seq = 32;
  manifest.mesh = {{"shard", 3}}; // 192 tokens a step, 384 now
  RunOptions options;
  options.steps = kNoLastStep;
  options.maxTokens = 1920;
  options.accumulate = 2;
  options.stepsBefore = 4;
  options.rowsBefore = 4 * 6;
  setStepsByTokens(options, manifest);
  EXPECT_EQ(options.steps, 4 + 3); // 768 of 1,920 tokens are spent
  EXPECT_EQ(options.tokenSteps, 5);
  EXPECT_EQ(schedulePosition(options, manifest, 4, 24), 2);
  options.schedule = "linear";
  options.learningRate = 1;
  EXPECT_DOUBLE_EQ(learningRateAt(options, 2), 0.6);
  options.rates = {{1, 0.5}, {5, 0.25}}; // which name steps as they are told
  EXPECT_EQ(schedulePosition(options, manifest, 4, 24), 4);
  // A smaller budget than what is spent already.
  options.steps = kNoLastStep;
  options.maxTokens = 192;
  setStepsByTokens(options, manifest);
  EXPECT_EQ(options.steps, 4);
}
