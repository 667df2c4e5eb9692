//===- EndToEndTest.cpp - fsdp-run on the hand-written program ------------===//

#include "TestProgram.h"
#include "io/Safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>
#include <unistd.h>

using namespace fsdprt;
using namespace fsdprt::test;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::json;

namespace {

class EndToEnd : public testing::Test {
protected:
  EndToEnd() { writeFile(folder / "text", makeText(20000)); }

  std::string program(int world, const std::string &mutant = "") {
    std::string path =
        folder / ("p" + std::to_string(world) + mutant + ".fsdp");
    writeProgram(path, makeManifest(world), world, mutant);
    return path;
  }

  std::string command(const std::string &program, const std::string &more) {
    return std::string(FSDP_RUN) + " " + program + " --data " +
           (folder / "text") + " --tokenizer bytes " + more;
  }

  CommandResult run(const std::string &program, const std::string &more) {
    return runCommand(command(program, more));
  }

  std::vector<Json> metrics(const std::string &path) {
    std::vector<Json> lines;
    std::ifstream stream(path);
    for (std::string line; std::getline(stream, line);)
      lines.push_back(Json::parse(line));
    return lines;
  }

  /// The one line of the failure, without prefix; fails if there are more.
  std::string onlyError(const CommandResult &result) {
    EXPECT_NE(result.exitCode, 0);
    const std::string prefix = "fsdp-run: error: ";
    EXPECT_EQ(result.errors.compare(0, prefix.size(), prefix), 0)
        << result.errors;
    EXPECT_EQ(result.errors.find('\n'), result.errors.size() - 1)
        << result.errors;
    return result.errors;
  }

  TemporaryFolder folder;
};

} // namespace

//===----------------------------------------------------------------------===//
// Training
//===----------------------------------------------------------------------===//

TEST_F(EndToEnd, TheSameNumbersOnAnyWorldAndTransport) {
  std::vector<Json> reference;
  for (int world : {1, 2, 3, 4}) {
    std::string path = program(world), saved;
    for (const char *comm : {"thread", "mpi"}) {
      auto result = run(path, "--steps 20 --lr 0.5 --check-plan --comm " +
                                  std::string(comm) + " --metrics " +
                                  (folder / "m") + " --save " + (folder / "s"));
      ASSERT_EQ(result.exitCode, 0) << result.errors;
      EXPECT_THAT(result.output, HasSubstr("records match the memory plan"));
      auto lines = metrics(folder / "m");
      ASSERT_EQ(lines.size(), 20u);
      if (reference.empty())
        reference = lines;
      for (size_t i = 0; i < lines.size(); ++i) {
        EXPECT_EQ(lines[i]["step"], i + 1);
        for (const char *key : {"loss", "grad_norm"}) {
          double expected = reference[i][key];
          EXPECT_NEAR(lines[i][key], expected, 2e-6 * expected);
        }
        EXPECT_EQ(lines[i]["measured_peak_bytes"],
                  lines[i]["planned_peak_bytes"]);
        EXPECT_EQ(lines[i]["gathered_bytes"], 4 * (3073 + 3328));
        EXPECT_EQ(lines[i]["reduced_bytes"], 4 * (3073 + 3328));
      }
      // Equal bits on threads and processes.
      std::string bytes = readFile(folder / "s");
      EXPECT_TRUE(saved.empty() || saved == bytes);
      saved = bytes;
    }
  }
  EXPECT_LT(double(reference.back()["loss"]),
            double(reference.front()["loss"]) - 1);
}

TEST_F(EndToEnd, RunsUnderTheUsersOwnMpirun) {
  auto result =
      runCommand(std::string(MPIRUN) + " -n 2 " +
                 command(program(2), "--steps 3 --save " + (folder / "s")));
  ASSERT_EQ(result.exitCode, 0) << result.errors;
  EXPECT_THAT(result.output, HasSubstr("step 3/3"));
  result = runCommand(std::string(MPIRUN) + " --quiet -n 3 " +
                      command(program(2), "--steps 3"));
  EXPECT_THAT(onlyError(result), HasSubstr("compiled for 2 ranks (mesh "
                                           "shard=2), started were 3"));
}

TEST_F(EndToEnd, CheckedModeAndThreadsChangeNoBit) {
  std::string path = program(2);
  std::set<std::string> saved;
  for (const char *more : {"", "--checked", "--threads 3"}) {
    auto result = run(path, "--steps 10 --lr 0.5 " + std::string(more) +
                                " --save " + (folder / "s"));
    ASSERT_EQ(result.exitCode, 0) << result.errors;
    saved.insert(readFile(folder / "s"));
  }
  EXPECT_EQ(saved.size(), 1u);
}

TEST_F(EndToEnd, WeightsComeBack) {
  auto first = run(program(2), "--steps 5 --lr 0.5 --save " + (folder / "a"));
  ASSERT_EQ(first.exitCode, 0) << first.errors;
  auto copy = runCommand(std::string(FSDP_RUN) + " " + program(3) +
                         " --seed 9 --weights " + (folder / "a") + " --save " +
                         (folder / "b"));
  ASSERT_EQ(copy.exitCode, 0) << copy.errors;
  EXPECT_EQ(readFile(folder / "a"), readFile(folder / "b"));
}

TEST_F(EndToEnd, WritesRecords) {
  auto result = run(program(2), "--steps 2 --records " + (folder / "r"));
  ASSERT_EQ(result.exitCode, 0) << result.errors;
  for (const char *name : {"r", "r.1"}) {
    Json records = Json::parse(readFile(folder / name));
    ASSERT_EQ(records["phases"].size(), 2u); // init and step
    EXPECT_EQ(records["phases"][1]["operations"].size(), 21u);
    EXPECT_EQ(records["phases"][1]["operations"][0]["name"], "gather_root");
  }
}

//===----------------------------------------------------------------------===//
// Programs that break the rules
//===----------------------------------------------------------------------===//

struct Mutant {
  const char *name, *flags, *message;
};

class Mutants : public EndToEnd, public testing::WithParamInterface<Mutant> {};

TEST_P(Mutants, AreCaughtWithOneMessage) {
  for (const char *comm : {"thread", "mpi"}) {
    auto result =
        run(program(2, GetParam().name),
            "--steps 4 --comm " + std::string(comm) + " " + GetParam().flags);
    EXPECT_THAT(onlyError(result), HasSubstr(GetParam().message)) << comm;
    EXPECT_LT(result.seconds, 20);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, Mutants,
    testing::Values(
        Mutant{"overrun", "--checked",
               "invalid memory access in operation 'embed' (phase 'step', step "
               "1), 64 bytes beyond the end of arena 'work'"},
        Mutant{"outside", "", "outside of arena 'work'"},
        Mutant{"allocates", "", "imports 'malloc'"},
        Mutant{"early_reuse", "--check-plan", "planned [1, 11]"},
        Mutant{"early_reuse", "--checked", "is not finite"},
        Mutant{"wrong_size", "--check-plan", "buffer 13 ('hidden'"},
        Mutant{"crash", "", "in operation 'embed_grad'"},
        Mutant{"bad_event", "", "no earlier operation records"},
        Mutant{"no_gather", "", "operation 2 ('linear' of unit 'head')"},
        Mutant{"kernel_fails", "", "the kernel failed with status 7"}),
    [](const auto &info) {
      std::string flags = info.param.flags;
      return info.param.name + std::string(flags.empty()          ? ""
                                           : flags == "--checked" ? "_checked"
                                                                  : "_plan");
    });

//===----------------------------------------------------------------------===//
// Bad input
//===----------------------------------------------------------------------===//

TEST_F(EndToEnd, BadInputIsOneMessage) {
  std::string path = program(2);
  struct Case {
    std::string arguments, message;
  };
  std::string data = " --data " + (folder / "text") + " --tokenizer bytes ";
  for (const Case &c : std::vector<Case>{
           {(folder / "none.fsdp") + data + "--steps 1", "No such file"},
           {folder.path + data + "--steps 1", "not a compiled program"},
           {path + data + "--steps 1 -n 3", "compiled for 2 ranks"},
           {path + data + "--steps 1 --stpes 2", "--stpes"},
           {path + data + "--steps many", "many"},
           {path + " --steps 1", "no data to train on: add --data"},
           {path + data, "to train, add --steps N"},
           {path + data + " --save x.safetensors",
            "--data without --steps N would save parameters that are not"},
           {path, "to train, add --data FILE and --steps N"},
           {path + data + "--steps 1 --comm pigeon", "pigeon"},
           {path + data + "--steps 1 --save /nonexistent/x", "No such file"},
           {path + data + "--steps 1 --save /dev/null/x", "cannot write"},
           {path + data + "--steps 1 --metrics /nonexistent/x",
            "--metrics: cannot write"},
           {path + data + "--steps 1 --weights /nonexistent", "cannot open"},
           {path + " --data /dev/null --tokenizer bytes --steps 1",
            "not a regular file"},
       }) {
    auto result = runCommand(std::string(FSDP_RUN) + " " + c.arguments);
    EXPECT_THAT(onlyError(result), HasSubstr(c.message)) << c.arguments;
  }
}

TEST_F(EndToEnd, HelpNamesTheOptions) {
  auto result = runCommand(std::string(FSDP_RUN) + " --help");
  EXPECT_EQ(result.exitCode, 0);
  for (const char *option : {"--data", "--steps", "--lr", "--save", "--comm",
                             "--timeout", "--checked", "--ranks"})
    EXPECT_THAT(result.output, HasSubstr(option));
}

TEST_F(EndToEnd, ALossThatIsNotFiniteStopsAndLeavesNoCheckpoint) {
  auto result =
      run(program(2), "--steps 50 --lr 1e38 --save " + (folder / "s") +
                          " --metrics " + (folder / "m"));
  EXPECT_THAT(onlyError(result), HasSubstr("is not finite"));
  EXPECT_THAT(result.errors, HasSubstr("step "));
  EXPECT_FALSE(std::filesystem::exists(folder / "s"));
  for (const Json &line : metrics(folder / "m"))
    EXPECT_TRUE(line["loss"].is_number());
}

TEST_F(EndToEnd, NoValidLabelAnywhereIsAnError) {
  std::string ignored;
  for (int i = 0; i < 20000; ++i)
    ignored += std::string("\x9c\xff\xff\xff", 4); // -100
  writeFile(folder / "y", ignored);
  auto result = run(program(2), "--steps 2 --labels " + (folder / "y"));
  EXPECT_THAT(onlyError(result), HasSubstr("step 1: no rank has a label"));
}

//===----------------------------------------------------------------------===//
// Ranks that die or hang
//===----------------------------------------------------------------------===//

/// The process of a rank: the one with the marker in its arguments and this
/// rank in its environment.
static pid_t findRank(const std::string &marker, int rank) {
  std::string wanted = "OMPI_COMM_WORLD_RANK=" + std::to_string(rank);
  for (const auto &entry : std::filesystem::directory_iterator("/proc")) {
    pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 0 ||
        readFile(entry.path() / "cmdline").find(marker) == std::string::npos)
      continue;
    std::string environment = readFile(entry.path() / "environ");
    if (environment.find(wanted + '\0') != std::string::npos)
      return pid;
  }
  return -1;
}

struct Blow {
  int signal;
  bool ownMpirun;
};

class Struck : public EndToEnd, public testing::WithParamInterface<Blow> {};

TEST_P(Struck, RankIsNamedAndNobodyHangs) {
  std::string path = program(2);
  // A stopped rank is seen by the time-out only; a killed one must not be taken
  // for a slow one on a busy machine.
  std::string timeout = GetParam().signal == SIGSTOP ? "3" : "30";
  std::string text =
      command(path, "--steps 100000000 --lr 0.01 --timeout " + timeout +
                        " --metrics " + (folder / "m"));
  if (GetParam().ownMpirun)
    text = std::string(MPIRUN) + " -n 2 " + text;
  pid_t struck = -1;
  std::thread executioner([&] {
    for (int i = 0; i < 300 && struck < 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      if (!readFile(folder / "m").empty())
        struck = findRank(path, 1);
    }
    if (struck > 0)
      ::kill(struck, GetParam().signal);
  });
  auto result = runCommand(text);
  executioner.join();
  ASSERT_GT(struck, 0) << result.errors;
  EXPECT_NE(result.exitCode, 0);
  EXPECT_LT(result.seconds, 60);
  EXPECT_THAT(result.errors, HasSubstr("fsdp-run: error: "));
  EXPECT_THAT(result.errors,
              HasSubstr(GetParam().signal == SIGKILL ? "rank 1 was killed"
                                                     : "rank 1 is stopped"));
  // A phase may have begun and no operation yet.
  EXPECT_THAT(result.errors, AnyOf(HasSubstr("operation '"),
                                   HasSubstr("is stopped (phase 'step'"),
                                   HasSubstr("was killed (phase 'step'")));
  EXPECT_THAT(result.errors, HasSubstr("phase 'step', step "));
  // Said once; mpirun itself says more.
  EXPECT_EQ(result.errors.find("fsdp-run: error: "),
            result.errors.rfind("fsdp-run: error: "));
  if (!GetParam().ownMpirun)
    onlyError(result);
  EXPECT_EQ(findRank(path, 0), -1);
  EXPECT_EQ(findRank(path, 1), -1);
}

INSTANTIATE_TEST_SUITE_P(
    All, Struck,
    testing::Values(Blow{SIGKILL, false}, Blow{SIGKILL, true},
                    Blow{SIGSTOP, false}, Blow{SIGSTOP, true}),
    [](const auto &info) {
      return std::string(info.param.signal == SIGKILL ? "killed" : "stopped") +
             (info.param.ownMpirun ? "_mpirun" : "_fsdp_run");
    });

//===----------------------------------------------------------------------===//
// The library
//===----------------------------------------------------------------------===//

/// It is a compiler: no model arithmetic hides in the runtime.
TEST(Library, ExportsTheAbiAndItsEntryOnly) {
  auto result = runCommand(std::string(NM) + " -D --defined-only " + LIBFSDPRT +
                           " | awk '{print $NF}'");
  ASSERT_EQ(result.exitCode, 0) << result.errors;
  std::set<std::string> expected = {"fsdprt_main"}, found;
#define FSDPRT_FUNCTION(NAME, DESC, SUMMARY) expected.insert(#NAME);
#include "abi/functions.def"
#define FSDPRT_KERNEL_FUNCTION(NAME, SUMMARY) expected.insert(#NAME);
#include "abi/kernel_functions.def"
  std::istringstream lines(result.output);
  for (std::string name; std::getline(lines, name);)
    found.insert(name);
  EXPECT_EQ(found, expected);
}
