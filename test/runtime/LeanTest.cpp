//===- LeanTest.cpp - fsdp-run where MPI or oneDNN is missing
//--------------===//

#include "TestProgram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace fsdprt::test;
using testing::HasSubstr;

namespace {

class Lean : public testing::Test {
protected:
  Lean() { writeFile(folder / "text", makeText(20000)); }

  /// Runs the hand-written program for `world` ranks, four steps.
  CommandResult run(const std::string &command, int world,
                    const std::string &more = "") {
    std::string program = folder / ("p" + std::to_string(world));
    writeProgram(program, makeManifest(world), world);
    return runCommand(command + " " + program + " --data " + (folder / "text") +
                      " --tokenizer bytes --steps 4 --lr 0.5 " + more);
  }

  TemporaryFolder folder;
};

} // namespace

TEST_F(Lean, OneProcessNeedsNoMpi) {
  for (int world : {1, 2}) {
    CommandResult result = run(FSDP_RUN_WITHOUT_MPI, world,
                               "--comm thread --save " + (folder / "saved") +
                                   std::to_string(world));
    EXPECT_EQ(result.exitCode, 0) << result.errors;
  }
  CommandResult result = run(FSDP_RUN, 2, "--save " + (folder / "saved"));
  ASSERT_EQ(result.exitCode, 0) << result.errors;
  EXPECT_EQ(readFile(folder / "saved2"), readFile(folder / "saved"));
  EXPECT_EQ(run(FSDP_RUN_WITHOUT_MPI, 1).exitCode, 0);
}

TEST_F(Lean, ProcessesNeedMpi) {
  CommandResult alone = run(FSDP_RUN_WITHOUT_MPI, 2);
  EXPECT_NE(alone.exitCode, 0);
  EXPECT_THAT(alone.errors,
              HasSubstr("fsdp-run: error: this fsdp-run was built "
                        "without MPI: it runs ranks in one "
                        "process, with --comm thread"));
  // Each of a launcher's processes would train alone.
  std::string launched = "OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_LOCAL_RANK=0 "
                         "OMPI_COMM_WORLD_RANK=";
  CommandResult first = run(launched + "0 " + FSDP_RUN_WITHOUT_MPI, 1);
  EXPECT_NE(first.exitCode, 0);
  EXPECT_THAT(first.errors, HasSubstr("built without MPI"));
  CommandResult second = run(launched + "1 " + FSDP_RUN_WITHOUT_MPI, 1);
  EXPECT_NE(second.exitCode, 0);
  EXPECT_EQ(second.errors, "");
}

TEST_F(Lean, ProductsOfTheCpuNeedOneDnn) {
  CommandResult result = run(FSDP_RUN_WITHOUT_BOTH, 1);
  EXPECT_NE(result.exitCode, 0);
  EXPECT_THAT(result.errors,
              HasSubstr("product 'linear' of unit 'head' ([96 x 12] [12 x 256] "
                        "in f32): this fsdp-run was built without oneDNN"));
}
