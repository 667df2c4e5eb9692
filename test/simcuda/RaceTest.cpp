//===- RaceTest.cpp - Operations that are not ordered ---------------------===//

#include "test/simcuda/TestBase.h"

using namespace simcuda::test;
using ::testing::AllOf;
using ::testing::HasSubstr;

namespace {
class RaceTest : public SimulatedTest {
protected:
  /// A fill and a copy on two streams, ordered as `order` does.
  std::string fillAndCopy(const std::function<void(CUstream, CUstream)> &order,
                          CUresult expected, bool fillFirst = true) {
    CUdeviceptr a = upload({1, 2, 3, 4}), b = device(16);
    CUstream s = stream(), t = stream();
    return stderrOf([&] {
      auto fill = [&](CUstream on) {
        announce("fill", {{a + 4, 4, FSDPRT_ACCESS_WRITE, 0}}, "h.1");
        EXPECT_CUDA(d.cuMemsetD8Async(a + 4, 0, 4, on));
      };
      auto copy = [&](CUstream on) {
        announce("copy", {{a, 16, FSDPRT_ACCESS_READ, 0},
                          {b, 16, FSDPRT_ACCESS_WRITE, 0}});
        EXPECT_CUDA(d.cuMemcpyDtoDAsync(b, a, 16, on));
      };
      fillFirst ? fill(s) : copy(s);
      order(s, t);
      CUresult first =
          fillFirst ? (copy(t), CUDA_SUCCESS) : (fill(t), CUDA_SUCCESS);
      EXPECT_CUDA(first);
      CUresult result = d.cuStreamSynchronize(s);
      if (result == CUDA_SUCCESS)
        result = d.cuStreamSynchronize(t);
      EXPECT_EQ(result, expected);
    });
  }
};
} // namespace

TEST_F(RaceTest, NamesBothOperationsWhicheverWayTheyRun) {
  withSeeds([&] {
    EXPECT_THAT(
        fillAndCopy([](CUstream, CUstream) {}, CUDA_ERROR_ILLEGAL_ADDRESS),
        AllOf(HasSubstr("race on device 0: 'copy' on stream"),
              HasSubstr("'fill' of unit 'h.1' on stream"),
              HasSubstr("which writes there"), HasSubstr("byte 4 of 16 at")));
    restart({});
    EXPECT_THAT(fillAndCopy([](CUstream, CUstream) {},
                            CUDA_ERROR_ILLEGAL_ADDRESS,
                            /*fillFirst=*/false),
                HasSubstr("'copy' on stream 1, which reads there"));
  });
}

TEST_F(RaceTest, AnEventOrders) {
  withSeeds([&] {
    EXPECT_EQ(fillAndCopy(
                  [&](CUstream s, CUstream t) {
                    CUevent e = event();
                    EXPECT_CUDA(d.cuEventRecord(e, s));
                    EXPECT_CUDA(d.cuStreamWaitEvent(t, e, 0));
                  },
                  CUDA_SUCCESS),
              "");
  });
}

TEST_F(RaceTest, TheHostOrders) {
  EXPECT_EQ(
      fillAndCopy(
          [&](CUstream s, CUstream) { EXPECT_CUDA(d.cuStreamSynchronize(s)); },
          CUDA_SUCCESS),
      "");
}

TEST_F(RaceTest, AnEventOfEarlierWorkDoesNot) {
  CUevent e = event();
  CUstream other = stream();
  EXPECT_CUDA(d.cuEventRecord(e, other));
  EXPECT_THAT(fillAndCopy(
                  [&](CUstream, CUstream t) {
                    EXPECT_CUDA(d.cuStreamWaitEvent(t, e, 0));
                  },
                  CUDA_ERROR_ILLEGAL_ADDRESS),
              HasSubstr("race on device 0"));
}

TEST_F(RaceTest, NeighboursDoNotMeet) {
  CUdeviceptr a = device(16);
  CUstream s = stream(), t = stream();
  EXPECT_CUDA(d.cuMemsetD8Async(a, 0, 8, s));
  EXPECT_CUDA(d.cuMemsetD8Async(a + 8, 0, 8, t));
  EXPECT_CUDA(d.cuStreamSynchronize(s));
  EXPECT_CUDA(d.cuStreamSynchronize(t));
}

TEST_F(RaceTest, TwoReadersDoNotMeetAndBothHoldUpAWriter) {
  CUdeviceptr a = upload({1}), b = device(4), c = device(4);
  CUstream s = stream(), t = stream();
  EXPECT_CUDA(d.cuMemcpyDtoDAsync(b, a, 4, s));
  EXPECT_CUDA(d.cuMemcpyDtoDAsync(c, a, 4, t));
  EXPECT_THAT(stderrOf([&] { d.cuMemsetD8Async(a, 0, 4, t); }),
              HasSubstr("which reads there"));
}

TEST_F(RaceTest, WhatIsAnnouncedMustHoldWhatACallTouches) {
  CUdeviceptr a = device(16);
  CUstream s = stream();
  EXPECT_THAT(stderrOf([&] {
                announce("fill", {{a, 8, FSDPRT_ACCESS_WRITE, 0}});
                EXPECT_EQ(d.cuMemsetD8Async(a, 0, 16, s),
                          CUDA_ERROR_INVALID_VALUE);
              }),
              HasSubstr("that were not announced so"));
  announce("fill", {{a, 8, FSDPRT_ACCESS_WRITE, 0},
                    {a + 8, 8, FSDPRT_ACCESS_WRITE, 0}});
  EXPECT_CUDA(d.cuMemsetD8Async(a, 0, 16, s));
  EXPECT_CUDA(d.cuStreamSynchronize(s));
}

TEST_F(RaceTest, KernelsThatWereNotAnnouncedRaceToo) {
  withSeeds([&] {
    CUdeviceptr a = upload(std::vector<float>(64)), b = device(256);
    CUstream s = stream(), t = stream();
    EXPECT_THAT(stderrOf([&] {
                  launch(kernel("twice"), 1, {a, b}, s);
                  launch(kernel("increment"), 1, {a}, t);
                  CUresult result = d.cuStreamSynchronize(s);
                  if (result == CUDA_SUCCESS)
                    result = d.cuStreamSynchronize(t);
                  EXPECT_EQ(result, CUDA_ERROR_ILLEGAL_ADDRESS);
                }),
                AllOf(HasSubstr("'twice'"), HasSubstr("'increment'")));
  });
}
