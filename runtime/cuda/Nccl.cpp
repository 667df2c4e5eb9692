//===- Nccl.cpp - NVIDIA's collectives, found at run time -----------------===//

#include "cuda/Nccl.h"

#include "cuda/SharedLibrary.h"

using namespace fsdprt;
using namespace fsdprt::cuda;

static std::string printVersion(int version) {
  return std::to_string(version / 10000) + "." +
         std::to_string(version % 10000 / 100) + "." +
         std::to_string(version % 100);
}

static Status checkVersion(Nccl &nccl, const SharedLibrary &library) {
  constexpr int oldest = 22600;
  FSDPRT_RETURN_IF_ERROR(library.bind("ncclGetVersion", nccl.ncclGetVersion));
  if (ncclResult_t result = nccl.ncclGetVersion(&nccl.version))
    return failure("NCCL at ", nccl.path,
                   " does not say its version: "
                   "ncclGetVersion failed with ",
                   unsigned(result));
  if (nccl.version < oldest)
    return failure("NCCL at ", nccl.path, " is version ",
                   printVersion(nccl.version), ", and ", printVersion(oldest),
                   " or later is needed; install a newer libnccl2, or put its "
                   "folder on LD_LIBRARY_PATH");
  return Status();
}

Expected<Nccl> Nccl::load() {
  auto library = SharedLibrary::open(
      "NCCL", {"libnccl.so.2"},
      "install libnccl2, or put the folder of libnccl.so.2 on LD_LIBRARY_PATH");
  if (!library.ok())
    return library.status();
  Nccl nccl;
  nccl.path = library->path();
  FSDPRT_RETURN_IF_ERROR(checkVersion(nccl, *library));
#define FSDPRT_NCCL_FUNCTION(NAME, RESULT, PARAMETERS)                         \
  FSDPRT_RETURN_IF_ERROR(library->bind(#NAME, nccl.NAME));
#define FSDPRT_NCCL_OPTIONAL(NAME, RESULT, PARAMETERS)                         \
  library->find(#NAME, nccl.NAME);
#include "cuda/NcclFunctions.def"
  return nccl;
}

Status Nccl::check(const char *call, ncclResult_t result,
                   ncclComm_t comm) const {
  if (result == ncclSuccess || result == ncclInProgress)
    return Status();
  const char *last = ncclGetLastError(comm);
  return failure(call, " failed: ", ncclGetErrorString(result),
                 last && *last ? std::string(" (") + last + ")" : "");
}
