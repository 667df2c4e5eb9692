//===- Communicator.h - Moving bytes between ranks --------------*- C++ -*-===//
//
// All collectives are one primitive here: every rank sends pieces of memory to
// each peer and receives as many from it. What is sent where, and the sum in
// rank order, are in Collective.h, the same for all transports.
//
// A rank drives its communicator from one thread (CommunicationThread): start,
// then test until it says done. Neither blocks, so one thread serves all
// channels.
//
//===----------------------------------------------------------------------===//

#ifndef FSDPRT_COMM_COMMUNICATOR_H
#define FSDPRT_COMM_COMMUNICATOR_H

#include "abi/fsdprt.h"
#include "core/Status.h"

#include <chrono>
#include <vector>

namespace fsdprt {

/// A piece that goes to one peer, and one that comes from it; both sides agree
/// on `bytes`.
struct Transfer {
  const void *send = nullptr;
  void *receive = nullptr;
  int64_t bytes = 0; // in each direction
};

/// Exchanges of different channels never wait for each other. A program's
/// communicators are channels by number; the runtime's own talk has one more.
enum {
  FSDPRT_MAX_COMMS = 8,
  FSDPRT_COMM_CONTROL = FSDPRT_MAX_COMMS,
  NumChannels
};

class Communicator {
public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual const char *name() const = 0;

  /// Starts an exchange; transfers[piece * size() + peer], as many pieces for
  /// each peer on all ranks, the own entries unused. One exchange at a time on
  /// a channel, in the same order on all ranks. The memory stays untouched by
  /// others until test says done.
  virtual Status start(int channel, const std::vector<Transfer> &transfers) = 0;

  /// Drives the exchange; true when all was sent and received.
  virtual Expected<bool> test(int channel) = 0;

  /// Returns when something may have changed, or after a while of at most
  /// `longest`. `attempt` counts the calls since something last did; where
  /// nobody tells, sleeps 20 to 500 us: a blocking wait would take half of the
  /// core that computes.
  virtual void idle(int attempt, std::chrono::microseconds longest);

  /// Makes a concurrent idle() return soon.
  virtual void wake() {}

  /// Bytes of the rank's GPU that it took when it was made.
  virtual int64_t deviceBytes() const { return 0; }

  /// Lets the peers fail instead of waiting for this rank.
  virtual void abort() {}
};

} // namespace fsdprt

#endif // FSDPRT_COMM_COMMUNICATOR_H
