//===- CommunicationThread.h - Streams beside compute -----------*- C++ -*-===//
//
// One thread a rank serves the gather, reduce and copy streams, the exchanges
// that compute waits for, and the ranks' own talk. It keeps one operation of
// each stream in flight: an operation starts when its stream's earlier ones are
// done and the events it waits for are recorded.
//
// An operation that fails here fails the next call of the program.
//
//===----------------------------------------------------------------------===//

#ifndef FSDPRT_DEVICE_COMMUNICATIONTHREAD_H
#define FSDPRT_DEVICE_COMMUNICATIONTHREAD_H

#include "comm/Control.h"
#include "device/Stream.h"
#include "device/StreamState.h"

#include <deque>
#include <thread>

namespace fsdprt {

/// What the communication thread does with transfers: one exchange.
class Exchange : public StreamWork {
public:
  Exchange(Communicator &communicator, int channel,
           std::vector<Transfer> transfers)
      : communicator(communicator), channel(channel),
        transfers(std::move(transfers)) {}

  Status begin() override;
  Expected<bool> test() override;
  bool isExchange() const override { return true; }

private:
  Communicator &communicator;
  const int channel;
  const std::vector<Transfer> transfers; // empty: no peers
};

class CommunicationThread : public Stream, public Control {
public:
  /// `communicator` and `state` outlive it; the communicator is used by its
  /// thread only. Of the options: flight, slot, timeoutSeconds,
  /// commDelaySeconds, checked, trace, onThreadStart.
  CommunicationThread(Communicator &communicator, StreamState &state,
                      Device::Options options);
  ~CommunicationThread();

  //===--- Of the issuing thread ------------------------------------------===//

  Status enqueue(const Dispatch &operation) override;
  /// Blocks until the events are recorded that the operation waits for.
  Status waitForEvents(const fsdprt_op &op);
  bool areRecorded(const fsdprt_op &op) const { return state.recorded(op); }
  /// Records the event that the operation records, and lets those go on that
  /// wait for it.
  void record(const fsdprt_op &op);
  /// Blocks until all that was enqueued on one stream is done.
  Status waitForStream(int stream);
  /// Blocks until all streams are idle.
  Status drain();

  Status exchange(std::vector<Transfer> transfers) override;
  int numRanks() const override { return communicator.size(); }

  /// Fills what dies with an operation with NaN once no stream uses it any
  /// more. The caller's own use is over.
  void poisonDead(const Dispatch &operation) {
    for (const DeviceRange &range : operation.dying)
      poisonWhenUnused(range);
  }

private:
  struct Task {
    const Dispatch *operation = nullptr; // null: the runtime's own
    StreamWork *work = nullptr;
    std::unique_ptr<StreamWork> own;
    std::vector<DeviceRange> poison; // when this is done and no other uses them
    int64_t issued = 0;              // when traced: time
  };
  struct Queue {
    std::deque<Task> tasks; // the front one may be in flight
    bool inFlight = false;
    std::chrono::steady_clock::time_point started;
    int64_t traceBegin = 0;
  };

  static constexpr int numQueues = FSDPRT_NUM_STREAMS + 1; // + the runtime's

  void push(int queue, Task task);
  void poisonWhenUnused(const DeviceRange &range);
  void run();
  bool advance(int queue); // true if something changed
  bool start(Queue &queue, Task &task);
  void complete(int queue);
  void fail(const Task &task, const Status &status);
  Status checkTimeout();
  bool isDelayed(const Task &task, const Queue &queue) const;
  std::chrono::microseconds longestIdle() const;
  bool idle() const { return pending.load(std::memory_order_acquire) == 0; }
  // With the mutex held.
  bool isReady(const Task &task) const;
  bool isUsed(const DeviceRange &range) const;
  bool isAwaited(int32_t event) const;
  void trace(const Task &task, int64_t begin, int64_t end);

  void mark(const Task &task, OperationState state);
  bool isTraced(const Task &task) const {
    return options.trace && task.operation && options.trace->active();
  }

  Communicator &communicator;
  StreamState &state;
  const Device::Options options;
  Queue queues[numQueues];
  std::atomic<int> pending{0}; // tasks in the queues
  bool stopping = false;

  // Of the communication thread.
  std::chrono::steady_clock::time_point lastChange, lastLook;
  uint64_t lastProgress = 0;
  std::thread thread;
};

} // namespace fsdprt

#endif // FSDPRT_DEVICE_COMMUNICATIONTHREAD_H
