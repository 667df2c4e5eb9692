//===- GatheredExchange.cpp - An exchange out of all-gathers --------------===//

#include "comm/GatheredExchange.h"

#include <algorithm>
#include <cstring>

using namespace fsdprt;

GatheredExchange::GatheredExchange(const std::vector<Transfer> &given, int rank,
                                   int ranks, int64_t roundBytes)
    : transfers(given), rank(rank), ranks(ranks), roundBytes(roundBytes),
      incoming(size_t(ranks)) {
  int first = rank == 0 ? 1 : 0, end = areAlike() ? first + 1 : ranks;
  for (int peer = first; peer < std::min(end, ranks); ++peer)
    for (size_t i = size_t(peer); peer != rank && i < transfers.size();
         i += size_t(ranks))
      outgoing.append(static_cast<const char *>(transfers[i].send),
                      size_t(transfers[i].bytes));
}

int64_t GatheredExchange::bytesFor(int peer) const {
  int64_t bytes = 0;
  for (size_t i = size_t(peer); i < transfers.size(); i += size_t(ranks))
    bytes += transfers[i].bytes;
  return bytes;
}

/// Whether every peer gets the same pieces.
bool GatheredExchange::areAlike() const {
  size_t first = rank == 0 ? 1 : 0;
  for (size_t i = 0; i < transfers.size(); ++i) {
    size_t peer = i % size_t(ranks);
    if (peer == size_t(rank))
      continue;
    const Transfer &other = transfers[i - peer + first];
    if (transfers[i].send != other.send || transfers[i].bytes != other.bytes)
      return false;
  }
  return true;
}

int64_t GatheredExchange::give(char *part) {
  if (sizes.empty()) {
    std::vector<int64_t> row;
    for (int peer = 0; peer < ranks; ++peer)
      row.push_back(peer == rank ? 0 : bytesFor(peer));
    row.push_back(areAlike());
    std::memcpy(part, row.data(), size_t(leastRoundBytes(ranks)));
    return leastRoundBytes(ranks);
  }
  int64_t count = std::min(roundBytes, longest - done);
  int64_t own = std::clamp<int64_t>(int64_t(outgoing.size()) - done, 0, count);
  std::memcpy(part, outgoing.data() + (own ? done : 0), size_t(own));
  std::memset(part + own, 0, size_t(count - own));
  return count;
}

Status GatheredExchange::take(const char *parts) {
  if (sizes.empty())
    FSDPRT_RETURN_IF_ERROR(readSizes(parts));
  else
    readRound(parts);
  if (done == longest)
    deliver();
  return Status();
}

Status GatheredExchange::readSizes(const char *parts) {
  sizes.resize(size_t(ranks) * (size_t(ranks) + 1));
  std::memcpy(sizes.data(), parts, sizes.size() * sizeof(int64_t));
  for (int peer = 0; peer < ranks; ++peer) {
    longest = std::max(longest, lengthOf(peer));
    int64_t expected = peer == rank ? 0 : bytesFor(peer);
    if (sizeOf(peer, rank) != expected)
      return failure("rank ", peer, " sends ", sizeOf(peer, rank),
                     " bytes, expected ", expected);
  }
  return Status();
}

/// Bytes that a rank sends in all.
int64_t GatheredExchange::lengthOf(int sender) const {
  int64_t most = 0, sum = 0;
  for (int receiver = 0; receiver < ranks; ++receiver) {
    most = std::max(most, sizeOf(sender, receiver));
    sum += sizeOf(sender, receiver);
  }
  return sendsOnce(sender) ? most : sum;
}

/// Where in what it sends this rank's bytes begin.
int64_t GatheredExchange::placeIn(int sender) const {
  int64_t place = 0;
  for (int receiver = 0; receiver < rank && !sendsOnce(sender); ++receiver)
    place += sizeOf(sender, receiver);
  return place;
}

void GatheredExchange::readRound(const char *parts) {
  int64_t count = std::min(roundBytes, longest - done);
  for (int sender = 0; sender < ranks; ++sender) {
    int64_t place = placeIn(sender);
    int64_t begin = std::max(place, done);
    int64_t end = std::min(place + sizeOf(sender, rank), done + count);
    if (begin < end)
      incoming[size_t(sender)].append(parts + sender * count + begin - done,
                                      size_t(end - begin));
  }
  done += count;
}

void GatheredExchange::deliver() {
  for (int sender = 0; sender < ranks; ++sender) {
    if (sender == rank)
      continue;
    const char *next = incoming[size_t(sender)].data();
    for (size_t i = size_t(sender); i < transfers.size(); i += size_t(ranks)) {
      std::memcpy(transfers[i].receive, next, size_t(transfers[i].bytes));
      next += transfers[i].bytes;
    }
  }
}
