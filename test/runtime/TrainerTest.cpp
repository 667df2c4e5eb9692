//===- TrainerTest.cpp - Schedule, rank detection, target, imports --------===//

#include "TestProgram.h"
#include "trainer/Budget.h"
#include "trainer/CommandLine.h"
#include "trainer/MetricsFile.h"
#include "trainer/Program.h"
#include "trainer/RankEnvironment.h"
#include "trainer/SameInput.h"
#include "trainer/SameProgram.h"
#include "trainer/Schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>

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
// Ranks
//===----------------------------------------------------------------------===//

using Variables = std::map<std::string, std::string>;

static Expected<std::optional<RankEnvironment>>
tryToDetect(const Variables &environment) {
  return detectRank([&](const char *name) -> const char * {
    auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  });
}

static std::optional<RankEnvironment> detect(const Variables &environment) {
  auto detected = tryToDetect(environment);
  EXPECT_TRUE(detected.ok()) << detected.status().message();
  return detected.ok() ? *detected : std::nullopt;
}

TEST(RankEnvironment, KnowsItsLaunchers) {
  EXPECT_FALSE(detect({}));
  auto torchrun = detect({{"RANK", "1"}, {"WORLD_SIZE", "4"}});
  ASSERT_TRUE(torchrun);
  EXPECT_EQ(torchrun->launcher, "torchrun");
  auto mpirun = detect({{"OMPI_COMM_WORLD_RANK", "2"},
                        {"OMPI_COMM_WORLD_SIZE", "3"},
                        {"OMPI_COMM_WORLD_LOCAL_RANK", "1"}});
  ASSERT_TRUE(mpirun);
  EXPECT_EQ(mpirun->rank, 2);
  EXPECT_EQ(mpirun->local, 1);
  EXPECT_TRUE(mpirun->hasPmi);
  auto srun = detect(
      {{"SLURM_STEP_ID", "0"}, {"SLURM_PROCID", "5"}, {"SLURM_NTASKS", "8"}});
  ASSERT_TRUE(srun);
  EXPECT_EQ(srun->world, 8);
  EXPECT_TRUE(detect({{"PMI_RANK", "0"}, {"PMI_SIZE", "2"}}));
}

TEST(RankEnvironment, AnAllocationIsNoRank) {
  EXPECT_FALSE(detect(
      {{"SLURM_STEP_ID", "0"}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "1"}}));
  // A batch script of a job of two tasks runs once, outside of any step.
  std::map<std::string, std::string> batch = {
      {"SLURM_JOB_ID", "7"}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "2"}};
  EXPECT_FALSE(detect(batch));
  batch["SLURM_STEP_ID"] = "4294967291"; // "batch"
  EXPECT_FALSE(detect(batch));
  batch["SLURM_STEP_ID"] = "0";
  EXPECT_TRUE(detect(batch));
  // One task of its own step within a job of two.
  batch["SLURM_STEP_NUM_TASKS"] = "1";
  EXPECT_FALSE(detect(batch));
  EXPECT_TRUE(detect(
      {{"SLURM_STEPID", "3"}, {"SLURM_PROCID", "1"}, {"SLURM_NTASKS", "2"}}));
}

TEST(RankEnvironment, StrayVariablesDoNotOverruleTheLauncher) {
  auto mpirun = detect({{"RANK", "0"},
                        {"WORLD_SIZE", "1"},
                        {"OMPI_COMM_WORLD_RANK", "1"},
                        {"OMPI_COMM_WORLD_SIZE", "2"}});
  ASSERT_TRUE(mpirun);
  EXPECT_EQ(mpirun->launcher, "mpirun");
  EXPECT_EQ(mpirun->rank, 1);
  EXPECT_FALSE(detect({{"RANK", "x"}, {"WORLD_SIZE", "2"}}));
  EXPECT_FALSE(detect({{"RANK", "3"}, {"WORLD_SIZE", "2"}}));
}

TEST(RankEnvironment, TorchrunMayHaveBeenStartedByAnother) {
  Variables environment = {{"TORCHELASTIC_RUN_ID", "7"}, {"RANK", "9"},
                           {"WORLD_SIZE", "16"},         {"LOCAL_RANK", "1"},
                           {"LOCAL_WORLD_SIZE", "8"},    {"SLURM_STEP_ID", "0"},
                           {"SLURM_PROCID", "1"},        {"SLURM_NTASKS", "2"}};
  auto torchrun = detect(environment);
  ASSERT_TRUE(torchrun);
  EXPECT_EQ(torchrun->launcher, "torchrun");
  EXPECT_EQ(torchrun->rank, 9);
  EXPECT_EQ(torchrun->local, 1);
  EXPECT_EQ(torchrun->hostRanks, 8);
  EXPECT_FALSE(torchrun->hasPmi);
  std::string start = torchrun->start;
  environment["TORCHELASTIC_RESTART_COUNT"] = "1";
  EXPECT_NE(detect(environment)->start, start);
  environment.erase("TORCHELASTIC_RUN_ID");
  EXPECT_EQ(detect(environment)->launcher, "srun");
}

TEST(RankEnvironment, WhatTorchrunSaysMustBePossible) {
  const Variables possible = {{"MASTER_ADDR", "a"},
                              {"RANK", "1"},
                              {"WORLD_SIZE", "4"},
                              {"LOCAL_RANK", "1"},
                              {"LOCAL_WORLD_SIZE", "2"}};
  EXPECT_TRUE(detect(possible));
  for (auto [name, value, problem] :
       {std::tuple("RANK", "x",
                   "RANK is 'x', expected a whole number below "
                   "WORLD_SIZE, which is 4: "),
        std::tuple("RANK", "4", "RANK is '4'"),
        std::tuple("WORLD_SIZE", "0",
                   "WORLD_SIZE is '0', expected a whole "
                   "number, 1 or more"),
        std::tuple("LOCAL_RANK", "2", "below LOCAL_WORLD_SIZE, which is 2"),
        std::tuple("LOCAL_WORLD_SIZE", "5", "at most WORLD_SIZE, which is 4"),
        std::tuple("LOCAL_WORLD_SIZE", "", "LOCAL_WORLD_SIZE is ''")}) {
    Variables wrong = possible;
    wrong[name] = value;
    EXPECT_THAT(tryToDetect(wrong).status().message(), HasSubstr(problem));
  }
  for (const char *name : {"RANK", "WORLD_SIZE", "LOCAL_RANK"}) {
    Variables wrong = possible;
    wrong.erase(name);
    EXPECT_THAT(tryToDetect(wrong).status().message(),
                HasSubstr(std::string(name) + " is not set"));
  }
  // A shell that exports where others meet starts no rank.
  EXPECT_FALSE(detect({{"MASTER_ADDR", "a"}, {"MASTER_PORT", "1"}}));
}

TEST(RankEnvironment, SlurmsTasksOfANode) {
  auto ofNode = [](const char *tasks, const char *node) {
    auto srun = detect({{"SLURM_STEP_ID", "0"},
                        {"SLURM_PROCID", "5"},
                        {"SLURM_NTASKS", "11"},
                        {"SLURM_LOCALID", "1"},
                        {"SLURM_NODEID", node},
                        {"SLURM_STEP_TASKS_PER_NODE", tasks}});
    return srun ? srun->hostRanks : -1;
  };
  EXPECT_EQ(ofNode("8", "0"), 8);
  EXPECT_EQ(ofNode("4(x2),3", "0"), 4);
  EXPECT_EQ(ofNode("4(x2),3", "1"), 4);
  EXPECT_EQ(ofNode("4(x2),3", "2"), 3);
  for (const char *wrong : {"", "x", "4(x2),3,", "4(x0)", "0", "4(x", "-1"})
    EXPECT_EQ(ofNode(wrong, "3"), 0) << wrong;
  Variables environment = {
      {"SLURM_STEP_ID", "0"}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "2"}};
  EXPECT_FALSE(detect(environment)->hasPmi);
  environment["PMIX_RANK"] = "0";
  EXPECT_TRUE(detect(environment)->hasPmi);
}

//===----------------------------------------------------------------------===//
// Target and imports
//===----------------------------------------------------------------------===//

TEST(Target, RefusesWhatTheHostLacks) {
  Manifest manifest;
  manifest.triple = "x86_64-unknown-linux-gnu";
  manifest.features = {"sse2", "sse4.2", "cx16"};
  EXPECT_EQ(checkTarget(manifest).message(), "");
  // What LLVM lists for hosts on which Linux does not.
  for (const char *feature : {"evex512", "shstk", "xsavec", "prefer-256-bit",
                              "+64bit", "-avx1024f", "sse3", "cmov"})
    manifest.features.push_back(feature);
  EXPECT_EQ(checkTarget(manifest).message(), "");
  manifest.features.push_back("avx1024f");
  EXPECT_THAT(checkTarget(manifest).message(),
              HasSubstr("this host lacks avx1024f"));
  manifest.triple = "riscv64-unknown-linux-gnu";
  EXPECT_THAT(checkTarget(manifest).message(),
              HasSubstr("compiled for riscv64"));
}

TEST(Imports, OnlyTheAbiAndPureFunctions) {
  std::string folder = TEST_PROGRAM_FOLDER;
  EXPECT_EQ(checkImports(folder + "/test_program_2.so").message(), "");
  EXPECT_THAT(checkImports(folder + "/test_program_allocates.so").message(),
              HasSubstr("imports 'malloc'"));
}

TEST(Imports, ACutFileIsNoCrash) {
  TemporaryFolder folder;
  std::string whole =
      readFile(std::string(TEST_PROGRAM_FOLDER) + "/test_program_2.so");
  for (size_t length = 0; length < whole.size(); length += 501) {
    writeFile(folder / "cut.so", whole.substr(0, length));
    Status status = checkImports(folder / "cut.so");
    EXPECT_FALSE(status.ok()) << length;
  }
}

//===----------------------------------------------------------------------===//
// One program
//===----------------------------------------------------------------------===//

TEST(SameProgram, TheHashSeesEveryByteAndFile) {
  TemporaryFolder folder;
  auto hash = [&](const char *manifest, const char *program) {
    writeFile(folder / "manifest.json", manifest);
    writeFile(folder / "program.so", program);
    auto result = hashProgram(folder / "");
    return result.ok() ? *result : 0;
  };
  std::set<uint64_t> hashes = {hash("ab", "cd"), hash("ab", "ce"),
                               hash("ac", "cd"), hash("abc", "d"),
                               hash("", "abcd")};
  EXPECT_EQ(hashes.size(), 5u);
  EXPECT_EQ(hash("ab", "cd"), hash("ab", "cd"));
  EXPECT_THAT(hashProgram(folder / "none").status().message(),
              HasSubstr("cannot read"));
}

TEST(SameProgram, NamesTheRanksThatDiffer) {
  EXPECT_EQ(describeOtherPrograms({7, 7, 7}, "m.fsdp"), "");
  EXPECT_EQ(describeOtherPrograms({7, 7, 7, 8}, "m.fsdp"),
            "rank 3 runs another program than rank 0: copy 'm.fsdp' to every "
            "host");
  EXPECT_THAT(describeOtherPrograms({7, 8, 7, 9}, "m.fsdp"),
              HasSubstr("ranks 1, 3 run another program than rank 0"));
  std::vector<int64_t> many(64, 1);
  many[0] = 0;
  EXPECT_THAT(describeOtherPrograms(many, "m.fsdp"),
              HasSubstr("ranks 1, 2, 3, 4, 5, 6, 7, 8 and 55 more run"));
}

//===----------------------------------------------------------------------===//
// Metrics
//===----------------------------------------------------------------------===//

TEST(Metrics, AreValidJsonEvenIfNotFinite) {
  TemporaryFolder folder;
  {
    auto file = MetricsFile::create(folder / "m.jsonl");
    ASSERT_TRUE(file.ok());
    StepMetrics metrics;
    metrics.loss = std::numeric_limits<double>::quiet_NaN();
    metrics.gradNorm = std::numeric_limits<double>::infinity();
    metrics.learningRate = 0.1;
    ASSERT_TRUE(file->write(metrics).ok());
  }
  auto json = nlohmann::json::parse(readFile(folder / "m.jsonl"));
  EXPECT_TRUE(json["loss"].is_null());
  EXPECT_TRUE(json["grad_norm"].is_null());
  EXPECT_EQ(json["lr"], 0.1);
  EXPECT_EQ(json.size(), 14u);
}

TEST(Metrics, NamesAFileThatCannotBeWritten) {
  EXPECT_THAT(MetricsFile::create("/nonexistent/m").status().message(),
              HasSubstr("cannot write metrics to '/nonexistent/m'"));
  auto full = MetricsFile::create("/dev/full");
  ASSERT_TRUE(full.ok());
  EXPECT_THAT(full->write({}).message(), HasSubstr("No space left"));
}

/// Tests that a run that goes on finds its file as it was after the step, even
/// if the run before was cut within a line.
TEST(Metrics, AppendDropsWhatIsMadeAgain) {
  TemporaryFolder folder;
  std::string path = folder / "m.jsonl";
  auto stepsAfter = [&](const std::string &text, int64_t stepsDone) {
    writeFile(path, text);
    auto file = MetricsFile::append(path, stepsDone);
    EXPECT_TRUE(file.ok()) << file.status().message();
    StepMetrics metrics;
    metrics.step = stepsDone;
    EXPECT_TRUE(file->write(metrics).ok());
    std::vector<int64_t> steps;
    std::istringstream lines(readFile(path));
    for (std::string line; std::getline(lines, line);)
      steps.push_back(nlohmann::json::parse(line)["step"]);
    return steps;
  };
  std::string text;
  for (int step = 1; step <= 2000; ++step)
    text += "{\"step\": " + std::to_string(step) + ", \"loss\": 1.25" +
            std::string(step % 100, '0') + "}\n";
  for (int64_t done : {0, 1, 1234, 2000, 3000}) {
    auto steps = stepsAfter(text, done);
    ASSERT_EQ(int64_t(steps.size()), std::min<int64_t>(done, 2000) + 1);
    EXPECT_EQ(steps.back(), done + 1);
  }
  EXPECT_THAT(stepsAfter("{\"step\": 1}\n{\"step\": 2, \"lo", 2),
              testing::ElementsAre(1, 3));
  EXPECT_THAT(stepsAfter("", 5), testing::ElementsAre(6));
  std::remove(path.c_str());
  EXPECT_TRUE(MetricsFile::append(path, 1).ok());
}

TEST(Metrics, AppendRefusesAnotherFile) {
  TemporaryFolder folder;
  for (const char *text : {"{\"step\": 1}\nhello\n", "{}\n", "\n", "[1]\n",
                           "{\"step\": \"1\"}\n"}) {
    writeFile(folder / "m", text);
    EXPECT_THAT(MetricsFile::append(folder / "m", 5).status().message(),
                HasSubstr("is not a step's metrics"));
    EXPECT_EQ(readFile(folder / "m"), text);
  }
}

TEST(Metrics, FormatsBytes) {
  EXPECT_EQ(formatBytes(12), "12 B");
  EXPECT_EQ(formatBytes(1536), "1.5 KiB");
  EXPECT_EQ(formatBytes(int64_t(3) << 30), "3.0 GiB");
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

//===----------------------------------------------------------------------===//
// What ranks agree on
//===----------------------------------------------------------------------===//

TEST(SameInput, NamesWhatDiffersAndWhere) {
  TemporaryFolder folder;
  writeFile(folder / "a.u16", std::string(400, 1));
  Manifest manifest;
  RunOptions options;
  options.data = {folder / "a.u16"};
  auto agreed = [&] {
    auto list = whatMustAgree(options, manifest);
    EXPECT_TRUE(list.ok()) << list.status().message();
    return *list;
  };
  AgreedList first = agreed(), same = agreed();
  EXPECT_EQ(describeDifference({first, same, first}), "");
  options.learningRate = 0.1;
  EXPECT_THAT(describeDifference({first, same, agreed()}),
              HasSubstr("rank 2 has --lr: 0.1, rank 0 has 0.001; start all"));
  options.learningRate = 1e-3;
  options.seed = 7;
  EXPECT_THAT(describeDifference({first, agreed(), agreed()}),
              HasSubstr("ranks 1, 2 have --seed: 7, rank 0 has 0"));
  writeFile(folder / "a.u16", std::string(402, 1));
  EXPECT_THAT(describeDifference({first, agreed()}),
              testing::AllOf(HasSubstr("rank 1 has --data: 1 file, 402 bytes"),
                             HasSubstr("rank 0 has 1 file, 400 bytes")));
  options.weights = folder / "none";
  EXPECT_THAT(whatMustAgree(options, manifest).status().message(),
              HasSubstr("No such file"));
}
