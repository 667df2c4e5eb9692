//===- RankEnvironmentTest.cpp - Who is which rank ------------------------===//

#include "trainer/RankEnvironment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

using namespace fsdprt;
using testing::HasSubstr;

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
