//===- TunedFile.h - Algorithms that were measured --------------*- C++ -*-===//

#ifndef FSDPRT_CUDA_TUNEDFILE_H
#define FSDPRT_CUDA_TUNEDFILE_H

#include "core/Status.h"
#include "cuda/BlasLtTypes.h"

#include <map>
#include <optional>
#include <string>

namespace fsdprt::cuda {

/// The fastest algorithms of products, and what they were measured on: bytes of
/// an algorithm mean the same to one version of the library only.
struct Tuned {
  std::string device;
  int64_t driver = 0, library = 0; // versions, as they say them
  std::map<std::string, cublasLtMatmulAlgo_t> algorithms; // by LtProducts' name

  /// "NVIDIA H100 with CUDA driver 13000 and cuBLASLt 130101".
  std::string origin() const;
};

/// Nothing if there is no such file; fails if it holds anything else.
Expected<std::optional<Tuned>> readTuned(const std::string &path);

/// Whole or not at all.
Status writeTuned(const Tuned &tuned, const std::string &path);

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_TUNEDFILE_H
