//===- HostPlace.h - A rank among those of its host -------------*- C++ -*-===//

#ifndef FSDPRT_DEVICE_HOSTPLACE_H
#define FSDPRT_DEVICE_HOSTPLACE_H

namespace fsdprt {

/// A rank's number among the ranks of its host, which share its GPUs.
struct HostPlace {
  int rank = 0, ranks = 1;
  bool oneProcess = false; ///< they are threads
};

/// Who moves what a program's collectives exchange.
enum class Exchanges {
  Host, ///< the communicator; on GPUs through pinned memory
  Nccl  ///< NCCL, between GPUs of which each rank has one
};

} // namespace fsdprt

#endif // FSDPRT_DEVICE_HOSTPLACE_H
