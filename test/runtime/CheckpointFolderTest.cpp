//===- CheckpointFolderTest.cpp - The folder that checkpoints are in -----===//

#include "TestCheckpoint.h"
#include "checkpoint/Folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <sys/wait.h>
#include <unistd.h>

using namespace fsdprt;
using namespace fsdprt::test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
namespace fs = std::filesystem;

static std::vector<int64_t> listed(const std::string &folder) {
  auto steps = listCheckpoints(folder);
  EXPECT_TRUE(steps.ok()) << steps.status().message();
  return *steps;
}

/// A checkpoint of another step, by copying.
static void copyTo(const std::string &folder, int64_t step) {
  fs::copy(stepFolder(folder, 20), stepFolder(folder, step));
}

TEST(CheckpointFolder, ListsWhatIsComplete) {
  TemporaryFolder folder;
  EXPECT_THAT(listed(folder / "none"), IsEmpty());
  writeCheckpoint(folder.path, manifestOf(1));
  copyTo(folder.path, 100);
  copyTo(folder.path, 3);
  for (const char *name : {"step-5", "step-7.partial", "step-07", "step-",
                           "step-99999999999999999999", "other"})
    fs::create_directory(folder / name);
  writeFile(folder / "step-7.partial/checkpoint.json", "{}");
  EXPECT_THAT(listed(folder.path), ElementsAre(3, 20, 100));
}

TEST(CheckpointFolder, IsOneRuns) {
  TemporaryFolder folder;
  std::string path = folder / "D";
  // Locks are between processes.
  auto otherSays = [&] {
    std::string says = folder / "says";
    pid_t other = ::fork();
    if (other == 0) {
      writeFile(says, FolderLock::take(path).status().message());
      ::_exit(0);
    }
    EXPECT_EQ(::waitpid(other, nullptr, 0), other);
    return readFile(says);
  };
  {
    auto lock = FolderLock::take(path);
    ASSERT_TRUE(lock.ok()) << lock.status().message();
    EXPECT_THAT(otherSays(),
                HasSubstr("is used by another run (process " +
                          std::to_string(::getpid()) + " is writing it)"));
  }
  EXPECT_EQ(otherSays(), "");
  EXPECT_THAT(FolderLock::take(folder / "a/b").status().message(),
              HasSubstr("cannot make folder"));
}

TEST(CheckpointFolder, OverwritesNothing) {
  TemporaryFolder folder;
  std::string path = writeCheckpoint(folder.path, manifestOf(1));
  EXPECT_THAT(makePartial(folder.path, 20).message(),
              HasSubstr("is there already"));
  // Made meanwhile, and empty: a plain rename would replace it.
  ASSERT_TRUE(makePartial(folder.path, 30).ok());
  fs::create_directory(folder / "step-30");
  EXPECT_THAT(completePartial(folder.path, 30).message(),
              HasSubstr("File exists"));
  EXPECT_EQ(problemOf(path), "");
}

TEST(CheckpointFolder, KeepsTheNewest) {
  TemporaryFolder folder;
  writeCheckpoint(folder.path, manifestOf(2));
  for (int64_t step : {30, 40, 50, 60})
    copyTo(folder.path, step);
  writeFile(folder / "step-30/notes.txt", "mine");
  writeFile(folder / "step-40/checkpoint.json", "{}");
  EXPECT_EQ(removeOldest(folder.path, 2, "0a1b2c3d").status().message(), "");
  // What holds other files, or is not readable, is not known to be ours.
  EXPECT_THAT(listed(folder.path), ElementsAre(30, 40, 50, 60));
  EXPECT_FALSE(fs::exists(folder / "step-20"));
  EXPECT_FALSE(fs::exists(folder / "step-20.partial"));
  EXPECT_EQ(removeOldest(folder.path, 7, "0a1b2c3d").status().message(), "");
  EXPECT_THAT(listed(folder.path), ElementsAre(30, 40, 50, 60));
}

TEST(CheckpointFolder, RemovesWhatAKilledRunLeaves) {
  TemporaryFolder folder;
  writeCheckpoint(folder.path, manifestOf(2));
  fs::copy(folder / "step-20", folder / "step-40.partial");
  fs::create_directory(folder / "step-60.partial");
  writeFile(folder / ".fsdp-shared-0a1b2c3d", "");
  writeFile(folder / ".fsdp-shared-01234567", "mine");
  writeFile(folder / "shared-notes", "");
  EXPECT_EQ(removePartials(folder.path).message(), "");
  EXPECT_FALSE(fs::exists(folder / ".fsdp-shared-0a1b2c3d"));
  EXPECT_TRUE(fs::exists(folder / ".fsdp-shared-01234567"));
  EXPECT_TRUE(fs::exists(folder / "shared-notes"));
  EXPECT_FALSE(fs::exists(folder / "step-40.partial"));
  EXPECT_FALSE(fs::exists(folder / "step-60.partial"));
  EXPECT_THAT(listed(folder.path), ElementsAre(20));
  fs::create_directory(folder / "step-60.partial");
  writeFile(folder / "step-60.partial/notes.txt", "mine");
  EXPECT_THAT(removePartials(folder.path).message(),
              HasSubstr("holds other files than a checkpoint's"));
  EXPECT_TRUE(fs::exists(folder / "step-60.partial/notes.txt"));
}

/// What a link leads to is somebody else's, whatever its files are called.
TEST(CheckpointFolder, FollowsNoLinks) {
  TemporaryFolder folder, theirs;
  std::string path = writeCheckpoint(theirs.path, manifestOf(2));
  auto refuses = [&](const std::string &link, const std::string &to) {
    fs::create_symlink(to, link);
    EXPECT_THAT(removePartials(folder.path).message(),
                HasSubstr("is a link or holds other files"));
    EXPECT_TRUE(fs::is_symlink(link));
    fs::remove(link);
    EXPECT_EQ(problemOf(path), "");
  };
  refuses(folder / "step-40.partial", path);
  fs::create_directory(folder / "step-40.partial");
  refuses(folder / "step-40.partial/rank-0.safetensors",
          path + "/rank-0.safetensors");
  EXPECT_EQ(removePartials(folder.path).message(), "");
  // Nor is it one of those that are kept.
  fs::create_symlink(path, folder / "step-10");
  writeCheckpoint(folder.path, manifestOf(2));
  EXPECT_EQ(removeOldest(folder.path, 1, "0a1b2c3d").status().message(), "");
  EXPECT_THAT(listed(folder.path), ElementsAre(10, 20));
  EXPECT_EQ(problemOf(path), "");
}

TEST(CheckpointFolder, LeavesOtherRunsAlone) {
  TemporaryFolder folder;
  writeCheckpoint(folder.path, manifestOf(2));
  for (int64_t step : {30, 40, 50})
    copyTo(folder.path, step);
  for (int64_t step : {40, 50}) {
    auto index = loadIndex(stepFolder(folder.path, step));
    ASSERT_TRUE(index.ok());
    index->run = "another1";
    writeFile(stepFolder(folder.path, step) + "/" + kIndexName,
              writeIndex(*index));
  }
  Expected<int64_t> others = removeOldest(folder.path, 1, "another1");
  ASSERT_TRUE(others.ok()) << others.status().message();
  EXPECT_EQ(*others, 2);
  EXPECT_THAT(listed(folder.path), ElementsAre(20, 30, 50));
}
