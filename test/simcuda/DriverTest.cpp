//===- DriverTest.cpp - Devices, memory, streams and events ---------------===//

#include "test/simcuda/TestBase.h"

#include <cmath>

using namespace simcuda::test;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsNan;

namespace {
class DriverTest : public SimulatedTest {};
} // namespace

TEST_F(DriverTest, HasAsManyDevicesAsAsked) {
  int count = 0;
  EXPECT_CUDA(d.cuDeviceGetCount(&count));
  EXPECT_EQ(count, 8);
  restart({{"SIMCUDA_DEVICES", "2"}});
  EXPECT_CUDA(d.cuDeviceGetCount(&count));
  EXPECT_EQ(count, 2);
  CUdevice device;
  EXPECT_CUDA(d.cuDeviceGet(&device, 1));
  EXPECT_EQ(d.cuDeviceGet(&device, 2), CUDA_ERROR_INVALID_DEVICE);
  int major = 0;
  EXPECT_CUDA(d.cuDeviceGetAttribute(
      &major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 1));
  EXPECT_EQ(major, 9);
}

TEST_F(DriverTest, MemoryIsCountedAndLimited) {
  restart({{"SIMCUDA_MEMORY", "4096"}});
  size_t free = 0, total = 0;
  CUdeviceptr a = device(4000), b = 0;
  EXPECT_CUDA(d.cuMemGetInfo(&free, &total));
  EXPECT_EQ(free, 96u);
  EXPECT_EQ(total, 4096u);
  EXPECT_EQ(d.cuMemAlloc(&b, 97), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_CUDA(d.cuMemFree(a));
  EXPECT_CUDA(d.cuMemAlloc(&b, 4096));
  EXPECT_EQ(d.cuMemFree(a), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(DriverTest, TheNthAllocationFailsOnRequest) {
  // The test's status word is the first.
  restart({{"SIMCUDA_FAIL_ALLOCATION", "3"}});
  CUdeviceptr a = 0;
  EXPECT_CUDA(d.cuMemAlloc(&a, 16));
  EXPECT_EQ(d.cuMemAlloc(&a, 16), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_CUDA(d.cuMemAlloc(&a, 16));
}

TEST_F(DriverTest, TheHostCannotTouchDeviceMemory) {
  CUdeviceptr a = upload({1, 2, 3});
  EXPECT_EXIT(*reinterpret_cast<volatile float *>(a) = 1,
              ::testing::KilledBySignal(SIGSEGV), "");
}

TEST_F(DriverTest, CopiesAndFills) {
  CUdeviceptr a = upload({1, 2, 3, 4}), b = device(16);
  CUstream s = stream();
  EXPECT_CUDA(d.cuMemsetD8Async(b, 0, 16, s));
  EXPECT_CUDA(d.cuMemcpyDtoDAsync(b + 4, a, 8, s));
  EXPECT_CUDA(d.cuStreamSynchronize(s));
  EXPECT_EQ(download(b, 4), (std::vector<float>{0, 1, 2, 0}));
}

TEST_F(DriverTest, CopiesOfOtherHostMemoryAreRefused) {
  CUdeviceptr a = device(16);
  float values[4] = {};
  CUstream s = stream();
  EXPECT_THAT(stderrOf([&] {
                EXPECT_EQ(d.cuMemcpyHtoDAsync(a, values, 16, s),
                          CUDA_ERROR_INVALID_VALUE);
              }),
              HasSubstr("are not in pinned host memory"));
}

TEST_F(DriverTest, WhatWasNeverWrittenIsNotRead) {
  CUdeviceptr a = device(16);
  float *to = pinned(4);
  CUstream s = stream();
  EXPECT_THAT(stderrOf([&] {
                d.cuMemcpyDtoHAsync(to, a, 16, s);
                EXPECT_EQ(d.cuStreamSynchronize(s), CUDA_ERROR_ILLEGAL_ADDRESS);
              }),
              HasSubstr("'cuMemcpyDtoHAsync' on stream 0 reads what was never "
                        "written: byte 0 of 16"));
  restart({{"SIMCUDA_UNINITIALIZED", "off"}});
  EXPECT_EQ(download(device(16), 4), std::vector<float>(4));
}

/// What lies between a line's parts comes along, and is no number.
TEST_F(DriverTest, CopiesMovePadding) {
  CUdeviceptr a = device(12), b = device(12);
  float *from = pinned(1), *to = pinned(3);
  *from = 5;
  CUstream s = stream();
  EXPECT_CUDA(d.cuMemcpyHtoDAsync(a + 4, from, 4, s));
  EXPECT_CUDA(d.cuMemcpyDtoDAsync(b, a, 12, s));
  EXPECT_CUDA(d.cuMemcpyDtoHAsync(to, b, 12, s));
  EXPECT_CUDA(d.cuStreamSynchronize(s));
  EXPECT_THAT(std::vector<float>(to, to + 3), ElementsAre(IsNan(), 5, IsNan()));
  EXPECT_THAT(stderrOf([&] {
                d.cuMemcpyDtoHAsync(to, b + 8, 4, s);
                EXPECT_EQ(d.cuStreamSynchronize(s), CUDA_ERROR_ILLEGAL_ADDRESS);
              }),
              HasSubstr("reads what was never written"));
}

/// What is not ordered with the wait is seen in either order, by some seed.
TEST_F(DriverTest, OperationsRunLateAndEarly) {
  bool early = false, late = false;
  withSeeds([&] {
    CUdeviceptr a = upload({5});
    float *to = pinned(1);
    *to = 0;
    CUstream s = stream();
    EXPECT_CUDA(d.cuMemcpyDtoHAsync(to, a, 4, s));
    (*to == 5 ? early : late) = true;
    EXPECT_CUDA(d.cuStreamSynchronize(s));
    EXPECT_EQ(*to, 5);
  });
  EXPECT_TRUE(early);
  EXPECT_TRUE(late);
}

TEST_F(DriverTest, AStreamIsPolledToItsEnd) {
  withSeeds([&] {
    CUdeviceptr a = upload({1}), b = device(4);
    CUstream s = stream();
    for (int i = 0; i < 5; ++i)
      EXPECT_CUDA(d.cuMemcpyDtoDAsync(b, a, 4, s));
    CUresult result;
    int polls = 0;
    while ((result = d.cuStreamQuery(s)) == CUDA_ERROR_NOT_READY)
      ASSERT_LT(++polls, 1000);
    EXPECT_CUDA(result);
  });
}

TEST_F(DriverTest, EventsOrderStreams) {
  withSeeds([&] {
    CUdeviceptr a = upload({7}), b = device(4);
    float *to = pinned(1);
    CUstream s = stream(), t = stream();
    CUevent e = event();
    EXPECT_CUDA(d.cuMemcpyDtoDAsync(b, a, 4, s));
    EXPECT_CUDA(d.cuEventRecord(e, s));
    EXPECT_CUDA(d.cuStreamWaitEvent(t, e, 0));
    EXPECT_CUDA(d.cuMemcpyDtoHAsync(to, b, 4, t));
    EXPECT_CUDA(d.cuStreamSynchronize(t));
    EXPECT_EQ(*to, 7);
    EXPECT_CUDA(d.cuEventQuery(e));
  });
}

TEST_F(DriverTest, EventsMeasureTime) {
  CUdeviceptr a = upload({1}), b = device(4);
  CUstream s = stream();
  CUevent begin = event(), end = event();
  EXPECT_CUDA(d.cuEventRecord(begin, s));
  EXPECT_CUDA(d.cuMemcpyDtoDAsync(b, a, 4, s));
  EXPECT_CUDA(d.cuEventRecord(end, s));
  EXPECT_CUDA(d.cuEventSynchronize(end));
  float between = -1;
  EXPECT_CUDA(d.cuEventElapsedTime(&between, begin, end));
  EXPECT_GE(between, 0);
  CUevent none = nullptr;
  EXPECT_CUDA(d.cuEventCreate(&none, CU_EVENT_DISABLE_TIMING));
  EXPECT_CUDA(d.cuEventRecord(none, s));
  EXPECT_CUDA(d.cuEventSynchronize(none));
  EXPECT_EQ(d.cuEventElapsedTime(&between, begin, none),
            CUDA_ERROR_INVALID_HANDLE);
}

TEST_F(DriverTest, StreamsWaitForWordsThatTheHostWrites) {
  withSeeds([&] {
    CUdeviceptr a = upload({1}), b = device(4);
    auto *word = reinterpret_cast<volatile uint32_t *>(pinned(2));
    word[0] = word[1] = 0;
    CUstream s = stream();
    auto address = reinterpret_cast<CUdeviceptr>(word);
    EXPECT_CUDA(d.cuStreamWaitValue32(s, address, 3, CU_STREAM_WAIT_VALUE_GEQ));
    EXPECT_CUDA(d.cuMemcpyDtoDAsync(b, a, 4, s));
    EXPECT_CUDA(d.cuStreamWriteValue32(s, address + 4, 9, 0));
    for (int i = 0; i < 50; ++i)
      EXPECT_EQ(d.cuStreamQuery(s), CUDA_ERROR_NOT_READY);
    EXPECT_EQ(word[1], 0u);
    word[0] = 3;
    EXPECT_CUDA(d.cuStreamSynchronize(s));
    EXPECT_EQ(word[1], 9u);
  });
}

TEST_F(DriverTest, TheHostMustNotWriteWhatIsStillToBeRead) {
  bool said = false;
  withSeeds([&] {
    CUdeviceptr a = device(4);
    float *from = pinned(1);
    *from = 1;
    CUstream s = stream();
    std::string text = stderrOf([&] {
      EXPECT_CUDA(d.cuMemcpyHtoDAsync(a, from, 4, s));
      *from = 2;
      d.cuStreamSynchronize(s);
    });
    said |= text.find("the host wrote pinned memory, 4 bytes") != text.npos;
  });
  EXPECT_TRUE(said);
}

TEST_F(DriverTest, TheHostMayWriteBeforeTheWordThatIsWaitedFor) {
  withSeeds([&] {
    CUdeviceptr a = device(4);
    float *from = pinned(1);
    auto *word = reinterpret_cast<volatile uint32_t *>(pinned(1));
    CUdeviceptr address;
    EXPECT_CUDA(
        d.cuMemHostGetDevicePointer(&address, const_cast<uint32_t *>(word), 0));
    *word = 0;
    CUstream s = stream();
    EXPECT_CUDA(d.cuStreamWaitValue32(s, address, 1, CU_STREAM_WAIT_VALUE_GEQ));
    EXPECT_CUDA(d.cuMemcpyHtoDAsync(a, from, 4, s));
    *from = 2;
    *word = 1;
    EXPECT_CUDA(d.cuStreamSynchronize(s));
    EXPECT_EQ(download(a, 1), std::vector<float>{2});
  });
}

TEST_F(DriverTest, ResultsThatAreNotThereYetAreNaN) {
  bool early = false;
  withSeeds([&] {
    CUdeviceptr a = upload({5});
    float *to = pinned(1);
    *to = 4;
    CUstream s = stream();
    EXPECT_CUDA(d.cuMemcpyDtoHAsync(to, a, 4, s));
    EXPECT_TRUE(*to == 5 || std::isnan(*to)) << *to;
    early |= std::isnan(*to);
    EXPECT_CUDA(d.cuStreamSynchronize(s));
    EXPECT_EQ(*to, 5);
  });
  EXPECT_TRUE(early);
}

/// What the device itself writes first is not the host's.
TEST_F(DriverTest, PinnedMemoryGoesThereAndBack) {
  withSeeds([&] {
    CUdeviceptr a = upload({5}), b = device(4);
    float *between = pinned(1);
    *between = 0;
    CUstream s = stream();
    EXPECT_CUDA(d.cuMemcpyDtoHAsync(between, a, 4, s));
    EXPECT_CUDA(d.cuMemcpyHtoDAsync(b, between, 4, s));
    EXPECT_CUDA(d.cuStreamSynchronize(s));
    EXPECT_EQ(download(b, 1)[0], 5);
  });
}

TEST_F(DriverTest, TheDefaultStreamIsRefused) {
  CUdeviceptr a = device(4);
  EXPECT_THAT(stderrOf([&] {
                EXPECT_EQ(d.cuMemsetD8Async(a, 0, 4, nullptr),
                          CUDA_ERROR_INVALID_HANDLE);
              }),
              HasSubstr("on the default stream"));
}

TEST_F(DriverTest, ErrorsStay) {
  CUstream s = stream();
  stderrOf([&] {
    EXPECT_CUDA(d.cuMemsetD8Async(4096, 0, 4, s));
    EXPECT_EQ(d.cuStreamSynchronize(s), CUDA_ERROR_ILLEGAL_ADDRESS);
  });
  CUdeviceptr a = 0;
  EXPECT_EQ(d.cuMemAlloc(&a, 4), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(d.cuStreamQuery(s), CUDA_ERROR_ILLEGAL_ADDRESS);
}
