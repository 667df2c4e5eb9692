//===- Control.h - The ranks' own talk --------------------------*- C++ -*-===//

#ifndef FSDPRT_COMM_CONTROL_H
#define FSDPRT_COMM_CONTROL_H

#include "comm/Communicator.h"

#include <string>

namespace fsdprt {

/// What the runtime itself exchanges with the other ranks, outside of the
/// program's communicators: data of the host, while streams are idle. Fails
/// when a peer is lost or does not answer in time.
class Control {
public:
  virtual ~Control() = default;

  /// Pieces for each rank, as in Communicator::start; ends when all have come.
  virtual Status exchange(std::vector<Transfer> transfers) = 0;
  virtual int numRanks() const = 0;

  /// Every rank's plain data, by rank.
  template <typename T> Expected<std::vector<T>> gather(const T &mine) {
    T sent = mine; // apart: peers write into the others meanwhile
    std::vector<T> all(size_t(numRanks()), mine);
    std::vector<Transfer> transfers(all.size());
    for (size_t peer = 0; peer < all.size(); ++peer)
      transfers[peer] = {&sent, &all[peer], sizeof(T)};
    FSDPRT_RETURN_IF_ERROR(exchange(std::move(transfers)));
    return all;
  }
  Expected<std::vector<int64_t>> gatherValues(int64_t value) {
    return gather(value);
  }

  /// "" where all ranks have come as far without a failure, else the first
  /// one's, the same on all ranks: "rank 1: out of memory".
  Expected<std::string> firstFailure(const Status &mine);
};

} // namespace fsdprt

#endif // FSDPRT_COMM_CONTROL_H
