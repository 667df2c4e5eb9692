//===- NcclTest.cpp - The simulated NCCL ----------------------------------===//

#include "cuda/Nccl.h"
#include "test/simcuda/Numbers.h"
#include "test/simcuda/TestBase.h"

#include <cstring>
#include <dlfcn.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace simcuda::test;
using ::testing::AllOf;
using ::testing::HasSubstr;

namespace {
class NcclTest : public SimulatedTest {
protected:
  void SetUp() override {
    SimulatedTest::SetUp();
    ASSERT_TRUE(::dlopen(SIMCUDA_FOLDER "/libnccl.so.2", RTLD_NOW | RTLD_LOCAL))
        << ::dlerror();
    auto table = Nccl::load();
    ASSERT_TRUE(table.ok()) << table.status().message();
    nccl = *table;
  }

  ncclUniqueId makeId() {
    ncclUniqueId id;
    EXPECT_EQ(nccl.ncclGetUniqueId(&id), ncclSuccess);
    return id;
  }

  void useDevice(int number) {
    CUcontext context;
    EXPECT_CUDA(d.cuDevicePrimaryCtxRetain(&context, number));
    EXPECT_CUDA(d.cuCtxSetCurrent(context));
  }

  /// Each rank is a thread with a device of its own.
  void runRanks(int ranks, const std::function<void(int)> &body) {
    std::vector<std::thread> threads;
    for (int rank = 0; rank < ranks; ++rank)
      threads.emplace_back([&, rank] {
        useDevice(rank);
        body(rank);
      });
    for (std::thread &thread : threads)
      thread.join();
  }

  ncclComm_t join(const ncclUniqueId &id, int rank, int ranks,
                  bool blocking = true) {
    ncclConfig_t config;
    config.blocking = blocking;
    ncclComm_t comm = nullptr;
    EXPECT_EQ(nccl.ncclCommInitRankConfig(&comm, ranks, id, rank, &config),
              blocking ? ncclSuccess : ncclInProgress);
    if (!blocking)
      EXPECT_EQ(settle(comm), ncclSuccess);
    return comm;
  }

  /// Polls until the communicator is not in progress.
  ncclResult_t settle(ncclComm_t comm) {
    ncclResult_t state = ncclInProgress;
    while (state == ncclInProgress) {
      EXPECT_EQ(nccl.ncclCommGetAsyncError(comm, &state), ncclSuccess);
      std::this_thread::yield();
    }
    return state;
  }

  /// Polls as the runtime does; the stream's result, or ncclRemoteError and
  /// its like as the communicator's.
  ncclResult_t wait(ncclComm_t comm, CUstream s) {
    while (true) {
      ncclResult_t state;
      EXPECT_EQ(nccl.ncclCommGetAsyncError(comm, &state), ncclSuccess);
      if (state != ncclSuccess && state != ncclInProgress)
        return state;
      CUresult result = d.cuStreamQuery(s);
      if (result != CUDA_ERROR_NOT_READY)
        return result == CUDA_SUCCESS ? ncclSuccess : ncclUnhandledCudaError;
      std::this_thread::yield();
    }
  }

  /// Makes a call that must be refused; what it says.
  std::string refused(const std::function<ncclResult_t()> &call) {
    EXPECT_EQ(call(), ncclInvalidArgument);
    return nccl.ncclGetLastError(nullptr);
  }

  static void *at(CUdeviceptr address) {
    return reinterpret_cast<void *>(address);
  }

  /// All three collectives on this rank, over more bytes than a window has.
  void checkCollectives(const ncclUniqueId &id, int rank, int ranks,
                        size_t count) {
    ncclComm_t comm = join(id, rank, ranks);
    std::vector<float> part(count), line(count * ranks);
    for (size_t i = 0; i < count; ++i)
      part[i] = 1000 * rank + i % 977;
    for (size_t i = 0; i < line.size(); ++i)
      line[i] = rank + i % 881;
    CUdeviceptr a = upload(part), b = device(line.size() * 4), c = upload(line),
                e = device(count * 4);
    CUstream s = stream();
    EXPECT_EQ(nccl.ncclAllGather(at(a), at(b), count, ncclFloat32, comm, s),
              ncclSuccess);
    EXPECT_EQ(nccl.ncclReduceScatter(at(c), at(e), count, ncclFloat32, ncclSum,
                                     comm, s),
              ncclSuccess);
    EXPECT_EQ(
        nccl.ncclAllReduce(at(a), at(a), count, ncclFloat32, ncclSum, comm, s),
        ncclSuccess);
    EXPECT_CUDA(d.cuStreamSynchronize(s));
    std::vector<float> gathered = download(b, line.size()),
                       reduced = download(e, count), all = download(a, count);
    int base = ranks * (ranks - 1) / 2;
    for (size_t i = 0; i < count; ++i) {
      for (int r = 0; r < ranks; ++r)
        ASSERT_EQ(gathered[r * count + i], 1000 * r + i % 977);
      ASSERT_EQ(reduced[i], base + ranks * float((rank * count + i) % 881));
      ASSERT_EQ(all[i], 1000 * base + ranks * float(i % 977));
    }
    EXPECT_EQ(nccl.ncclCommFinalize(comm), ncclSuccess);
    EXPECT_EQ(nccl.ncclCommDestroy(comm), ncclSuccess);
  }

  Nccl nccl;
};
} // namespace

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
    EXPECT_EQ(gather(a, a + 8, s), ncclSuccess);
    EXPECT_EQ(gather(a, a + 8, t), ncclInvalidUsage); // another stream
    std::thread([&] {
      useDevice(0);
      EXPECT_EQ(gather(a, a + 8, s), ncclInvalidUsage); // another thread
    }).join();
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
              HasSubstr("is version 2.18.5, and 2.19.0 or later is needed"));
}

TEST_F(NcclTest, ErrorsNameTheCall) {
  EXPECT_TRUE(nccl.check("ncclAllGather", ncclInProgress, nullptr).ok());
  EXPECT_THAT(nccl.check("ncclAllGather", ncclInvalidUsage, nullptr).message(),
              HasSubstr("ncclAllGather failed: invalid usage"));
  EXPECT_TRUE(nccl.hasWindows());
}
