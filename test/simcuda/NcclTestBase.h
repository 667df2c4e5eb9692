//===- NcclTestBase.h - Tests of the simulated NCCL -------------*- C++ -*-===//

#ifndef SIMCUDA_NCCLTESTBASE_H
#define SIMCUDA_NCCLTESTBASE_H

#include "cuda/Nccl.h"
#include "test/simcuda/TestBase.h"

#include <dlfcn.h>
#include <thread>

namespace simcuda::test {

/// Ranks of the simulated NCCL, through the runtime's table.
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

} // namespace simcuda::test

#endif // SIMCUDA_NCCLTESTBASE_H
