//===- MachineTest.cpp - Memory and cores that a host leaves --------------===//

#include "trainer/Machine.h"
#include "TestProgram.h"
#include "core/Exceptions.h"
#include "trainer/OptionChecks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <new>
#include <system_error>

using namespace fsdprt;
using namespace fsdprt::test;
using testing::HasSubstr;

namespace {

constexpr int64_t gibibyte = int64_t(1) << 30;

/// A root folder with the kernel's files as they are told.
class Machine : public testing::Test {
protected:
  void put(const std::string &path, const std::string &content) {
    std::filesystem::create_directories(
        std::filesystem::path(folder / path).parent_path());
    writeFile(folder / path, content);
  }
  void putV2(const std::string &cgroup, int64_t limit, int64_t used,
             int64_t cache) {
    put("sys/fs/cgroup" + cgroup + "/memory.max", std::to_string(limit));
    put("sys/fs/cgroup" + cgroup + "/memory.current", std::to_string(used));
    put("sys/fs/cgroup" + cgroup + "/memory.stat",
        "anon 5\nactive_file 0\ninactive_file " + std::to_string(cache) + "\n");
  }

  TemporaryFolder folder;
};

TEST_F(Machine, SaysNothingWhereTheKernelDoesNot) {
  EXPECT_FALSE(freeMemory(folder.path));
  EXPECT_FALSE(coreQuota(folder.path));
}

TEST_F(Machine, HasWhatIsAvailable) {
  put("proc/meminfo", "MemTotal: 9 kB\nMemAvailable:    2097152 kB\n");
  ASSERT_TRUE(freeMemory(folder.path));
  EXPECT_EQ(freeMemory(folder.path)->freeBytes, 2 * gibibyte);
  EXPECT_EQ(freeMemory(folder.path)->origin, "MemAvailable");
}

TEST_F(Machine, IsBoundByItsCgroupAndThoseAround) {
  put("proc/meminfo", "MemAvailable: 8388608 kB\n");
  put("proc/self/cgroup", "0::/jobs/mine\n");
  put("sys/fs/cgroup/jobs/mine/memory.max", "max\n");
  put("sys/fs/cgroup/jobs/mine/memory.current", "5\n");
  EXPECT_EQ(freeMemory(folder.path)->freeBytes, 8 * gibibyte);
  putV2("/jobs", 4 * gibibyte, 3 * gibibyte, gibibyte);
  EXPECT_EQ(freeMemory(folder.path)->freeBytes, 2 * gibibyte);
  EXPECT_EQ(freeMemory(folder.path)->origin,
            "the cgroup's memory limit of 4.0 GiB");
  putV2("/jobs/mine", gibibyte, 2 * gibibyte, 0);
  EXPECT_EQ(freeMemory(folder.path)->freeBytes, 0);
}

TEST_F(Machine, KnowsTheFirstVersionOfCgroups) {
  put("proc/meminfo", "MemAvailable: 8388608 kB\n");
  put("proc/self/cgroup", "5:memory:/a\n4:cpu,cpuacct:/a\n");
  const std::string memory = "sys/fs/cgroup/memory/a/memory.";
  put(memory + "limit_in_bytes", std::to_string(gibibyte));
  put(memory + "usage_in_bytes", "1000");
  put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
  put("sys/fs/cgroup/memory/memory.usage_in_bytes", "1000");
  EXPECT_EQ(freeMemory(folder.path)->freeBytes, gibibyte - 1000);
  put("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "-1");
  put("sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000");
  EXPECT_FALSE(coreQuota(folder.path));
  put("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "250000");
  EXPECT_EQ(coreQuota(folder.path), 3);
}

TEST_F(Machine, HasAQuotaOfCores) {
  put("proc/self/cgroup", "0::/\n");
  put("sys/fs/cgroup/cpu.max", "max 100000\n");
  EXPECT_FALSE(coreQuota(folder.path));
  put("sys/fs/cgroup/cpu.max", "400000 100000\n");
  EXPECT_EQ(coreQuota(folder.path), 4);
  put("sys/fs/cgroup/cpu.max", "nonsense\n");
  EXPECT_FALSE(coreQuota(folder.path));
}

TEST(Threads, AreDividedAmongRanks) {
  EXPECT_EQ(threadsPerRank(16, 16, 4, {}), 4);
  EXPECT_EQ(threadsPerRank(16, 4, 4, {}), 4); // bound apart by a launcher
  EXPECT_EQ(threadsPerRank(4, 4, 4, {}), 1);  // all on the same four
  EXPECT_EQ(threadsPerRank(16, 16, 2, 4), 2);
  EXPECT_EQ(threadsPerRank(16, 16, 4, 1), 1);
  EXPECT_EQ(threadsPerRank(2, 2, 8, {}), 1);
  EXPECT_GE(ownCores(), 1);
}

TEST(Memory, IsComparedBeforeItIsTaken) {
  Manifest manifest;
  manifest.plannedPeakBytes = 3 * gibibyte;
  MemoryLimit limit{6 * gibibyte, "MemAvailable"};
  EXPECT_TRUE(checkMemory(manifest, 2, limit).ok());
  EXPECT_TRUE(checkMemory(manifest, 1000, std::nullopt).ok());
  std::string message = checkMemory(manifest, 3, limit).message();
  for (const char *part : {"3 ranks of 3.0 GiB (3221225472 bytes) each",
                           "6.0 GiB (6442450944 bytes)", "MemAvailable"})
    EXPECT_THAT(message, HasSubstr(part));
}

TEST(Exceptions, AreSaidInOurWords) {
  auto thrown = [](auto exception) {
    try {
      throw exception;
    } catch (...) {
      return describeException().message();
    }
  };
  EXPECT_THAT(thrown(std::bad_alloc()), HasSubstr("out of memory"));
  EXPECT_THAT(thrown(std::system_error(EAGAIN, std::generic_category())),
              HasSubstr("cannot start a thread"));
  EXPECT_EQ(thrown(std::runtime_error("why")), "why");
}

TEST(EditDistance, CountsLetters) {
  EXPECT_EQ(editDistance("--step", "--steps"), 1u);
  EXPECT_EQ(editDistance("", "abc"), 3u);
  EXPECT_EQ(editDistance("kitten", "sitting"), 3u);
  EXPECT_EQ(editDistance("same", "same"), 0u);
}

} // namespace
