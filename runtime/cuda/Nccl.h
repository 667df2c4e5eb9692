//===- Nccl.h - NVIDIA's collectives, found at run time ---------*- C++ -*-===//

#ifndef FSDPRT_CUDA_NCCL_H
#define FSDPRT_CUDA_NCCL_H

#include "core/Status.h"
#include "cuda/NcclTypes.h"

#include <string>

namespace fsdprt::cuda {

/// libnccl.so.2, version 2.26 or later: earlier ones let the collectives of two
/// communicators wait for each other where a GPU runs both.
struct Nccl {
#define FSDPRT_NCCL_FUNCTION(NAME, RESULT, PARAMETERS)                         \
  RESULT(*NAME) PARAMETERS = nullptr;
#include "cuda/NcclFunctions.def"

  int version = 0; ///< as ncclGetVersion gives it: 22809 for 2.28.9
  std::string path;

  /// Finds the library. Fails if there is none, it is older than 2.26 or lacks
  /// a function that is not optional.
  static Expected<Nccl> load();

  /// Whether memory can be registered as a symmetric window (2.27).
  bool hasWindows() const {
    return version >= 22700 && ncclCommWindowRegister &&
           ncclCommWindowDeregister;
  }

  /// A failure unless `result` is ncclSuccess or ncclInProgress:
  /// "ncclAllGather failed: ", the library's name of the error and what it said
  /// last. `comm` may be null.
  Status check(const char *call, ncclResult_t result, ncclComm_t comm) const;
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_NCCL_H
