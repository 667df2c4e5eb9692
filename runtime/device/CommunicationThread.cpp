//===- CommunicationThread.cpp - Streams beside compute -------------------===//

#include "device/CommunicationThread.h"

#include "core/Exceptions.h"
#include "core/OperationName.h"

#include <cstring>

using namespace fsdprt;

Status Exchange::begin() {
  return transfers.empty() ? Status() : communicator.start(channel, transfers);
}

Expected<bool> Exchange::test() {
  return transfers.empty() ? Expected<bool>(true) : communicator.test(channel);
}

CommunicationThread::CommunicationThread(Communicator &communicator,
                                         StreamState &state,
                                         Device::Options options)
    : communicator(communicator), state(state), options(std::move(options)) {
  thread = std::thread([this] {
    try {
      run();
    } catch (...) {
      this->state.fail(describeException());
    }
  });
}

CommunicationThread::~CommunicationThread() {
  {
    std::lock_guard<std::mutex> lock(state.mutex);
    stopping = true;
    state.changed.notify_all();
  }
  communicator.wake();
  thread.join();
}

//===----------------------------------------------------------------------===//
// The issuing side
//===----------------------------------------------------------------------===//

Status CommunicationThread::waitForEvents(const fsdprt_op &op) {
  if (state.failed())
    return state.status();
  if (state.recorded(op))
    return Status();
  {
    std::unique_lock<std::mutex> lock(state.mutex);
    // With nothing in flight, nobody is left to record a missing event.
    state.block(lock,
                [&] { return state.failed() || state.recorded(op) || idle(); });
  }
  if (state.failed())
    return state.status();
  if (!state.recorded(op))
    return failure("it waits for an event that no earlier operation records");
  return Status();
}

/// Only what stands in front of a queue can wait for it.
bool CommunicationThread::isAwaited(int32_t event) const {
  for (const Queue &queue : queues) {
    if (queue.tasks.empty() || !queue.tasks.front().operation)
      continue;
    const fsdprt_op &op = *queue.tasks.front().operation->op;
    if (std::find(op.waits, op.waits + op.num_waits, event) !=
        op.waits + op.num_waits)
      return true;
  }
  return false;
}

void CommunicationThread::record(const fsdprt_op &op) {
  state.record(op);
  // What is enqueued later finds it recorded.
  if (op.record < 0 || idle())
    return;
  {
    std::lock_guard<std::mutex> lock(state.mutex);
    if (!isAwaited(op.record))
      return;
    state.changed.notify_all();
  }
  communicator.wake();
}

void CommunicationThread::push(int queue, Task task) {
  {
    std::lock_guard<std::mutex> lock(state.mutex);
    mark(task, OperationState::Issued);
    if (isTraced(task))
      task.issued = Trace::now();
    queues[queue].tasks.push_back(std::move(task));
    ++pending;
    state.changed.notify_all();
  }
  communicator.wake();
}

Status CommunicationThread::enqueue(const Dispatch &operation) {
  Task task;
  task.operation = &operation;
  task.work = &workOf(operation);
  push(operation.op->stream, std::move(task));
  poisonDead(operation);
  return Status();
}

Status CommunicationThread::waitForStream(int stream) {
  std::unique_lock<std::mutex> lock(state.mutex);
  state.block(lock,
              [&] { return state.failed() || queues[stream].tasks.empty(); });
  lock.unlock();
  return state.status();
}

Status CommunicationThread::drain() {
  if (!idle()) {
    std::unique_lock<std::mutex> lock(state.mutex);
    state.block(lock, [&] { return state.failed() || idle(); });
  }
  return state.failed() ? state.status() : Status();
}

Status CommunicationThread::exchange(std::vector<Transfer> transfers) {
  Task task;
  task.own = std::make_unique<Exchange>(communicator, FSDPRT_COMM_CONTROL,
                                        std::move(transfers));
  task.work = task.own.get();
  push(numQueues - 1, std::move(task));
  return drain();
}

static bool overlap(const DeviceRange &a, const DeviceRange &b) {
  return a.begin < b.begin + b.bytes && b.begin < a.begin + a.bytes;
}

static bool uses(const Dispatch *operation, const DeviceRange &range) {
  if (!operation)
    return false;
  for (size_t i = 0; i < operation->args.size(); ++i)
    if (overlap({operation->args[i], operation->op->args[i].bytes}, range))
      return true;
  return false;
}

static void poison(const DeviceRange &range) {
  std::memset(hostPointer(range.begin), 0xff, range.bytes);
}

bool CommunicationThread::isUsed(const DeviceRange &range) const {
  for (const Queue &queue : queues)
    for (const Task &task : queue.tasks)
      if (uses(task.operation, range))
        return true;
  return false;
}

void CommunicationThread::poisonWhenUnused(const DeviceRange &range) {
  std::lock_guard<std::mutex> lock(state.mutex);
  if (!isUsed(range))
    return poison(range);
  // Whichever user ends last does it, before its event lets others write here.
  for (Queue &queue : queues)
    for (Task &task : queue.tasks)
      if (uses(task.operation, range))
        task.poison.push_back(range);
}

//===----------------------------------------------------------------------===//
// The communication thread
//===----------------------------------------------------------------------===//

void CommunicationThread::mark(const Task &task, OperationState state) {
  if (task.operation && !task.work->isToldOfElsewhere())
    markOperation(options.slot, task.operation->mark, state);
}

/// Compute waits for its own collectives from the moment it issues them.
void CommunicationThread::trace(const Task &task, int64_t begin, int64_t end) {
  const fsdprt_op *op = task.operation->op;
  int64_t index = task.operation->index();
  if (op->stream == FSDPRT_STREAM_COMPUTE && op->num_waits > 0 &&
      begin - task.issued >= Trace::leastWait)
    options.trace->add(Trace::Communication, TraceSpan::Kind::Wait, op, index,
                       task.issued, begin);
  options.trace->add(Trace::Communication, TraceSpan::Kind::Dispatch, op, index,
                     begin, end);
}

/// Names the operation in front of what went wrong with it.
void CommunicationThread::fail(const Task &task, const Status &status) {
  if (!task.operation)
    return state.fail(status);
  state.fail(
      failure(operationName(*task.operation->op, task.operation->index()),
              phaseName(options.slot), ": ", status.message()));
}

void CommunicationThread::complete(int index) {
  std::lock_guard<std::mutex> lock(state.mutex);
  Queue &queue = queues[index];
  Task task = std::move(queue.tasks.front());
  queue.tasks.pop_front();
  queue.inFlight = false;
  if (isTraced(task))
    trace(task, queue.traceBegin, Trace::now());
  for (const DeviceRange &range : task.poison)
    if (!isUsed(range))
      poison(range);
  mark(task, OperationState::Ended);
  if (task.operation)
    state.record(*task.operation->op);
  --pending;
  state.changed.notify_all();
}

bool CommunicationThread::isDelayed(const Task &task,
                                    const Queue &queue) const {
  return task.operation && task.work->isExchange() && communicator.size() > 1 &&
         std::chrono::steady_clock::now() - queue.started <
             std::chrono::duration<double>(options.commDelaySeconds);
}

/// Until the first delay is over, and not so long that a time-out is missed.
std::chrono::microseconds CommunicationThread::longestIdle() const {
  std::chrono::microseconds longest = std::chrono::milliseconds(100);
  if (options.commDelaySeconds == 0)
    return longest;
  for (const Queue &queue : queues) {
    auto end = queue.started + std::chrono::microseconds(
                                   int64_t(options.commDelaySeconds * 1e6));
    auto rest = std::chrono::duration_cast<std::chrono::microseconds>(
        end - std::chrono::steady_clock::now());
    if (queue.inFlight && rest.count() >= 0)
      longest = std::min(longest, rest + std::chrono::microseconds(1));
  }
  return longest;
}

bool CommunicationThread::isReady(const Task &task) const {
  return !task.operation || state.recorded(*task.operation->op);
}

bool CommunicationThread::start(Queue &queue, Task &task) {
  if (Status status = task.work->begin(); !status.ok()) {
    fail(task, status);
    return false;
  }
  queue.inFlight = true;
  queue.started = std::chrono::steady_clock::now();
  return true;
}

bool CommunicationThread::advance(int index) {
  Queue &queue = queues[index];
  Task *task = nullptr;
  {
    std::lock_guard<std::mutex> lock(state.mutex);
    if (queue.tasks.empty())
      return false;
    task = &queue.tasks.front(); // deque: stays put while others are pushed
    if (!queue.inFlight) {
      if (!isReady(*task))
        return false;
      mark(*task, OperationState::Started);
      if (isTraced(*task))
        queue.traceBegin = Trace::now();
    }
  }
  bool starts = !queue.inFlight;
  if (starts && !start(queue, *task))
    return false;
  Expected<bool> done = task->work->test();
  if (done.ok() && (!*done || isDelayed(*task, queue)))
    return starts;
  Status status = done.ok() ? task->work->finish() : done.status();
  if (!status.ok()) {
    fail(*task, status);
    return false;
  }
  complete(index);
  return true;
}

/// Stuck means: for the time-out, nothing here completed and no other rank of
/// this host did anything either.
Status CommunicationThread::checkTimeout() {
  auto now = std::chrono::steady_clock::now();
  if (now - lastLook < std::chrono::milliseconds(100))
    return Status();
  lastLook = now;
  uint64_t progress =
      options.flight ? options.flight->progressOfOthers(communicator.rank())
                     : 0;
  if (progress != lastProgress) {
    lastProgress = progress;
    lastChange = now;
  }
  if (now - lastChange < std::chrono::duration<double>(options.timeoutSeconds))
    return Status();
  SignalSafeText culprit;
  if (!options.flight ||
      !describeCulprit(*options.flight, communicator.rank(), true, culprit))
    culprit << "a rank of another host does not answer";
  return failure("no progress for ", options.timeoutSeconds,
                 " s: ", culprit.data(),
                 "; see --timeout if it only takes this long");
}

void CommunicationThread::run() {
  if (options.onThreadStart)
    options.onThreadStart();
  lastChange = lastLook = std::chrono::steady_clock::now();
  int attempt = 0;
  while (true) {
    bool progressed = false, inFlight = false;
    for (int i = 0; i < numQueues; ++i) {
      progressed |= advance(i);
      inFlight |= queues[i].inFlight;
    }
    std::unique_lock<std::mutex> lock(state.mutex);
    if (stopping || state.failed()) {
      // Failed: wait for the end; the owner tells the peers.
      state.changed.wait(lock, [&] { return stopping; });
      return;
    }
    if (progressed) {
      attempt = 0;
      lastChange = std::chrono::steady_clock::now();
      continue;
    }
    if (inFlight) {
      lock.unlock();
      communicator.idle(attempt++, longestIdle());
      if (Status status = checkTimeout(); !status.ok())
        state.fail(status);
      continue;
    }
    // Only issuing or recording can change anything now.
    state.changed.wait(lock, [&] {
      if (stopping || state.failed())
        return true;
      for (const Queue &queue : queues)
        if (!queue.tasks.empty() && isReady(queue.tasks.front()))
          return true;
      return false;
    });
    attempt = 0;
    lastChange = std::chrono::steady_clock::now();
  }
}
