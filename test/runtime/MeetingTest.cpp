//===- MeetingTest.cpp - What ranks need that meet without MPI ------------===//

#include "comm/GatheredExchange.h"
#include "core/FlightRecord.h"
#include "core/UniqueName.h"
#include "trainer/RankEnvironment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <map>
#include <sys/wait.h>
#include <unistd.h>

using namespace fsdprt;
using testing::HasSubstr;

//===----------------------------------------------------------------------===//
// Exchanges out of all-gathers
//===----------------------------------------------------------------------===//

namespace {

/// What each rank sends to each: memory[sender][receiver], piece by piece.
using Pieces = std::vector<std::string>;
using Sent = std::vector<std::vector<Pieces>>;

/// Drives the exchange on all ranks. Returns what each received of each, and
/// counts the bytes that a rank gave.
class Gathered {
public:
  Gathered(const Sent &sent, int64_t roundBytes) : ranks(int(sent.size())) {
    received = sent;
    for (int rank = 0; rank < ranks; ++rank) {
      size_t pieces = sent[rank][(rank + 1) % ranks].size();
      std::vector<Transfer> transfers;
      for (size_t piece = 0; piece < pieces; ++piece)
        for (int peer = 0; peer < ranks; ++peer) {
          if (peer == rank) {
            transfers.push_back({nullptr, nullptr, 77}); // unused
            continue;
          }
          std::string &to = received[peer][rank][piece];
          std::fill(to.begin(), to.end(), '?');
          transfers.push_back({sent[rank][peer][piece].data(), nullptr,
                               int64_t(sent[rank][peer][piece].size())});
        }
      all.push_back(transfers);
    }
    for (int rank = 0; rank < ranks; ++rank)
      for (size_t i = 0; i < all[rank].size(); ++i)
        if (int peer = int(i) % ranks; peer != rank)
          all[rank][i].receive = received[peer][rank][i / ranks].data();
    for (int rank = 0; rank < ranks; ++rank)
      exchanges.emplace_back(all[rank], rank, ranks, roundBytes);
  }

  Status run() {
    std::vector<char> parts(1 << 16);
    while (true) {
      std::string gathered;
      for (GatheredExchange &exchange : exchanges) {
        int64_t count = exchange.give(parts.data());
        gathered.append(parts.data(), size_t(count));
      }
      EXPECT_EQ(gathered.size() % exchanges.size(), 0u);
      if (gathered.empty())
        return Status();
      bytes += int64_t(gathered.size() / exchanges.size());
      for (GatheredExchange &exchange : exchanges)
        FSDPRT_RETURN_IF_ERROR(exchange.take(gathered.data()));
    }
  }

  const int ranks;
  Sent received;
  int64_t bytes = 0;
  std::vector<std::vector<Transfer>> all;
  std::vector<GatheredExchange> exchanges;
};

} // namespace

TEST(GatheredExchange, BringsEachWhatIsItsOwn) {
  Sent sent(3, std::vector<Pieces>(3));
  for (int from = 0; from < 3; ++from)
    for (int to = 0; to < 3; ++to) {
      // As much there and back, in pieces, some of them empty.
      int length = 40 * (from + to) + from * to;
      sent[from][to] = {std::string(length, char('a' + 3 * from + to)), "",
                        std::string(9, char('A' + 3 * from + to))};
    }
  for (int64_t roundBytes : {32, 33, 100, 4096}) {
    Gathered gathered(sent, roundBytes);
    ASSERT_TRUE(gathered.run().ok());
    for (int from = 0; from < 3; ++from)
      for (int to = 0; to < 3; ++to)
        if (from != to)
          EXPECT_EQ(gathered.received[from][to], sent[from][to])
              << from << " to " << to << ", rounds of " << roundBytes;
  }
}

TEST(GatheredExchange, SendsOnceWhatAllGet) {
  constexpr int ranks = 5;
  std::vector<std::string> memory;
  for (int rank = 0; rank < ranks; ++rank)
    memory.push_back(std::string(100, char('a' + rank)));
  std::vector<GatheredExchange> exchanges;
  std::vector<std::vector<std::string>> received(
      ranks, std::vector<std::string>(ranks, std::string(100, '?')));
  for (int rank = 0; rank < ranks; ++rank) {
    std::vector<Transfer> transfers;
    for (int peer = 0; peer < ranks; ++peer)
      transfers.push_back(
          {memory[rank].data(), received[rank][peer].data(), 100});
    exchanges.emplace_back(transfers, rank, ranks, 4096);
  }
  std::vector<int64_t> rounds;
  while (true) {
    std::string all;
    char part[4096];
    int64_t count = 0;
    for (GatheredExchange &exchange : exchanges) {
      count = exchange.give(part);
      all.append(part, size_t(count));
    }
    if (count == 0)
      break;
    rounds.push_back(count);
    for (GatheredExchange &exchange : exchanges)
      ASSERT_TRUE(exchange.take(all.data()).ok());
  }
  EXPECT_THAT(rounds, testing::ElementsAre((ranks + 1) * 8, 100));
  for (int rank = 0; rank < ranks; ++rank)
    for (int peer = 0; peer < ranks; ++peer)
      if (peer != rank)
        EXPECT_EQ(received[rank][peer], memory[peer]);
}

TEST(GatheredExchange, NamesAPeerThatSendsAnotherNumberOfBytes) {
  Sent sent = {{{}, {"four"}}, {{"four!"}, {}}};
  EXPECT_THAT(Gathered(sent, 64).run().message(),
              HasSubstr("rank 1 sends 5 bytes, expected 4"));
}

//===----------------------------------------------------------------------===//
// The record that ranks join
//===----------------------------------------------------------------------===//

namespace {

/// A rank in a process of its own, which joins and ends only when it is killed.
class JoinedProcess {
public:
  JoinedProcess(const std::string &name, int index) {
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    pid = ::fork();
    if (pid == 0) {
      auto file = FlightFile::join(name, 4, 2, index);
      file.ok() && ::write(ready[1], "x", 1);
      while (true)
        ::pause();
    }
    char byte;
    EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~JoinedProcess() { end(); }
  void end() {
    if (pid > 0)
      ::kill(pid, SIGKILL);
    if (pid > 0)
      ::waitpid(pid, nullptr, 0);
    pid = 0;
  }

private:
  pid_t pid = 0;
};

class Joined : public testing::Test {
protected:
  ~Joined() override { FlightFile::unlink(name); }
  bool isNamed() const {
    return ::access(("/dev/shm" + name).c_str(), F_OK) == 0;
  }
  std::string problem(int first, int slots, int index) const {
    return FlightFile::join(name, first, slots, index).status().message();
  }

  const std::string name = "/fsdprt-test-" + uniqueSuffix();
};

} // namespace

TEST_F(Joined, TheFirstMakesItAndOthersSeeIt) {
  auto first = FlightFile::join(name, 4, 2, 1);
  ASSERT_TRUE(first.ok()) << first.status().message();
  auto second = FlightFile::join(name, 4, 2, 0);
  ASSERT_TRUE(second.ok()) << second.status().message();
  EXPECT_EQ(describeAbsent(*first), "ranks 4, 5");
  comeUp(second->slotOfRank(4));
  EXPECT_EQ(describeAbsent(*first), "rank 5");
  comeUp(first->slotOfRank(5));
  EXPECT_EQ(describeAbsent(*first), "");
  EXPECT_TRUE(second->claimReport());
  EXPECT_FALSE(first->claimReport());
  first->removeName();
  EXPECT_FALSE(isNamed());
}

TEST_F(Joined, WhatAKilledRunHasLeftIsMadeAnew) {
  {
    JoinedProcess killed(name, 0);
    auto other = FlightFile::join(name, 4, 2, 1);
    ASSERT_TRUE(other.ok());
    EXPECT_TRUE(other->claimReport());
  }
  EXPECT_TRUE(isNamed());
  auto next = FlightFile::join(name, 7, 3, 0); // another run, of other ranks
  ASSERT_TRUE(next.ok()) << next.status().message();
  EXPECT_EQ(next->firstRank(), 7);
  EXPECT_TRUE(next->claimReport());
}

TEST_F(Joined, RanksMustAgree) {
  JoinedProcess other(name, 0);
  EXPECT_EQ(problem(4, 2, 0), "rank 4 is there twice");
  EXPECT_THAT(problem(4, 3, 1), HasSubstr("must be consecutive"));
  EXPECT_THAT(problem(3, 2, 1), HasSubstr("rank 4 is one of the 2 from rank 3 "
                                          "on this host, and another one of "
                                          "the 2 from rank 4"));
  EXPECT_EQ(problem(4, 2, 1), "");
}

TEST_F(Joined, TheLastTakesTheNameAway) {
  JoinedProcess other(name, 0);
  auto own = FlightFile::join(name, 4, 2, 1);
  ASSERT_TRUE(own.ok());
  own->removeNameOfLast();
  EXPECT_TRUE(isNamed());
  other.end();
  own->removeNameOfLast();
  EXPECT_FALSE(isNamed());
  // Not that of another run.
  auto next = FlightFile::join(name, 4, 2, 1);
  ASSERT_TRUE(next.ok());
  own->removeName();
  EXPECT_TRUE(isNamed());
}

//===----------------------------------------------------------------------===//
// Where ranks meet
//===----------------------------------------------------------------------===//

static Expected<std::string>
addressIn(const std::map<std::string, std::string> &environment) {
  return meetingAddress([&](const char *name) -> const char * {
    auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  });
}

TEST(MeetingAddress, IsNcclsOrThePortAfterTheMasters) {
  auto expect = [](const std::map<std::string, std::string> &environment,
                   const std::string &address) {
    auto found = addressIn(environment);
    ASSERT_TRUE(found.ok()) << found.status().message();
    EXPECT_EQ(*found, address);
  };
  expect({{"MASTER_ADDR", "node7"}, {"MASTER_PORT", "29500"}}, "node7:29501");
  expect({{"MASTER_ADDR", "fe80::1%eth0"}, {"MASTER_PORT", "65534"}},
         "[fe80::1%eth0]:65535");
  expect({{"MASTER_ADDR", "node7"},
          {"MASTER_PORT", "1"},
          {"NCCL_COMM_ID", "[::1]:5"}},
         "[::1]:5");
}

TEST(MeetingAddress, SaysWhatIsMissingOrWrong) {
  auto problem = [](const std::map<std::string, std::string> &environment) {
    return addressIn(environment).status().message();
  };
  EXPECT_THAT(problem({}), HasSubstr("MASTER_ADDR is not set"));
  EXPECT_THAT(problem({{"MASTER_ADDR", ""}, {"MASTER_PORT", "1"}}),
              HasSubstr("MASTER_ADDR is not set"));
  EXPECT_THAT(problem({{"MASTER_ADDR", "a"}}),
              HasSubstr("MASTER_PORT is not set"));
  for (const char *port : {"", "x", "65535", "-1", "1 "})
    EXPECT_THAT(problem({{"MASTER_ADDR", "a"}, {"MASTER_PORT", port}}),
                HasSubstr("expected a port below 65535"));
  for (const char *address : {"", "a", "a:", ":5", "a:0", "a:65536", "[::1]"})
    EXPECT_THAT(problem({{"NCCL_COMM_ID", address}}),
                HasSubstr("expected HOST:PORT"));
}
