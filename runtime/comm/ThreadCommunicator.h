//===- ThreadCommunicator.h - Ranks as threads of one process ---*- C++ -*-===//

#ifndef FSDPRT_COMM_THREADCOMMUNICATOR_H
#define FSDPRT_COMM_THREADCOMMUNICATOR_H

#include "comm/Communicator.h"

#include <condition_variable>
#include <memory>
#include <mutex>

namespace fsdprt {

/// What the ranks of one process share.
class ThreadGroup {
public:
  explicit ThreadGroup(int size);

  int size() const { return numRanks; }

private:
  friend class ThreadCommunicator;

  /// One rank's exchange on one channel. A rank leaves an exchange only when
  /// all peers have copied from it, so these need no copies.
  struct Post {
    uint64_t started = 0; // exchanges begun
    uint64_t copied = 0;  // exchanges whose incoming pieces are here
    const std::vector<Transfer> *transfers = nullptr;
  };

  const int numRanks;
  std::mutex mutex;
  std::condition_variable changed;
  uint64_t generation = 0; // grows with every change
  bool aborted = false;
  std::vector<Post> posts[NumChannels]; // by rank
};

class ThreadCommunicator : public Communicator {
public:
  ThreadCommunicator(std::shared_ptr<ThreadGroup> group, int rank)
      : group(std::move(group)), self(rank) {}

  int rank() const override { return self; }
  int size() const override { return group->numRanks; }
  const char *name() const override { return "thread"; }
  Status start(int channel, const std::vector<Transfer> &transfers) override;
  Expected<bool> test(int channel) override;
  void idle(int attempt, std::chrono::microseconds longest) override;
  void wake() override;
  void abort() override;

private:
  Status copyFrom(int peer, const std::vector<Transfer> &theirs,
                  const std::vector<Transfer> &ours) const;

  std::shared_ptr<ThreadGroup> group;
  const int self;
  uint64_t seenGeneration = 0;
  std::vector<Transfer> current[NumChannels];
};

} // namespace fsdprt

#endif // FSDPRT_COMM_THREADCOMMUNICATOR_H
