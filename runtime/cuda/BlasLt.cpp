//===- BlasLt.cpp - The library of products, found at run time ------------===//

#include "cuda/BlasLt.h"

#include "cuda/SharedLibrary.h"

using namespace fsdprt;
using namespace fsdprt::cuda;

/// 120401 is 12.4.1, and 12.0 began with 120001.
static Status checkVersion(const BlasLt &blas) {
  constexpr size_t oldest = 120000;
  if (blas.version >= oldest)
    return Status();
  return failure("cublasLt at ", blas.path, " says version ", blas.version,
                 ", and ", oldest,
                 " (12.0) or later is needed; put a newer "
                 "CUDA toolkit's lib64 on LD_LIBRARY_PATH");
}

/// Those that the driver can run, which are of its own CUDA and of earlier
/// ones.
static std::vector<std::string> namesFor(int driverVersion) {
  std::vector<std::string> names = {"libcublasLt.so.12"};
  if (driverVersion >= 13000)
    names.insert(names.begin(), "libcublasLt.so.13");
  return names;
}

Expected<BlasLt> BlasLt::load(int driverVersion) {
  auto library = SharedLibrary::open(
      "cublasLt", namesFor(driverVersion),
      "install the CUDA toolkit of the driver's version, or put the folder of "
      "its libraries on LD_LIBRARY_PATH");
  if (!library.ok())
    return library.status();
  BlasLt blas;
  blas.path = library->path();
  FSDPRT_RETURN_IF_ERROR(
      library->bind("cublasLtGetVersion", blas.cublasLtGetVersion));
  blas.version = blas.cublasLtGetVersion();
  FSDPRT_RETURN_IF_ERROR(checkVersion(blas));
#define FSDPRT_BLASLT_FUNCTION(NAME, RESULT, PARAMETERS)                       \
  FSDPRT_RETURN_IF_ERROR(library->bind(#NAME, blas.NAME));
#include "cuda/BlasLtFunctions.def"
  return blas;
}

Status BlasLt::check(const char *call, cublasStatus_t status) const {
  if (status == CUBLAS_STATUS_SUCCESS)
    return Status();
  return failure(call, " failed: ", cublasLtGetStatusString(status));
}
