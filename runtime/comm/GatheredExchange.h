//===- GatheredExchange.h - An exchange out of all-gathers ------*- C++ -*-===//

#ifndef FSDPRT_COMM_GATHEREDEXCHANGE_H
#define FSDPRT_COMM_GATHEREDEXCHANGE_H

#include "comm/Communicator.h"

#include <string>

namespace fsdprt {

/// One exchange (Communicator::start) for a transport that can gather equal
/// parts of all ranks. First each rank tells how much it sends to whom; then
/// all send what they have, in as many rounds as the longest needs, and each
/// keeps what is its own. What all peers get alike is sent once.
class GatheredExchange {
public:
  GatheredExchange() = default;
  /// `transfers` as in Communicator::start; a round has at most `roundBytes`
  /// bytes of each rank, at least leastRoundBytes(ranks).
  GatheredExchange(const std::vector<Transfer> &transfers, int rank, int ranks,
                   int64_t roundBytes);

  static int64_t leastRoundBytes(int ranks) {
    return (int64_t(ranks) + 1) * int64_t(sizeof(int64_t));
  }

  /// Writes what this rank gives to the next round, and returns how many bytes:
  /// as many on all ranks, 0 once the exchange is over.
  int64_t give(char *part);
  /// What all ranks have given, one after the other. Fails where a peer sends
  /// another number of bytes than is expected of it.
  Status take(const char *parts);

private:
  int64_t bytesFor(int peer) const;
  bool areAlike() const;
  Status readSizes(const char *parts);
  void readRound(const char *parts);
  void deliver();
  int64_t sizeOf(int sender, int receiver) const {
    return sizes[size_t(sender) * (size_t(ranks) + 1) + size_t(receiver)];
  }
  /// Whether all get the same of it, told behind its sizes.
  bool sendsOnce(int sender) const { return sizeOf(sender, ranks) != 0; }
  int64_t lengthOf(int sender) const;
  int64_t placeIn(int sender) const;

  std::vector<Transfer> transfers;
  int rank = 0, ranks = 1;
  int64_t roundBytes = 0;
  std::string outgoing;              // what peers get of this rank
  std::vector<std::string> incoming; // what came for this rank, by sender
  std::vector<int64_t> sizes;        // a row a sender; empty: not told yet
  int64_t longest = 0, done = 0;     // bytes of what ranks send
};

} // namespace fsdprt

#endif // FSDPRT_COMM_GATHEREDEXCHANGE_H
