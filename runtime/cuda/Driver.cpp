//===- Driver.cpp - The CUDA driver, found at run time --------------------===//

#include "cuda/Driver.h"

#include "cuda/SharedLibrary.h"

using namespace fsdprt;
using namespace fsdprt::cuda;

static std::string printVersion(int version) {
  return std::to_string(version / 1000) + "." +
         std::to_string(version % 1000 / 10);
}

/// An old driver lacks functions: its version is the clearer message.
static Status checkVersion(Driver &driver, const SharedLibrary &library) {
  constexpr int oldest = 12000;
  FSDPRT_RETURN_IF_ERROR(
      library.bind("cuDriverGetVersion", driver.cuDriverGetVersion));
  if (CUresult result = driver.cuDriverGetVersion(&driver.version))
    return failure("the CUDA driver at ", library.path(),
                   " does not say its version: cuDriverGetVersion failed with ",
                   unsigned(result));
  if (driver.version < oldest)
    return failure("the CUDA driver at ", library.path(), " is for CUDA ",
                   printVersion(driver.version), ", and ", printVersion(oldest),
                   " or later is needed; install a newer NVIDIA driver");
  return Status();
}

Expected<Driver> Driver::load() {
  auto library = SharedLibrary::open(
      "the CUDA driver", {"libcuda.so.1"},
      "install the NVIDIA driver, or compile the program for the CPU "
      "(fsdp-compile --target cpu)");
  if (!library.ok())
    return library.status();
  Driver driver;
  driver.path = library->path();
  FSDPRT_RETURN_IF_ERROR(checkVersion(driver, *library));
#define FSDPRT_DRIVER_FUNCTION(NAME, SYMBOL, RESULT, PARAMETERS)               \
  FSDPRT_RETURN_IF_ERROR(library->bind(#SYMBOL, driver.NAME));
#include "cuda/DriverFunctions.def"
  library->find("fsdp_simulated_operation", driver.simulatedOperation);
  return driver;
}

std::string Driver::describe(CUresult result) const {
  const char *name = nullptr, *text = nullptr;
  if (cuGetErrorName(result, &name) != CUDA_SUCCESS || !name)
    return "error " + std::to_string(unsigned(result));
  if (cuGetErrorString(result, &text) != CUDA_SUCCESS || !text)
    return name;
  return std::string(name) + " (" + text + ")";
}

Status Driver::check(const char *call, CUresult result) const {
  if (result == CUDA_SUCCESS)
    return Status();
  return failure(call, " failed: ", describe(result));
}
