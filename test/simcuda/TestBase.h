//===- TestBase.h - Tests of the simulated driver ---------------*- C++ -*-===//

#ifndef SIMCUDA_TESTBASE_H
#define SIMCUDA_TESTBASE_H

#include "cuda/Driver.h"
#include "runtime/abi/fsdprt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace simcuda::test {
using namespace fsdprt::cuda;

/// What the environment says while a test runs.
using Environment = std::map<std::string, std::string>;

/// The simulated driver, through the runtime's table, on one device.
class SimulatedTest : public ::testing::Test {
protected:
  void SetUp() override;
  void TearDown() override;

  /// Begins anew, as another process would, under this environment.
  void restart(const Environment &environment);

  /// Runs `body` once for each of some seeds, each as a new process.
  void withSeeds(const std::function<void()> &body, Environment more = {});

  CUstream stream();
  CUevent event();
  CUdeviceptr device(size_t bytes);
  float *pinned(size_t count);
  CUfunction kernel(const char *name);

  /// Memory that holds `values`, written before it returns.
  CUdeviceptr upload(const std::vector<float> &values);
  std::vector<float> download(CUdeviceptr from, size_t count);

  /// Names what comes next and what it touches.
  void announce(const char *name,
                const std::vector<fsdprt_simulated_range> &ranges,
                const char *unit = "");

  /// Launches on as many blocks; the status is a word of pinned memory.
  CUresult launch(CUfunction function, unsigned blocks,
                  std::vector<CUdeviceptr> args, CUstream stream);

  Driver d;
  int32_t *status = nullptr;

private:
  void start();

  Environment set;
  CUmodule module = nullptr;
};

/// Runs `body` and returns what it wrote to stderr.
std::string stderrOf(const std::function<void()> &body);

std::vector<char> readFile(const std::string &path);

} // namespace simcuda::test

#define EXPECT_CUDA(CALL) EXPECT_EQ(CALL, ::fsdprt::cuda::CUDA_SUCCESS)
#define ASSERT_CUDA(CALL) ASSERT_EQ(CALL, ::fsdprt::cuda::CUDA_SUCCESS)

#endif // SIMCUDA_TESTBASE_H
