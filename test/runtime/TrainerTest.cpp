//===- TrainerTest.cpp - Schedule, rank detection, target, imports --------===//

#include "TestProgram.h"
#include "trainer/CommandLine.h"
#include "trainer/Metrics.h"
#include "trainer/Program.h"
#include "trainer/RankEnvironment.h"
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
  EXPECT_EQ(json.size(), 12u);
}

TEST(Metrics, NamesAFileThatCannotBeWritten) {
  EXPECT_THAT(MetricsFile::create("/nonexistent/m").status().message(),
              HasSubstr("cannot write metrics to '/nonexistent/m'"));
  auto full = MetricsFile::create("/dev/full");
  ASSERT_TRUE(full.ok());
  EXPECT_THAT(full->write({}).message(), HasSubstr("No space left"));
}

TEST(Metrics, FormatsBytes) {
  EXPECT_EQ(formatBytes(12), "12 B");
  EXPECT_EQ(formatBytes(1536), "1.5 KiB");
  EXPECT_EQ(formatBytes(int64_t(3) << 30), "3.0 GiB");
}
