//===- KernelTest.cpp - Kernels, run and watched --------------------------===//

#include "test/simcuda/TestBase.h"

using namespace simcuda::test;
using ::testing::AllOf;
using ::testing::HasSubstr;

namespace {
constexpr int kRead = FSDPRT_ACCESS_READ, kWrite = FSDPRT_ACCESS_WRITE;

class KernelTest : public SimulatedTest {
protected:
  static constexpr unsigned kBlocks = 4, kElements = 64 * kBlocks;
  static constexpr int64_t kBytes = kElements * sizeof(float);

  std::vector<float> numbers() {
    std::vector<float> values(kElements);
    for (unsigned i = 0; i < kElements; ++i)
      values[i] = i;
    return values;
  }

  /// Runs `name` from a to b, both announced; what was reported.
  std::string runAnnounced(const char *name, CUdeviceptr a, CUdeviceptr b,
                           CUresult expected) {
    return stderrOf([&] {
      CUstream s = stream();
      announce(name, {{a, kBytes, kRead, 0}, {b, kBytes, kWrite, 0}}, "h.0");
      EXPECT_CUDA(launch(kernel(name), kBlocks, {a, b}, s));
      EXPECT_EQ(d.cuStreamSynchronize(s), expected);
    });
  }
};
} // namespace

TEST_F(KernelTest, ComputesInAnyOrder) {
  withSeeds([&] {
    CUdeviceptr a = upload(numbers()), b = device(kBytes);
    EXPECT_EQ(runAnnounced("twice", a, b, CUDA_SUCCESS), "");
    std::vector<float> result = download(b, kElements);
    for (unsigned i = 0; i < kElements; ++i)
      EXPECT_EQ(result[i], 2 * i);
  });
}

TEST_F(KernelTest, SharesMemoryAndShuffles) {
  withSeeds([&] {
    CUdeviceptr a = upload(numbers()), b = device(kBytes);
    EXPECT_EQ(runAnnounced("reverse", a, b, CUDA_SUCCESS), "");
    EXPECT_EQ(download(b, kElements)[64], 127);
    CUdeviceptr sums = device(kBytes);
    EXPECT_EQ(runAnnounced("warp_sum", a, sums, CUDA_SUCCESS), "");
    EXPECT_EQ(download(sums, 2), (std::vector<float>{496, 496 + 1024}));
  });
}

TEST_F(KernelTest, LaunchesThatWereNotAnnouncedAreWatchedToo) {
  CUdeviceptr a = upload(numbers()), b = device(kBytes);
  CUstream s = stream();
  EXPECT_CUDA(launch(kernel("twice"), kBlocks, {a, b}, s));
  EXPECT_CUDA(d.cuStreamSynchronize(s));
  EXPECT_THAT(stderrOf([&] {
                EXPECT_CUDA(launch(kernel("twice"), kBlocks + 1, {a, b}, s));
                EXPECT_EQ(d.cuStreamSynchronize(s), CUDA_ERROR_ILLEGAL_ADDRESS);
              }),
              AllOf(HasSubstr("of block 4 loads 4 bytes"),
                    HasSubstr("past the end of the 1024")));
}

TEST_F(KernelTest, AnElementPastAnArgumentIsReported) {
  CUdeviceptr a = upload(numbers()), b = device(kBytes);
  EXPECT_THAT(runAnnounced("overrun", a, b, CUDA_ERROR_ILLEGAL_ADDRESS),
              AllOf(HasSubstr("kernel 'overrun' of 'overrun' of unit 'h.0' on "
                              "stream"),
                    HasSubstr("thread 63 of block 3 loads 4 bytes 0 past the "
                              "end of the 1024")));
}

TEST_F(KernelTest, AReadOfWhatIsOnlyWrittenIsReported) {
  CUdeviceptr a = upload(numbers()), b = upload(numbers());
  EXPECT_THAT(runAnnounced("reads_result", a, b, CUDA_ERROR_ILLEGAL_ADDRESS),
              HasSubstr("which it has not written, as a result or scratch"));
}

TEST_F(KernelTest, AWriteOfWhatIsOnlyReadIsReported) {
  CUdeviceptr a = upload(numbers());
  CUstream s = stream();
  EXPECT_THAT(stderrOf([&] {
                announce("add", {{a, kBytes, kRead, 0}});
                EXPECT_CUDA(launch(kernel("increment"), kBlocks, {a}, s));
                EXPECT_EQ(d.cuStreamSynchronize(s), CUDA_ERROR_ILLEGAL_ADDRESS);
              }),
              HasSubstr("which were announced as read"));
}

/// In place, run twice: the second run begins with what the first began with.
TEST_F(KernelTest, ComputesInPlace) {
  CUdeviceptr a = upload(numbers());
  CUstream s = stream();
  announce("add", {{a, kBytes, kRead, 0}, {a, kBytes, kWrite, 0}});
  EXPECT_CUDA(launch(kernel("increment"), kBlocks, {a}, s));
  EXPECT_CUDA(d.cuStreamSynchronize(s));
  EXPECT_EQ(download(a, 3), (std::vector<float>{1, 2, 3}));
}

TEST_F(KernelTest, ScratchIsForgotten) {
  CUdeviceptr a = upload(numbers()), b = device(kBytes);
  CUstream s = stream();
  announce("first",
           {{a, kBytes, kRead, 0}, {b, kBytes, FSDPRT_ACCESS_SCRATCH, 0}});
  EXPECT_CUDA(launch(kernel("twice"), kBlocks, {a, b}, s));
  EXPECT_CUDA(d.cuStreamSynchronize(s));
  EXPECT_THAT(runAnnounced("twice", b, a, CUDA_ERROR_ILLEGAL_ADDRESS),
              HasSubstr("which were never written"));
}

TEST_F(KernelTest, AMissingBarrierIsReported) {
  withSeeds([&] {
    CUdeviceptr a = upload(numbers()), b = device(kBytes);
    EXPECT_THAT(runAnnounced("reverse_without_barrier", a, b,
                             CUDA_ERROR_ILLEGAL_ADDRESS),
                HasSubstr("gives other bits when its threads and blocks run in "
                          "another order"));
  });
}

TEST_F(KernelTest, ABarrierThatSomeDoNotReachIsReported) {
  CUstream s = stream();
  EXPECT_THAT(stderrOf([&] {
                announce("half", {});
                EXPECT_CUDA(launch(kernel("half_a_barrier"), 1, {}, s));
                EXPECT_EQ(d.cuStreamSynchronize(s), CUDA_ERROR_ILLEGAL_ADDRESS);
              }),
              HasSubstr("a barrier is not reached by all threads"));
}

TEST_F(KernelTest, TheStatusIsAWordOfPinnedMemory) {
  CUstream s = stream();
  announce("fails", {});
  EXPECT_CUDA(launch(kernel("fails"), 1, {}, s));
  EXPECT_CUDA(d.cuStreamSynchronize(s));
  EXPECT_EQ(*status, 2);
}

TEST_F(KernelTest, AKernelFaultsOnRequest) {
  restart({{"SIMCUDA_FAIL_KERNEL", "2"}});
  CUdeviceptr a = upload(numbers()), b = device(kBytes);
  EXPECT_EQ(runAnnounced("twice", a, b, CUDA_SUCCESS), "");
  EXPECT_THAT(runAnnounced("twice", a, b, CUDA_ERROR_ILLEGAL_ADDRESS),
              HasSubstr("SIMCUDA_FAIL_KERNEL"));
}

TEST_F(KernelTest, LaunchesOfAnotherShapeAreRefused) {
  CUstream s = stream();
  CUdeviceptr none = 0;
  void *parameters[] = {&none};
  stderrOf([&] {
    EXPECT_EQ(d.cuLaunchKernel(kernel("fails"), 1, 1, 1, 32, 1, 1, 0, s,
                               parameters, nullptr),
              CUDA_ERROR_INVALID_VALUE);
  });
  EXPECT_EQ(d.cuLaunchKernel(kernel("fails"), 0, 1, 1, 64, 1, 1, 0, s,
                             parameters, nullptr),
            CUDA_ERROR_INVALID_VALUE);
}

TEST_F(KernelTest, OtherImagesAreRefusedAsTheDriverDoes) {
  CUmodule module;
  char log[256] = "";
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER,
                            CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void *values[] = {log, reinterpret_cast<void *>(sizeof log)};
  EXPECT_EQ(d.cuModuleLoadDataEx(&module, "// PTX\n.version 8.5\n", 2, options,
                                 values),
            CUDA_ERROR_JIT_COMPILER_NOT_FOUND);
  EXPECT_THAT(log, HasSubstr("no compiler of PTX"));
  std::vector<char> image = readFile(SIMCUDA_FOLDER "/simcuda-kernels.so");
  image[18] = char(190); // the machine: CUDA
  image[19] = 0;
  EXPECT_EQ(d.cuModuleLoadDataEx(&module, image.data(), 0, nullptr, nullptr),
            CUDA_ERROR_NO_BINARY_FOR_GPU);
  EXPECT_EQ(
      d.cuModuleLoadDataEx(&module, "no image at all", 0, nullptr, nullptr),
      CUDA_ERROR_INVALID_IMAGE);
  CUfunction function;
  EXPECT_TRUE(kernel("twice"));
  image = readFile(SIMCUDA_FOLDER "/simcuda-kernels.so");
  EXPECT_CUDA(d.cuModuleLoadDataEx(&module, image.data(), 0, nullptr, nullptr));
  EXPECT_EQ(d.cuModuleGetFunction(&function, module, "none"),
            CUDA_ERROR_NOT_FOUND);
  EXPECT_CUDA(d.cuModuleUnload(module));
}
