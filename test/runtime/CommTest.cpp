//===- CommTest.cpp - Collectives, streams, time-outs ---------------------===//

#include "comm/ThreadCommunicator.h"
#include "core/DType.h"
#include "device/CpuWork.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <thread>

using namespace fsdprt;
using testing::HasSubstr;

namespace {

/// Communicators of these tests' collectives.
enum { COMM_GATHER, COMM_REDUCE, COMM_SCALAR };

/// What the thread works on: ends after it.
struct Kept {
  StreamState state;
  std::vector<std::unique_ptr<Dispatch>> operations;
};

/// The streams of one rank.
class Streams : private Kept, public CommunicationThread {
public:
  Streams(Communicator &communicator, const Device::Options &options)
      : CommunicationThread(communicator, Kept::state, options) {}

  void issue(const fsdprt_op &op, std::unique_ptr<StreamWork> work,
             std::vector<DeviceAddress> args = {},
             std::vector<DeviceRange> dying = {}) {
    auto operation = std::make_unique<Dispatch>();
    operation->op = &op;
    operation->mark = FlightMark(op, 0);
    operation->args = std::move(args);
    operation->dying = std::move(dying);
    operation->work = std::move(work);
    Kept::state.reserve(op);
    operations.push_back(std::move(operation));
    ASSERT_TRUE(enqueue(*operations.back()).ok());
  }
  void issue(const fsdprt_op &op, std::function<Status()> work,
             std::vector<DeviceAddress> args = {}) {
    issue(op, std::make_unique<HostTask>(std::move(work)), std::move(args));
  }
  Status waitFor(int32_t event) {
    fsdprt_op op = {};
    op.waits = &event;
    op.num_waits = 1;
    return waitForEvents(op);
  }
  void recordEvent(int32_t event) {
    fsdprt_op op = {};
    op.record = event;
    Kept::state.reserve(op);
    record(op);
  }
  Status status() const { return Kept::state.status(); }
};

/// Runs `body(rank, streams, communicator)` on every rank of a thread group.
template <typename Body>
void onRanks(int world, Body body, double timeout = 20) {
  auto group = std::make_shared<ThreadGroup>(world);
  auto flight = FlightFile::createPrivate(world);
  ASSERT_TRUE(flight.ok());
  std::vector<std::thread> threads;
  for (int rank = 0; rank < world; ++rank)
    threads.emplace_back([&, rank] {
      ThreadCommunicator communicator(group, rank);
      Device::Options options;
      options.flight = &*flight;
      options.slot = flight->slotOfRank(rank);
      options.slot->pid = 1;
      options.slot->state = FlightState::Running;
      enterPhase(options.slot, "step", 3);
      options.timeoutSeconds = timeout;
      Streams streams(communicator, options);
      body(rank, streams, communicator);
    });
  for (std::thread &thread : threads)
    thread.join();
}

/// A collective's descriptor with the arguments' sizes.
struct Described {
  Described(std::vector<int64_t> bytes, int32_t dtype, int64_t count,
            int comm = COMM_GATHER) {
    for (int64_t size : bytes)
      args.push_back({0, FSDPRT_ACCESS_READ_WRITE, 0, size, 0});
    desc = {{"test", "unit", "", args.data(), nullptr, int32_t(args.size()), 0,
             FSDPRT_STREAM_GATHER, -1},
            comm,
            dtype,
            count,
            0,
            nullptr,
            0};
  }
  std::vector<fsdprt_arg> args;
  fsdprt_collective_desc desc;
};

Status runCollective(Streams &streams, Communicator &communicator,
                     CollectiveKind kind, const fsdprt_collective_desc &desc,
                     void *const *args) {
  auto collective = Collective::create(kind, desc, args, communicator.rank(),
                                       communicator.size());
  if (!collective.ok())
    return collective.status();
  streams.issue(desc.op,
                std::make_unique<CollectiveWork>(communicator, *collective));
  return streams.drain();
}

using WorldAndDType = std::tuple<int, int32_t>;
class Collectives : public testing::TestWithParam<WorldAndDType> {
protected:
  static constexpr int64_t count = 3001; // no multiple of anything
  int world() const { return std::get<0>(GetParam()); }
  int32_t dtype() const { return std::get<1>(GetParam()); }
  const DTypeInfo *info() const { return lookupDType(dtype()); }

  std::vector<char> make(int64_t n, std::function<double(int64_t)> value) {
    std::vector<char> data(n * info()->size);
    for (int64_t i = 0; i < n; ++i)
      info()->store(data.data() + i * info()->size, value(i));
    return data;
  }
  double at(const std::vector<char> &data, int64_t i) {
    return info()->load(data.data() + i * info()->size);
  }
};

} // namespace

TEST_P(Collectives, AllGather) {
  int n = world();
  onRanks(n, [&](int rank, Streams &streams, Communicator &communicator) {
    auto shard = make(count, [&](int64_t i) { return rank + 2 * (i % 11); });
    auto line = make(n * count, [](int64_t) { return 99; });
    Described d({int64_t(shard.size()), int64_t(line.size())}, dtype(), count);
    void *args[] = {shard.data(), line.data()};
    Status status = runCollective(streams, communicator,
                                  CollectiveKind::AllGather, d.desc, args);
    ASSERT_TRUE(status.ok()) << status.message();
    for (int64_t i = 0; i < n * count; ++i)
      ASSERT_EQ(at(line, i), i / count + 2 * (i % count % 11));
  });
}

TEST_P(Collectives, ReduceScatter) {
  int n = world();
  onRanks(n, [&](int rank, Streams &streams, Communicator &communicator) {
    auto line = make(n * count, [&](int64_t i) { return rank + i % 5; });
    auto shard = make(count, [](int64_t) { return 99; });
    auto scratch = make(n * count, [](int64_t) { return 77; });
    Described d(
        {int64_t(line.size()), int64_t(shard.size()), int64_t(scratch.size())},
        dtype(), count, COMM_REDUCE);
    void *args[] = {line.data(), shard.data(), scratch.data()};
    Status status = runCollective(streams, communicator,
                                  CollectiveKind::ReduceScatter, d.desc, args);
    ASSERT_TRUE(status.ok()) << status.message();
    for (int64_t i = 0; i < count; ++i)
      ASSERT_EQ(at(shard, i), n * (n - 1) / 2 + n * ((rank * count + i) % 5));
  });
}

TEST_P(Collectives, AllReduce) {
  int n = world();
  onRanks(n, [&](int rank, Streams &streams, Communicator &communicator) {
    auto buffer = make(3, [&](int64_t i) { return rank + i; });
    auto scratch = make(3 * n, [](int64_t) { return 77; });
    Described d({int64_t(buffer.size()), int64_t(scratch.size())}, dtype(), 3,
                COMM_SCALAR);
    void *args[] = {buffer.data(), scratch.data()};
    for (int round = 0; round < 3; ++round) {
      Status status = runCollective(streams, communicator,
                                    CollectiveKind::AllReduce, d.desc, args);
      ASSERT_TRUE(status.ok()) << status.message();
    }
    double factor = n * n; // rounds 2 and 3 multiply by n
    for (int64_t i = 0; i < 3; ++i)
      ASSERT_EQ(at(buffer, i), factor * (n * (n - 1) / 2 + n * i));
  });
}

/// Three parameters of a shard of 40 elements, gaps between and behind them.
static const fsdprt_segment threeSegments[] = {{0, 7}, {16, 1}, {20, 13}};

/// Of the element of a line where rank r's element e of segment s stands.
static double valueAt(int segment, int rank, int64_t element) {
  return 1 + segment + 3 * rank + double(element % 5);
}

TEST_P(Collectives, AllGatherOfSegments) {
  int n = world();
  onRanks(n, [&](int rank, Streams &streams, Communicator &communicator) {
    auto shard = make(40, [](int64_t) { return 55; });
    auto line = make(n * 40, [](int64_t) { return 99; });
    auto expected = line;
    for (int s = 0; s < 3; ++s)
      for (int r = 0; r < n; ++r)
        for (int64_t e = 0; e < threeSegments[s].count; ++e) {
          const fsdprt_segment &segment = threeSegments[s];
          int64_t size = info()->size;
          if (r == rank)
            info()->store(shard.data() + (segment.offset + e) * size,
                          valueAt(s, r, e));
          info()->store(expected.data() +
                            (n * segment.offset + r * segment.count + e) * size,
                        valueAt(s, r, e));
        }
    Described d({int64_t(shard.size()), int64_t(line.size())}, dtype(), 40);
    d.desc.segments = threeSegments;
    d.desc.num_segments = 3;
    void *args[] = {shard.data(), line.data()};
    Status status = runCollective(streams, communicator,
                                  CollectiveKind::AllGather, d.desc, args);
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(line, expected);
  });
}

TEST_P(Collectives, ReduceScatterOfSegments) {
  int n = world();
  onRanks(n, [&](int rank, Streams &streams, Communicator &communicator) {
    // What lies in no segment is neither sent nor summed.
    auto line = make(n * 40, [](int64_t) { return 99; });
    auto shard = make(40, [](int64_t) { return 99; });
    auto scratch = make(n * 40, [](int64_t) { return 77; });
    auto expected = make(40, [](int64_t) { return 0; });
    int64_t size = info()->size;
    for (int s = 0; s < 3; ++s)
      for (int owner = 0; owner < n; ++owner)
        for (int64_t e = 0; e < threeSegments[s].count; ++e) {
          const fsdprt_segment &segment = threeSegments[s];
          info()->store(line.data() +
                            (n * segment.offset + owner * segment.count + e) *
                                size,
                        rank + valueAt(s, owner, e));
          if (owner == rank)
            info()->store(expected.data() + (segment.offset + e) * size,
                          n * (n - 1) / 2 + n * valueAt(s, owner, e));
        }
    Described d(
        {int64_t(line.size()), int64_t(shard.size()), int64_t(scratch.size())},
        dtype(), 40, COMM_REDUCE);
    d.desc.segments = threeSegments;
    d.desc.num_segments = 3;
    void *args[] = {line.data(), shard.data(), scratch.data()};
    Status status = runCollective(streams, communicator,
                                  CollectiveKind::ReduceScatter, d.desc, args);
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(shard, expected);
  });
}

INSTANTIATE_TEST_SUITE_P(
    AllWorldsAndDTypes, Collectives,
    testing::Combine(testing::Values(1, 2, 3, 4),
                     testing::Values(FSDPRT_F32, FSDPRT_F64, FSDPRT_BF16,
                                     FSDPRT_F16, FSDPRT_I64, FSDPRT_I32)));

TEST(Collective, RejectsArgumentsThatDoNotFit) {
  float data[16];
  void *args[] = {data, data};
  Described tooSmall({16, 16}, FSDPRT_F32, 4);
  EXPECT_THAT(
      Collective::create(CollectiveKind::AllGather, tooSmall.desc, args, 0, 2)
          .status()
          .message(),
      HasSubstr("argument 1 has 16 bytes, expected 32"));
  Described noSum({16, 16, 16}, FSDPRT_I8, 4);
  EXPECT_THAT(
      Collective::create(CollectiveKind::ReduceScatter, noSum.desc, args, 0, 2)
          .status()
          .message(),
      HasSubstr("cannot sum elements of dtype i8"));
  Described missing({16}, FSDPRT_F32, 4);
  EXPECT_THAT(
      Collective::create(CollectiveKind::AllGather, missing.desc, args, 0, 2)
          .status()
          .message(),
      HasSubstr("expected 2 arguments, got 1"));
}

TEST(Collective, RejectsSegmentsThatDoNotFit) {
  float data[16];
  void *args[] = {data, data};
  Described d({16, 32}, FSDPRT_F32, 4);
  d.desc.num_segments = 2;
  auto messageFor = [&](const fsdprt_segment *segments) {
    d.desc.segments = segments;
    return Collective::create(CollectiveKind::AllGather, d.desc, args, 0, 2)
        .status()
        .message();
  };
  fsdprt_segment overlapping[] = {{0, 3}, {2, 1}}, tooLong[] = {{0, 1}, {2, 3}};
  EXPECT_THAT(messageFor(overlapping),
              HasSubstr("segment 1 holds elements [2, +1), expected a part of "
                        "[3, 4)"));
  EXPECT_THAT(messageFor(tooLong), HasSubstr("segment 1 holds elements"));
  EXPECT_THAT(messageFor(nullptr), HasSubstr("2 segments, and no list"));
}

TEST(Streams, AGatherDoesNotWaitForAReduction) {
  // Rank 0 issues the reduction long before rank 1 does; the gather behind it
  // on another stream must complete in between.
  onRanks(2, [&](int rank, Streams &streams, Communicator &communicator) {
    float shard = float(rank), line[2], buffer = 1, scratch[2];
    Described gather({4, 8}, FSDPRT_F32, 1, COMM_GATHER);
    Described reduce({4, 8}, FSDPRT_F32, 1, COMM_SCALAR);
    reduce.desc.op.stream = FSDPRT_STREAM_REDUCE;
    gather.desc.op.record = 0;
    void *gatherArgs[] = {&shard, line}, *reduceArgs[] = {&buffer, scratch};
    auto issue = [&](CollectiveKind kind, Described &d, void *const *args) {
      auto collective = *Collective::create(kind, d.desc, args, rank, 2);
      streams.issue(d.desc.op,
                    std::make_unique<CollectiveWork>(communicator, collective));
    };
    if (rank == 0)
      issue(CollectiveKind::AllReduce, reduce, reduceArgs);
    issue(CollectiveKind::AllGather, gather, gatherArgs);
    ASSERT_TRUE(streams.waitFor(0).ok());
    EXPECT_EQ(line[1], 1.0f);
    if (rank == 1)
      issue(CollectiveKind::AllReduce, reduce, reduceArgs);
    ASSERT_TRUE(streams.drain().ok());
    EXPECT_EQ(buffer, 2.0f);
  });
}

TEST(Streams, StartsOnlyAfterItsEvents) {
  onRanks(1, [&](int, Streams &streams, Communicator &) {
    int32_t waits[] = {3};
    fsdprt_op op = {"late", "", "", nullptr, waits, 0, 1, FSDPRT_STREAM_COPY,
                    4};
    std::atomic<bool> ran{false};
    streams.issue(op, [&] {
      ran = true;
      return Status();
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_FALSE(ran);
    streams.recordEvent(3);
    ASSERT_TRUE(streams.waitFor(4).ok());
    EXPECT_TRUE(ran);
  });
}

TEST(Streams, AnEventEndsAWaitBesideAnExchangeInFlight) {
  // The thread of rank 0 sleeps in the exchange that rank 1 is late for.
  onRanks(2, [&](int rank, Streams &streams, Communicator &communicator) {
    float shard = 0, line[2];
    Described gather({4, 8}, FSDPRT_F32, 1);
    void *args[] = {&shard, line};
    auto collective = *Collective::create(CollectiveKind::AllGather,
                                          gather.desc, args, rank, 2);
    int32_t waits[] = {100}; // more events than there is room for at first
    fsdprt_op late = {"late", "", "", nullptr, waits, 0, 1, FSDPRT_STREAM_COPY,
                      1};
    auto issueGather = [&] {
      streams.issue(gather.desc.op,
                    std::make_unique<CollectiveWork>(communicator, collective));
    };
    if (rank == 0)
      issueGather();
    streams.issue(late, [] { return Status(); });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    streams.recordEvent(100);
    ASSERT_TRUE(streams.waitFor(1).ok());
    if (rank == 1)
      issueGather();
    ASSERT_TRUE(streams.drain().ok());
  });
}

TEST(Streams, EventsOfThePhaseBeforeAreForgotten) {
  StreamState state;
  int32_t event = 2;
  fsdprt_op op = {"both", "", "", nullptr, &event, 0, 1, 0, 2};
  EXPECT_FALSE(state.recorded(op));
  state.reserve(op);
  state.record(op);
  EXPECT_TRUE(state.recorded(op));
  state.beginPhase();
  EXPECT_FALSE(state.recorded(op));
}

TEST(ThreadCommunicator, WakesForAChannelThatChangedWhileAnotherWasTested) {
  auto group = std::make_shared<ThreadGroup>(2);
  ThreadCommunicator ours(group, 0), theirs(group, 1);
  const int gather = 0, reduce = 1;
  const std::vector<Transfer> none(2);
  ASSERT_TRUE(ours.start(gather, none).ok());
  ASSERT_TRUE(ours.start(reduce, none).ok());
  ours.idle(0, std::chrono::microseconds(1)); // has seen what it did itself
  EXPECT_FALSE(*ours.test(gather));
  ASSERT_TRUE(theirs.start(gather, none).ok());
  EXPECT_FALSE(*ours.test(reduce));
  auto start = std::chrono::steady_clock::now();
  ours.idle(0, std::chrono::seconds(20));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST(Streams, AnEventThatNobodyRecordsIsAFailureAndNoHang) {
  onRanks(1, [&](int, Streams &streams, Communicator &) {
    EXPECT_THAT(streams.waitFor(7).message(),
                HasSubstr("no earlier operation records"));
  });
}

TEST(Streams, AFailedOperationFailsWhatComesNext) {
  onRanks(1, [&](int, Streams &streams, Communicator &) {
    fsdprt_op op = {"broken",           "unit", "", nullptr, nullptr, 0, 0,
                    FSDPRT_STREAM_COPY, -1};
    streams.issue(op, [] { return failure("out of luck"); });
    EXPECT_THAT(
        streams.drain().message(),
        HasSubstr("operation 0 ('broken' of unit 'unit') of phase 'step', "
                  "step 4: out of luck"));
    EXPECT_FALSE(streams.status().ok());
    EXPECT_FALSE(streams.waitFor(0).ok());
  });
}

TEST(Streams, AMissingRankIsATimeOutThatNamesIt) {
  onRanks(
      2,
      [&](int rank, Streams &streams, Communicator &) {
        if (rank == 1) {
          std::this_thread::sleep_for(std::chrono::milliseconds(1500));
          return;
        }
        EXPECT_THAT(streams.gatherValues(1).status().message(),
                    HasSubstr("no progress for 0.5 s: rank 1"));
      },
      0.5);
}

TEST(Streams, AnAbortedRankEndsTheWait) {
  onRanks(2, [&](int rank, Streams &streams, Communicator &communicator) {
    if (rank == 1) {
      communicator.abort();
      return;
    }
    EXPECT_THAT(streams.gatherValues(1).status().message(),
                HasSubstr("another rank failed"));
  });
}

TEST(Streams, PoisonWaitsForTheLastUser) {
  onRanks(1, [&](int, Streams &streams, Communicator &) {
    float data[4] = {1, 2, 3, 4};
    int32_t waits[] = {0};
    float seen = 0;
    fsdprt_arg arg = {0, FSDPRT_ACCESS_READ, 0, sizeof(data), 0};
    fsdprt_op reader = {"reader",           "", "", &arg, waits, 1, 1,
                        FSDPRT_STREAM_COPY, 1};
    DeviceAddress begin = DeviceAddress(uint64_t(data));
    streams.issue(reader,
                  [&] {
                    seen = data[2];
                    return Status();
                  },
                  {begin});
    Dispatch last;
    last.dying = {{begin, sizeof(data)}};
    streams.poisonDead(last);
    EXPECT_EQ(data[0], 1);
    streams.recordEvent(0);
    ASSERT_TRUE(streams.drain().ok());
    EXPECT_EQ(seen, 3);
    EXPECT_TRUE(std::isnan(data[2]));
    data[2] = 3; // now nobody uses it
    streams.poisonDead(last);
    EXPECT_TRUE(std::isnan(data[2]));
  });
}
