//===- Streams.h - Streams and events of one rank ---------------*- C++ -*-===//
//
// Compute runs at issue, on the thread that runs the program. Everything else
// (collectives, and what the program puts on the gather, reduce and copy
// streams) goes to one communication thread, which keeps one operation of each
// stream in flight: an operation starts when its stream's earlier ones are
// done and the events it waits for are recorded.
//
// An operation that fails there fails the next call of the program.
//
//===----------------------------------------------------------------------===//

#ifndef FSDPRT_COMM_STREAMS_H
#define FSDPRT_COMM_STREAMS_H

#include "comm/Communicator.h"
#include "core/FlightRecord.h"
#include "core/Trace.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

namespace fsdprt {

class Streams {
public:
  using Range = std::pair<char *, int64_t>; // begin, bytes

  /// Work of one operation on a stream: either an exchange followed by
  /// `finish`, or `finish` alone.
  struct Task {
    const fsdprt_op *op = nullptr; // null: the runtime's own
    int64_t index = 0;             // issue order, for messages
    int stream = 0;
    int channel = -1; // with `transfers`
    std::vector<Transfer> transfers;
    std::function<Status()> finish;
    std::vector<Range> uses;   // in checked mode: the arguments
    std::vector<Range> poison; // when this is done and no other uses them
    int64_t issued = 0;        // when traced: time
  };

  struct Options {
    FlightFile *flight = nullptr;
    FlightSlot *slot = nullptr;
    double timeoutSeconds = 60;
    /// Least time from an exchange's start to its end, spent asleep: a slow
    /// network for measuring overlap.
    double delaySeconds = 0;
    Trace *trace = nullptr;              // null: nothing is measured
    std::function<void()> onThreadStart; // float environment
  };

  /// The communicator outlives the streams and is used by their thread only.
  Streams(Communicator &communicator, Options options);
  ~Streams();

  /// Forgets the events of the phase before; all streams must be idle.
  void beginPhase();

  /// Blocks until all events are recorded.
  Status waitFor(const int32_t *events, int32_t count);
  void recordEvent(int32_t event);

  void issue(Task task);
  /// Blocks until all that was issued on one stream is done.
  Status waitForStream(int stream);
  /// Blocks until all streams are idle.
  Status drain();
  /// Seconds that the issuing thread has been blocked, since the last call.
  double takeBlockedSeconds() { return std::exchange(blockedSeconds, 0); }
  /// The first failure of any stream.
  Status status();

  /// Issues on the control channel and waits.
  Status exchange(std::vector<Transfer> transfers);
  /// Every rank's `value`, by rank.
  Expected<std::vector<int64_t>> gatherValues(int64_t value);

  /// In checked mode: fills memory once no stream uses it any more. The
  /// caller's own use is over.
  void poisonWhenUnused(Range range);

private:
  struct Queue {
    std::deque<Task> tasks; // the front one may be in flight
    bool inFlight = false;
    std::chrono::steady_clock::time_point started;
    int64_t traceBegin = 0;
  };
  /// Waits, on the issuing thread, until `condition` holds.
  template <typename Condition>
  void block(std::unique_lock<std::mutex> &lock, Condition condition);

  static constexpr int numQueues = FSDPRT_NUM_STREAMS + 1; // + the runtime's

  void run();
  bool eventsRecorded(const fsdprt_op *op) const; // with the mutex
  bool advance(int queue);                        // true if something changed
  void complete(int queue);
  void fail(Status status);
  Status checkTimeout();
  bool isDelayed(const Task &task, const Queue &queue) const;
  std::chrono::microseconds longestIdle() const;
  bool idle() const;              // with the mutex
  bool isUsed(Range range) const; // with the mutex
  void mark(const Task &task, OperationState state);
  bool isTraced(const Task &task) const {
    return options.trace && task.op && options.trace->active();
  }
  void trace(const Task &task, int64_t begin, int64_t end);

  Communicator &communicator;
  const Options options;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<uint8_t> events;
  Queue queues[numQueues];
  Status error;
  double blockedSeconds = 0; // of the issuing thread
  bool stopping = false;

  // Of the communication thread.
  std::chrono::steady_clock::time_point lastChange, lastLook;
  uint64_t lastProgress = 0;
  std::thread thread;
};

} // namespace fsdprt

#endif // FSDPRT_COMM_STREAMS_H
