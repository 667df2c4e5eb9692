//===- TrainerTest.cpp - Target, imports, metrics, what ranks agree on ----===//

#include "TestProgram.h"
#include "trainer/CommandLine.h"
#include "trainer/MetricsFile.h"
#include "trainer/Program.h"
#include "trainer/SameInput.h"
#include "trainer/SameProgram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace fsdprt;
using namespace fsdprt::test;
using testing::HasSubstr;

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
    text += "{\"step\": " + std::to_string(step) + ", \"rows\": 1.25" +
            std::string(step % 100, '0') + "}\n";
  for (int64_t done : {0, 1, 1234, 2000, 3000}) {
    auto steps = stepsAfter(text, done);
    ASSERT_EQ(int64_t(steps.size()), std::min<int64_t>(done, 2000) + 1);
    EXPECT_EQ(steps.back(), done + 1);
  }
  EXPECT_THAT(stepsAfter("{\"step\": 1, \"rows\": 2}\n{\"step\": 2, \"ro", 2),
              testing::ElementsAre(1, 3));
  EXPECT_THAT(stepsAfter("", 5), testing::ElementsAre(6));
  std::remove(path.c_str());
  EXPECT_TRUE(MetricsFile::append(path, 1).ok());
}

TEST(Metrics, AppendRefusesAnotherFile) {
  TemporaryFolder folder;
  for (const char *text :
       {"{\"step\": 1, \"rows\": 2}\nhello\n", "{}\n", "\n", "[1]\n",
        "{\"step\": \"1\", \"rows\": 2}\n", "{\"step\": 1}\n"}) {
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
