//===- ThreadCommunicator.cpp - Ranks as threads of one process -----------===//

#include "comm/ThreadCommunicator.h"

#include <cstring>

using namespace fsdprt;

ThreadGroup::ThreadGroup(int size) : numRanks(size) {
  for (std::vector<Post> &channel : posts)
    channel.resize(size);
}

Status ThreadCommunicator::start(int channel,
                                 const std::vector<Transfer> &transfers) {
  std::lock_guard<std::mutex> lock(group->mutex);
  current[channel] = transfers;
  ThreadGroup::Post &post = group->posts[channel][self];
  post.transfers = &current[channel];
  ++post.started;
  ++group->generation;
  group->changed.notify_all();
  return Status();
}

/// Copies all pieces that `peer` sends to this rank.
Status ThreadCommunicator::copyFrom(int peer,
                                    const std::vector<Transfer> &theirs,
                                    const std::vector<Transfer> &ours) const {
  if (theirs.size() != ours.size())
    return failure("rank ", peer, " sends ", theirs.size() / size(),
                   " pieces, expected ", ours.size() / size());
  for (size_t piece = 0; piece < ours.size(); piece += size()) {
    const Transfer &incoming = theirs[piece + self];
    const Transfer &mine = ours[piece + peer];
    if (incoming.bytes != mine.bytes)
      return failure("rank ", peer, " sends ", incoming.bytes,
                     " bytes, expected ", mine.bytes);
    std::memcpy(mine.receive, incoming.send, mine.bytes);
  }
  return Status();
}

Expected<bool> ThreadCommunicator::test(int channel) {
  std::unique_lock<std::mutex> lock(group->mutex);
  if (group->aborted)
    return failure("another rank failed");
  std::vector<ThreadGroup::Post> &posts = group->posts[channel];
  uint64_t sequence = posts[self].started;
  for (const ThreadGroup::Post &post : posts)
    if (post.started < sequence)
      return false;
  if (posts[self].copied < sequence) {
    lock.unlock();
    for (int peer = 0; peer < group->numRanks; ++peer)
      if (peer != self)
        FSDPRT_RETURN_IF_ERROR(
            copyFrom(peer, *posts[peer].transfers, current[channel]));
    lock.lock();
    posts[self].copied = sequence;
    ++group->generation;
    group->changed.notify_all();
  }
  for (const ThreadGroup::Post &post : posts)
    if (post.copied < sequence)
      return false;
  return true;
}

void ThreadCommunicator::idle(int /*attempt*/,
                              std::chrono::microseconds longest) {
  std::unique_lock<std::mutex> lock(group->mutex);
  group->changed.wait_for(lock, longest, [&] {
    return group->aborted || group->generation != seenGeneration;
  });
  // Not in test: what changed for one channel while another was tested.
  seenGeneration = group->generation;
}

void ThreadCommunicator::wake() {
  std::lock_guard<std::mutex> lock(group->mutex);
  ++group->generation;
  group->changed.notify_all();
}

void ThreadCommunicator::abort() {
  std::lock_guard<std::mutex> lock(group->mutex);
  group->aborted = true;
  group->changed.notify_all();
}
