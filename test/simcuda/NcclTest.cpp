//===- NcclTest.cpp - The simulated NCCL ----------------------------------===//

#include "test/simcuda/NcclTestBase.h"
#include "test/simcuda/Numbers.h"

#include <cstring>
#include <sys/wait.h>
#include <unistd.h>

using namespace simcuda::test;
using ::testing::HasSubstr;

TEST_F(NcclTest, GathersAndSumsOverThreads) {
  for (int ranks : {1, 2, 3, 4})
    for (size_t count : {size_t(1), size_t(300007)}) {
      restart({{"SIMCUDA_SEED", std::to_string(ranks)}});
      ncclUniqueId id = makeId();
      runRanks(ranks,
               [&](int rank) { checkCollectives(id, rank, ranks, count); });
    }
}

TEST_F(NcclTest, GathersAndSumsOverProcesses) {
  ncclUniqueId id = makeId();
  pid_t child = ::fork();
  if (child == 0) {
    useDevice(1);
    checkCollectives(id, 1, 2, 1000);
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  checkCollectives(id, 0, 2, 1000);
  int status = 1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_NE(::access(("/dev/shm/" + std::string(id.internal)).c_str(), F_OK),
            0);
}

TEST_F(NcclTest, RanksMeetAtAnAddress) {
  restart({{"NCCL_COMM_ID", "127.0.0.1:2950" + std::to_string(::getpid())}});
  runRanks(2, [&](int rank) {
    for (int i = 0; i < 3; ++i) // one communicator after the other
      checkCollectives(makeId(), rank, 2, 10);
  });
}

TEST_F(NcclTest, HalvesAreSummedInHalfPrecision) {
  ncclUniqueId id = makeId();
  runRanks(2, [&](int rank) {
    ncclComm_t comm = join(id, rank, 2);
    // 256 + 1 has no place in bf16's eight bits: ties go to even.
    uint16_t one = simcuda::toBf16(rank ? 1 : 256);
    CUdeviceptr a = upload({0});
    float *from = pinned(1);
    std::memcpy(from, &one, 2);
    CUstream s = stream();
    EXPECT_CUDA(d.cuMemcpyHtoDAsync(a, from, 2, s));
    EXPECT_EQ(
        nccl.ncclAllReduce(at(a), at(a), 1, ncclBfloat16, ncclSum, comm, s),
        ncclSuccess);
    EXPECT_CUDA(d.cuStreamSynchronize(s));
    uint16_t sum;
    float value = download(a, 1)[0];
    std::memcpy(&sum, &value, 2);
    EXPECT_EQ(simcuda::fromBf16(sum), 256);
    EXPECT_EQ(nccl.ncclCommDestroy(comm), ncclSuccess);
  });
}

TEST_F(NcclTest, DoesNotBlockAndMustBePolled) {
  withSeeds([&] {
    ncclUniqueId id = makeId();
    runRanks(2, [&](int rank) {
      ncclComm_t comm = join(id, rank, 2, /*blocking=*/false);
      CUdeviceptr a = upload({1.0f + rank});
      CUstream s = stream();
      auto reduce = [&] {
        return nccl.ncclAllReduce(at(a), at(a), 1, ncclFloat32, ncclSum, comm,
                                  s);
      };
      EXPECT_EQ(reduce(), ncclInProgress);
      // Nothing is on the stream yet, and nothing else may be asked for.
      EXPECT_CUDA(d.cuStreamQuery(s));
      EXPECT_THAT(refused(reduce), HasSubstr("is used before"));
      EXPECT_EQ(settle(comm), ncclSuccess);
      EXPECT_EQ(wait(comm, s), ncclSuccess);
      EXPECT_EQ(download(a, 1)[0], 3);
      while (nccl.ncclCommFinalize(comm) == ncclInProgress)
        settle(comm);
      EXPECT_EQ(nccl.ncclCommDestroy(comm), ncclSuccess);
    });
  });
}

TEST_F(NcclTest, GroupsAreIssuedTogetherUnderOneAnnouncement) {
  ncclUniqueId id = makeId();
  runRanks(2, [&](int rank) {
    ncclComm_t comm = join(id, rank, 2, /*blocking=*/false);
    CUdeviceptr a = upload({1.0f + rank, 5.0f + rank}), b = device(16);
    CUstream s = stream();
    announce("all_gather",
             {{a, 8, FSDPRT_ACCESS_READ, 0}, {b, 16, FSDPRT_ACCESS_WRITE, 0}});
    EXPECT_EQ(nccl.ncclGroupStart(), ncclSuccess);
    for (int i = 0; i < 2; ++i)
      EXPECT_EQ(nccl.ncclAllGather(at(a + 4 * i), at(b + 8 * i), 1, ncclFloat32,
                                   comm, s),
                ncclSuccess);
    EXPECT_EQ(nccl.ncclGroupEnd(), ncclInProgress);
    EXPECT_EQ(settle(comm), ncclSuccess);
    EXPECT_EQ(wait(comm, s), ncclSuccess);
    EXPECT_EQ(download(b, 4), (std::vector<float>{1, 2, 5, 6}));
    EXPECT_EQ(nccl.ncclCommDestroy(comm), ncclSuccess);
  });
}

TEST_F(NcclTest, CollectivesAreCaptured) {
  withSeeds([&] {
    ncclUniqueId id = makeId();
    runRanks(2, [&](int rank) {
      ncclComm_t comm = join(id, rank, 2, /*blocking=*/false);
      CUdeviceptr a = upload({1});
      CUstream s = stream();
      EXPECT_CUDA(
          d.cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
      EXPECT_EQ(
          nccl.ncclAllReduce(at(a), at(a), 1, ncclFloat32, ncclSum, comm, s),
          ncclInProgress);
      EXPECT_EQ(settle(comm), ncclSuccess);
      CUgraph graph = nullptr;
      CUgraphExec exec = nullptr;
      EXPECT_CUDA(d.cuStreamEndCapture(s, &graph));
      EXPECT_CUDA(d.cuGraphInstantiate(&exec, graph, 0));
      for (int i = 0; i < 3; ++i)
        EXPECT_CUDA(d.cuGraphLaunch(exec, s));
      EXPECT_EQ(wait(comm, s), ncclSuccess);
      EXPECT_EQ(download(a, 1)[0], 8);
      EXPECT_EQ(nccl.ncclCommDestroy(comm), ncclSuccess);
    });
  });
}
