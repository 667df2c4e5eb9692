//===- FilesIdentity.h - Whether two hosts have the same files --*- C++ -*-===//

#ifndef FSDPRT_IO_FILESIDENTITY_H
#define FSDPRT_IO_FILESIDENTITY_H

#include "core/Status.h"

#include <cstdint>
#include <string>
#include <vector>

namespace fsdprt {

/// What tells files from others, wherever they are: how many, how long, and a
/// sum over samples of each in order (`abi/SampledSum.h`: a few bytes changed
/// between the samples of a large file go unseen).
struct FilesIdentity {
  int64_t files = 0, bytes = 0;
  uint64_t sum = 0;

  /// "2 files, 1000 bytes, sum 0123456789abcdef"; "none" of no files.
  std::string text() const;
};

Expected<FilesIdentity> identityOf(const std::vector<std::string> &paths);

} // namespace fsdprt

#endif // FSDPRT_IO_FILESIDENTITY_H
