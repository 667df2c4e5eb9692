//===- GraphTest.cpp - Captured work, replayed ----------------------------===//

#include "test/simcuda/TestBase.h"

#include <thread>

using namespace simcuda::test;
using ::testing::HasSubstr;

namespace {
class GraphTest : public SimulatedTest {
protected:
  CUgraphExec instantiate(CUgraph graph) {
    CUgraphExec exec = nullptr;
    EXPECT_CUDA(d.cuGraphInstantiate(&exec, graph, 0));
    EXPECT_CUDA(d.cuGraphDestroy(graph));
    return exec;
  }

  void begin(CUstream s, CUstreamCaptureMode mode) {
    EXPECT_CUDA(d.cuStreamBeginCapture(s, mode));
  }

  /// `to` waits for what `from` has now.
  void order(CUstream from, CUstream to) {
    CUevent e = event();
    EXPECT_CUDA(d.cuEventRecord(e, from));
    EXPECT_CUDA(d.cuStreamWaitEvent(to, e, 0));
  }
};
constexpr auto kMode = CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
} // namespace

TEST_F(GraphTest, ReplaysForksAndJoinsAndReadsTheHostAnew) {
  withSeeds([&] {
    CUdeviceptr a = device(4), b = device(4), c = device(4);
    float *from = pinned(1), *to = pinned(1);
    CUstream s = stream(), t = stream();
    begin(s, kMode);
    EXPECT_CUDA(d.cuMemcpyHtoDAsync(a, from, 4, s));
    order(s, t);
    EXPECT_CUDA(d.cuMemcpyDtoDAsync(b, a, 4, s));
    EXPECT_CUDA(d.cuMemcpyDtoDAsync(c, a, 4, t));
    order(t, s);
    EXPECT_CUDA(d.cuMemcpyDtoHAsync(to, c, 4, s));
    CUgraph graph;
    ASSERT_CUDA(d.cuStreamEndCapture(s, &graph));
    CUgraphExec exec = instantiate(graph);
    for (float value : {3.0f, 4.0f}) {
      *from = value;
      *to = 0;
      EXPECT_CUDA(d.cuGraphLaunch(exec, s));
      EXPECT_CUDA(d.cuStreamSynchronize(s));
      EXPECT_EQ(*to, value);
    }
    EXPECT_CUDA(d.cuGraphExecDestroy(exec));
  });
}

TEST_F(GraphTest, NothingRunsWhileItIsCaptured) {
  CUdeviceptr a = upload({1});
  CUstream s = stream();
  begin(s, kMode);
  EXPECT_CUDA(d.cuMemsetD8Async(a, 0, 4, s));
  CUgraph graph;
  ASSERT_CUDA(d.cuStreamEndCapture(s, &graph));
  EXPECT_EQ(download(a, 1)[0], 1);
  CUgraphExec exec = instantiate(graph);
  EXPECT_CUDA(d.cuGraphLaunch(exec, s));
  EXPECT_CUDA(d.cuStreamSynchronize(s));
  EXPECT_EQ(download(a, 1)[0], 0);
}

TEST_F(GraphTest, OnlyEdgesOrder) {
  withSeeds([&] {
    CUdeviceptr a = upload({1}), b = device(4);
    CUstream s = stream(), t = stream();
    begin(s, kMode);
    order(s, t);
    EXPECT_CUDA(d.cuMemsetD8Async(a, 0, 4, s));
    EXPECT_CUDA(d.cuMemcpyDtoDAsync(b, a, 4, t));
    order(t, s);
    CUgraph graph;
    ASSERT_CUDA(d.cuStreamEndCapture(s, &graph));
    CUgraphExec exec = instantiate(graph);
    EXPECT_THAT(stderrOf([&] {
                  EXPECT_CUDA(d.cuGraphLaunch(exec, s));
                  EXPECT_EQ(d.cuStreamSynchronize(s),
                            CUDA_ERROR_ILLEGAL_ADDRESS);
                }),
                HasSubstr("race on device 0: 'cuMemcpyDtoDAsync' on stream 2 "
                          "of a graph"));
  });
}

TEST_F(GraphTest, LaunchesFollowEachOther) {
  CUdeviceptr a = upload({1});
  CUstream s = stream(), t = stream();
  begin(s, kMode);
  EXPECT_CUDA(d.cuMemsetD8Async(a, 0, 4, s));
  CUgraph graph;
  ASSERT_CUDA(d.cuStreamEndCapture(s, &graph));
  CUgraphExec exec = instantiate(graph);
  EXPECT_CUDA(d.cuGraphLaunch(exec, s));
  EXPECT_CUDA(d.cuGraphLaunch(exec, t));
  EXPECT_CUDA(d.cuStreamSynchronize(t));
}

TEST_F(GraphTest, UnjoinedWorkIsRefused) {
  CUdeviceptr a = device(4);
  CUstream s = stream(), t = stream();
  begin(s, kMode);
  order(s, t);
  EXPECT_CUDA(d.cuMemsetD8Async(a, 0, 4, t));
  CUgraph graph;
  stderrOf([&] {
    EXPECT_EQ(d.cuStreamEndCapture(s, &graph),
              CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
  });
  EXPECT_CUDA(d.cuMemsetD8Async(a, 0, 4, t)); // the streams are free again
  EXPECT_CUDA(d.cuStreamSynchronize(t));
}

TEST_F(GraphTest, WaitingForTheDeviceEndsACapture) {
  CUdeviceptr a = device(4);
  CUstream s = stream(), other = stream();
  CUgraph graph;
  begin(s, kMode);
  EXPECT_EQ(d.cuStreamSynchronize(s), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  EXPECT_EQ(d.cuMemsetD8Async(a, 0, 4, s),
            CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  EXPECT_EQ(d.cuStreamEndCapture(s, &graph),
            CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  begin(s, kMode);
  EXPECT_EQ(d.cuMemAlloc(&a, 4), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  EXPECT_EQ(d.cuStreamEndCapture(s, &graph),
            CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  begin(s, CU_STREAM_CAPTURE_MODE_RELAXED);
  EXPECT_CUDA(d.cuStreamSynchronize(other));
  EXPECT_CUDA(d.cuStreamEndCapture(s, &graph));
}

TEST_F(GraphTest, OtherThreadsMatterInGlobalModeOnly) {
  CUstream s = stream(), other = stream();
  CUgraph graph;
  for (auto [mode, expected] :
       {std::pair(CU_STREAM_CAPTURE_MODE_GLOBAL,
                  CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED),
        std::pair(kMode, CUDA_SUCCESS)}) {
    begin(s, mode);
    CUresult result;
    std::thread([&] { result = d.cuStreamSynchronize(other); }).join();
    EXPECT_EQ(result, expected);
    d.cuStreamEndCapture(s, &graph);
  }
}

TEST_F(GraphTest, EventsKeepWithinTheirCapture) {
  CUstream s = stream(), t = stream();
  CUevent before = event(), inside = event();
  EXPECT_CUDA(d.cuEventRecord(before, t));
  CUgraph graph;
  begin(s, kMode);
  EXPECT_CUDA(d.cuEventRecord(inside, s));
  EXPECT_EQ(d.cuEventQuery(inside), CUDA_ERROR_CAPTURED_EVENT);
  begin(t, kMode);
  EXPECT_EQ(d.cuStreamWaitEvent(t, inside, 0), CUDA_ERROR_STREAM_CAPTURE_MERGE);
  EXPECT_CUDA(d.cuStreamEndCapture(t, &graph));
  EXPECT_EQ(d.cuStreamWaitEvent(s, before, 0),
            CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
  EXPECT_EQ(d.cuStreamEndCapture(s, &graph),
            CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
}

TEST_F(GraphTest, ACaptureFailsOnRequest) {
  restart({{"SIMCUDA_FAIL_CAPTURE", "1"}});
  CUstream s = stream();
  CUgraph graph;
  begin(s, kMode);
  EXPECT_EQ(d.cuStreamEndCapture(s, &graph),
            CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
}
