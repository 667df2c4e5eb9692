//===- NcclMisuseTest.cpp - What the simulated NCCL does not forgive ------===//

#include "test/simcuda/NcclTestBase.h"

using namespace simcuda::test;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST_F(NcclTest, RanksThatDisagreeAreNamed) {
  ncclUniqueId id = makeId();
  std::string said = stderrOf([&] {
    runRanks(2, [&](int rank) {
      ncclComm_t comm = join(id, rank, 2);
      CUdeviceptr a = upload(std::vector<float>(8));
      CUstream s = stream();
      announce("norm", {{a, 32, FSDPRT_ACCESS_READ_WRITE, 0}});
      EXPECT_EQ(nccl.ncclAllReduce(at(a), at(a), 4 + rank, ncclFloat32, ncclSum,
                                   comm, s),
                ncclSuccess);
      EXPECT_EQ(wait(comm, s), ncclInvalidUsage);
      EXPECT_THAT(nccl.ncclGetLastError(comm), HasSubstr("their counts are"));
      EXPECT_EQ(nccl.ncclCommAbort(comm), ncclSuccess);
      EXPECT_CUDA(d.cuStreamSynchronize(s)); // the stream is free again
    });
  });
  EXPECT_THAT(said, AllOf(HasSubstr("rank 0 is in 'norm' on stream"),
                          HasSubstr("rank 1 in 'norm' on stream"),
                          HasSubstr("their counts are 4 and 5")));
}

TEST_F(NcclTest, AnOrderThatDiffersOverCommunicatorsIsReported) {
  ncclUniqueId ids[] = {makeId(), makeId()};
  std::string said = stderrOf([&] {
    runRanks(2, [&](int rank) {
      ncclComm_t comms[] = {join(ids[0], rank, 2), join(ids[1], rank, 2)};
      CUdeviceptr a[] = {upload({1}), upload({2})};
      CUstream s[] = {stream(), stream()};
      for (int i : {rank, 1 - rank})
        EXPECT_EQ(nccl.ncclAllReduce(at(a[i]), at(a[i]), 1, ncclFloat32,
                                     ncclSum, comms[i], s[i]),
                  ncclSuccess);
      EXPECT_EQ(wait(comms[0], s[0]), ncclInvalidUsage);
      for (ncclComm_t comm : comms)
        nccl.ncclCommAbort(comm);
    });
  });
  EXPECT_THAT(said, HasSubstr("operations of another communicator"));
}

TEST_F(NcclTest, MisuseIsRefused) {
  ncclUniqueId id = makeId();
  stderrOf([&] {
    ncclComm_t comm = join(id, 0, 1);
    CUdeviceptr a = upload({1, 2, 3, 4});
    CUstream s = stream(), t = stream();
    auto gather = [&](CUdeviceptr from, CUdeviceptr to, CUstream on) {
      return nccl.ncclAllGather(at(from), at(to), 2, ncclFloat32, comm, on);
    };
    EXPECT_EQ(gather(a, a + 4, s), ncclInvalidArgument); // overlap
    CUdeviceptr address;
    EXPECT_CUDA(d.cuMemHostGetDevicePointer(&address, status, 0));
    EXPECT_CUDA(d.cuStreamWaitValue32(s, address, 1, CU_STREAM_WAIT_VALUE_GEQ));
    EXPECT_EQ(gather(a, a + 8, s), ncclSuccess);
    EXPECT_EQ(gather(a, a + 8, t), ncclInvalidUsage); // another stream
    auto gatherElsewhere = [&] {
      ncclResult_t result;
      std::thread([&] {
        useDevice(0);
        result = gather(a, a + 8, s);
      }).join();
      return result;
    };
    EXPECT_EQ(gatherElsewhere(), ncclInvalidUsage); // another thread
    *status = 1;
    EXPECT_CUDA(d.cuStreamSynchronize(s));
    EXPECT_EQ(gatherElsewhere(), ncclSuccess); // which may go on then
    EXPECT_CUDA(d.cuStreamSynchronize(s));
    ncclWindow_t window;
    EXPECT_EQ(nccl.ncclCommWindowRegister(comm, at(a), 16, &window,
                                          NCCL_WIN_COLL_SYMMETRIC),
              ncclInvalidArgument); // not memory of ncclMemAlloc
    void *memory = nullptr;
    EXPECT_EQ(nccl.ncclMemAlloc(&memory, 4096), ncclSuccess);
    EXPECT_EQ(nccl.ncclCommWindowRegister(comm, memory, 4096, &window,
                                          NCCL_WIN_COLL_SYMMETRIC),
              ncclSuccess);
    EXPECT_EQ(nccl.ncclCommWindowDeregister(comm, window), ncclSuccess);
    EXPECT_EQ(nccl.ncclMemFree(memory), ncclSuccess);
    EXPECT_EQ(nccl.ncclMemFree(memory), ncclInvalidArgument);
    EXPECT_EQ(nccl.ncclCommDestroy(comm), ncclSuccess);
  });
}

TEST_F(NcclTest, WindowsAreUsedAtEqualOffsets) {
  ncclUniqueId id = makeId();
  std::string said = stderrOf([&] {
    runRanks(2, [&](int rank) {
      ncclComm_t comm = join(id, rank, 2);
      void *memory = nullptr;
      ncclWindow_t window;
      EXPECT_EQ(nccl.ncclMemAlloc(&memory, 4096), ncclSuccess);
      EXPECT_EQ(nccl.ncclCommWindowRegister(comm, memory, 4096, &window,
                                            NCCL_WIN_COLL_SYMMETRIC),
                ncclSuccess);
      CUstream s = stream();
      auto *place = static_cast<char *>(memory) + 16 * rank;
      EXPECT_EQ(
          nccl.ncclAllReduce(place, place, 1, ncclFloat32, ncclSum, comm, s),
          ncclSuccess);
      EXPECT_EQ(wait(comm, s), ncclInvalidUsage);
      nccl.ncclCommAbort(comm);
    });
  });
  EXPECT_THAT(said, HasSubstr("elsewhere in the registered windows"));
}

TEST_F(NcclTest, TwoRanksOfOneDeviceAreRefused) {
  ncclUniqueId id = makeId();
  std::vector<std::thread> threads;
  for (int rank : {0, 1})
    threads.emplace_back([&, rank] {
      useDevice(0);
      ncclConfig_t config;
      ncclComm_t comm = nullptr;
      EXPECT_EQ(nccl.ncclCommInitRankConfig(&comm, 2, id, rank, &config),
                ncclInvalidUsage);
      EXPECT_THAT(nccl.ncclGetLastError(comm), HasSubstr("Duplicate GPU"));
      nccl.ncclCommAbort(comm);
    });
  for (std::thread &thread : threads)
    thread.join();
}

TEST_F(NcclTest, CollectivesFailOnRequest) {
  restart({{"SIMCUDA_FAIL_COLLECTIVE", "2"}, {"SIMCUDA_FAULT_RANK", "1"}});
  ncclUniqueId id = makeId();
  runRanks(2, [&](int rank) {
    ncclComm_t comm = join(id, rank, 2);
    CUdeviceptr a = upload({1});
    CUstream s = stream();
    auto reduce = [&] {
      EXPECT_EQ(
          nccl.ncclAllReduce(at(a), at(a), 1, ncclFloat32, ncclSum, comm, s),
          ncclSuccess);
    };
    reduce();
    EXPECT_EQ(wait(comm, s), ncclSuccess);
    reduce();
    if (rank == 1) {
      EXPECT_EQ(wait(comm, s), ncclRemoteError);
    } else {
      for (int i = 0; i < 100; ++i)
        EXPECT_EQ(d.cuStreamQuery(s), CUDA_ERROR_NOT_READY);
    }
    EXPECT_EQ(nccl.ncclCommAbort(comm), ncclSuccess);
    EXPECT_CUDA(d.cuStreamSynchronize(s));
  });
}

TEST_F(NcclTest, ARankNeverComesOnRequest) {
  restart({{"SIMCUDA_LOSE_COLLECTIVE", "1"}, {"SIMCUDA_FAULT_RANK", "0"}});
  ncclUniqueId id = makeId();
  runRanks(2, [&](int rank) {
    ncclComm_t comm = join(id, rank, 2);
    CUdeviceptr a = upload({1});
    CUstream s = stream();
    nccl.ncclAllReduce(at(a), at(a), 1, ncclFloat32, ncclSum, comm, s);
    ncclResult_t state;
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ(d.cuStreamQuery(s), CUDA_ERROR_NOT_READY);
      EXPECT_EQ(nccl.ncclCommGetAsyncError(comm, &state), ncclSuccess);
      EXPECT_EQ(state, ncclSuccess);
    }
    EXPECT_EQ(nccl.ncclCommAbort(comm), ncclSuccess);
  });
}

TEST_F(NcclTest, ALibraryThatIsTooOldIsRefused) {
  restart({{"SIMCUDA_NCCL_VERSION", "21805"}});
  auto old = Nccl::load();
  ASSERT_FALSE(old.ok());
  EXPECT_THAT(old.status().message(),
              HasSubstr("is version 2.18.5, and 2.26.0 or later is needed"));
}

TEST_F(NcclTest, ErrorsNameTheCall) {
  EXPECT_TRUE(nccl.check("ncclAllGather", ncclInProgress, nullptr).ok());
  EXPECT_THAT(nccl.check("ncclAllGather", ncclInvalidUsage, nullptr).message(),
              HasSubstr("ncclAllGather failed: invalid usage"));
  EXPECT_TRUE(nccl.hasWindows());
}
