//===- TestBase.cpp - Tests of the simulated driver -----------------------===//

#include "test/simcuda/TestBase.h"

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fstream>
#include <iterator>

using namespace simcuda::test;
using namespace fsdprt::cuda;

/// The tables look where the dynamic linker does: what is loaded by its path
/// is found there by its name.
static void *simulatedDriver() {
  static void *handle =
      ::dlopen(SIMCUDA_FOLDER "/libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  return handle;
}

void SimulatedTest::start() {
  ASSERT_TRUE(simulatedDriver()) << ::dlerror();
  auto reset =
      reinterpret_cast<void (*)()>(::dlsym(simulatedDriver(), "simcuda_reset"));
  ASSERT_TRUE(reset);
  reset();
  module = nullptr;
  if (set.count("SIMCUDA_DRIVER_VERSION"))
    return;
  auto table = Driver::load();
  ASSERT_TRUE(table.ok()) << table.status().message();
  d = *table;
  ASSERT_CUDA(d.cuInit(0));
  CUcontext context;
  ASSERT_CUDA(d.cuDevicePrimaryCtxRetain(&context, 0));
  ASSERT_CUDA(d.cuCtxSetCurrent(context));
  status = reinterpret_cast<int32_t *>(pinned(1));
  *status = 0;
}

void SimulatedTest::SetUp() { start(); }

void SimulatedTest::TearDown() {
  for (const auto &[name, value] : set)
    ::unsetenv(name.c_str());
}

void SimulatedTest::restart(const Environment &environment) {
  TearDown();
  set = environment;
  for (const auto &[name, value] : set)
    ::setenv(name.c_str(), value.c_str(), 1);
  start();
}

void SimulatedTest::withSeeds(const std::function<void()> &body,
                              Environment more) {
  for (int seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    more["SIMCUDA_SEED"] = std::to_string(seed);
    restart(more);
    body();
    if (HasFatalFailure())
      return;
  }
}

CUstream SimulatedTest::stream() {
  CUstream stream = nullptr;
  EXPECT_CUDA(d.cuStreamCreateWithPriority(&stream, CU_STREAM_NON_BLOCKING, 0));
  return stream;
}

CUevent SimulatedTest::event() {
  CUevent event = nullptr;
  EXPECT_CUDA(d.cuEventCreate(&event, CU_EVENT_DEFAULT));
  return event;
}

CUdeviceptr SimulatedTest::device(size_t bytes) {
  CUdeviceptr address = 0;
  EXPECT_CUDA(d.cuMemAlloc(&address, bytes));
  return address;
}

float *SimulatedTest::pinned(size_t count) {
  void *memory = nullptr;
  EXPECT_CUDA(d.cuMemHostAlloc(&memory, count * sizeof(float),
                               CU_MEMHOSTALLOC_PORTABLE));
  return static_cast<float *>(memory);
}

CUfunction SimulatedTest::kernel(const char *name) {
  if (!module) {
    std::vector<char> image = readFile(SIMCUDA_FOLDER "/simcuda-kernels.so");
    EXPECT_CUDA(
        d.cuModuleLoadDataEx(&module, image.data(), 0, nullptr, nullptr));
  }
  CUfunction function = nullptr;
  EXPECT_CUDA(d.cuModuleGetFunction(&function, module, name));
  return function;
}

CUdeviceptr SimulatedTest::upload(const std::vector<float> &values) {
  size_t bytes = values.size() * sizeof(float);
  float *from = pinned(values.size());
  std::memcpy(from, values.data(), bytes);
  CUdeviceptr to = device(bytes);
  CUstream s = stream();
  EXPECT_CUDA(d.cuMemcpyHtoDAsync(to, from, bytes, s));
  EXPECT_CUDA(d.cuStreamSynchronize(s));
  return to;
}

std::vector<float> SimulatedTest::download(CUdeviceptr from, size_t count) {
  float *to = pinned(count);
  CUstream s = stream();
  EXPECT_CUDA(d.cuMemcpyDtoHAsync(to, from, count * sizeof(float), s));
  EXPECT_CUDA(d.cuStreamSynchronize(s));
  return std::vector<float>(to, to + count);
}

void SimulatedTest::announce(const char *name,
                             const std::vector<fsdprt_simulated_range> &ranges,
                             const char *unit) {
  ASSERT_TRUE(d.simulatedOperation);
  d.simulatedOperation(name, unit, ranges.data(), ranges.size());
}

CUresult SimulatedTest::launch(CUfunction function, unsigned blocks,
                               std::vector<CUdeviceptr> args, CUstream stream) {
  args.push_back(reinterpret_cast<CUdeviceptr>(status));
  std::vector<void *> parameters;
  for (CUdeviceptr &arg : args)
    parameters.push_back(&arg);
  return d.cuLaunchKernel(function, blocks, 1, 1, 64, 1, 1, 0, stream,
                          parameters.data(), nullptr);
}

std::string simcuda::test::stderrOf(const std::function<void()> &body) {
  ::testing::internal::CaptureStderr();
  body();
  return ::testing::internal::GetCapturedStderr();
}

std::vector<char> simcuda::test::readFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return std::vector<char>(std::istreambuf_iterator<char>(file), {});
}
