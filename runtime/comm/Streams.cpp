//===- Streams.cpp - Streams and events of one rank -----------------------===//

#include "comm/Streams.h"

#include "core/Exceptions.h"

#include <cstring>

using namespace fsdprt;

Streams::Streams(Communicator &communicator, Options options)
    : communicator(communicator), options(std::move(options)) {
  thread = std::thread([this] {
    try {
      run();
    } catch (...) {
      fail(describeException());
    }
  });
}

Streams::~Streams() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    stopping = true;
    changed.notify_all();
  }
  communicator.wake();
  thread.join();
}

//===----------------------------------------------------------------------===//
// The issuing side
//===----------------------------------------------------------------------===//

void Streams::beginPhase() {
  std::lock_guard<std::mutex> lock(mutex);
  events.clear();
}

template <typename Condition>
void Streams::block(std::unique_lock<std::mutex> &lock, Condition condition) {
  auto start = std::chrono::steady_clock::now();
  changed.wait(lock, condition);
  std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  blockedSeconds += time.count();
}

bool Streams::eventsRecorded(const fsdprt_op *op) const {
  if (!op)
    return true;
  for (int32_t i = 0; i < op->num_waits; ++i) {
    size_t event = static_cast<size_t>(op->waits[i]);
    if (event >= events.size() || !events[event])
      return false;
  }
  return true;
}

Status Streams::waitFor(const int32_t *waits, int32_t count) {
  if (count == 0)
    return status();
  std::unique_lock<std::mutex> lock(mutex);
  fsdprt_op probe = {};
  probe.waits = waits;
  probe.num_waits = count;
  // With nothing in flight, nobody is left to record a missing event.
  block(lock, [&] { return !error.ok() || eventsRecorded(&probe) || idle(); });
  if (error.ok() && !eventsRecorded(&probe))
    return failure("it waits for an event that no earlier operation records");
  return error;
}

void Streams::recordEvent(int32_t event) {
  if (event < 0)
    return;
  bool someoneWaits = false;
  {
    std::lock_guard<std::mutex> lock(mutex);
    if (static_cast<size_t>(event) >= events.size())
      events.resize(event + 1, 0);
    events[event] = 1;
    for (const Queue &queue : queues)
      someoneWaits |= !queue.tasks.empty();
    changed.notify_all();
  }
  if (someoneWaits)
    communicator.wake();
}

void Streams::issue(Task task) {
  {
    std::lock_guard<std::mutex> lock(mutex);
    mark(task, OperationState::Issued);
    if (isTraced(task))
      task.issued = Trace::now();
    queues[task.op ? task.op->stream : numQueues - 1].tasks.push_back(
        std::move(task));
    changed.notify_all();
  }
  communicator.wake();
}

Status Streams::waitForStream(int stream) {
  std::unique_lock<std::mutex> lock(mutex);
  block(lock, [&] { return !error.ok() || queues[stream].tasks.empty(); });
  return error;
}

Status Streams::drain() {
  std::unique_lock<std::mutex> lock(mutex);
  block(lock, [&] { return !error.ok() || idle(); });
  return error;
}

Status Streams::status() {
  std::lock_guard<std::mutex> lock(mutex);
  return error;
}

Status Streams::exchange(std::vector<Transfer> transfers) {
  Task task;
  task.channel = FSDPRT_COMM_CONTROL;
  task.transfers = std::move(transfers);
  issue(std::move(task));
  return drain();
}

Expected<std::vector<int64_t>> Streams::gatherValues(int64_t value) {
  std::vector<int64_t> values(communicator.size(), value);
  int64_t mine = value; // apart: peers write into `values` meanwhile
  std::vector<Transfer> transfers(values.size());
  for (size_t peer = 0; peer < values.size(); ++peer)
    transfers[peer] = {&mine, &values[peer], sizeof(int64_t)};
  FSDPRT_RETURN_IF_ERROR(exchange(std::move(transfers)));
  return values;
}

bool Streams::idle() const {
  for (const Queue &queue : queues)
    if (!queue.tasks.empty())
      return false;
  return true;
}

static bool overlap(const Streams::Range &a, const Streams::Range &b) {
  return a.first < b.first + b.second && b.first < a.first + a.second;
}

bool Streams::isUsed(Range range) const {
  for (const Queue &queue : queues)
    for (const Task &task : queue.tasks)
      for (const Range &used : task.uses)
        if (overlap(used, range))
          return true;
  return false;
}

void Streams::poisonWhenUnused(Range range) {
  std::lock_guard<std::mutex> lock(mutex);
  if (!isUsed(range)) {
    std::memset(range.first, 0xff, range.second);
    return;
  }
  // Whichever user ends last does it, before its event lets others write here.
  for (Queue &queue : queues)
    for (Task &task : queue.tasks)
      for (const Range &used : task.uses)
        if (overlap(used, range)) {
          task.poison.push_back(range);
          break;
        }
}

//===----------------------------------------------------------------------===//
// The communication thread
//===----------------------------------------------------------------------===//

void Streams::mark(const Task &task, OperationState state) {
  if (task.op)
    markOperation(options.slot, *task.op, task.index, state);
}

/// Compute waits for its own collectives from the moment it issues them.
void Streams::trace(const Task &task, int64_t begin, int64_t end) {
  if (task.op->stream == FSDPRT_STREAM_COMPUTE && task.op->num_waits > 0 &&
      begin - task.issued >= Trace::leastWait)
    options.trace->add(Trace::Communication, TraceSpan::Kind::Wait, task.op,
                       task.index, task.issued, begin);
  options.trace->add(Trace::Communication, TraceSpan::Kind::Dispatch, task.op,
                     task.index, begin, end);
}

void Streams::fail(Status status) {
  std::lock_guard<std::mutex> lock(mutex);
  if (error.ok())
    error = std::move(status);
  changed.notify_all();
}

void Streams::complete(int index) {
  std::lock_guard<std::mutex> lock(mutex);
  Queue &queue = queues[index];
  Task task = std::move(queue.tasks.front());
  queue.tasks.pop_front();
  queue.inFlight = false;
  if (isTraced(task))
    trace(task, queue.traceBegin, Trace::now());
  for (const Range &range : task.poison)
    if (!isUsed(range))
      std::memset(range.first, 0xff, range.second);
  mark(task, OperationState::Ended);
  if (task.op && task.op->record >= 0) {
    size_t event = static_cast<size_t>(task.op->record);
    if (event >= events.size())
      events.resize(event + 1, 0);
    events[event] = 1;
  }
  changed.notify_all();
}

/// Names the operation in front of what went wrong with it.
static Status inOperation(const Streams::Task &task, const Status &status) {
  if (!task.op)
    return status;
  return failure("operation '", task.op->name, "' of unit '", task.op->unit,
                 "': ", status.message());
}

bool Streams::isDelayed(const Task &task, const Queue &queue) const {
  return task.op && std::chrono::steady_clock::now() - queue.started <
                        std::chrono::duration<double>(options.delaySeconds);
}

/// Until the first delay is over, and not so long that a time-out is missed.
std::chrono::microseconds Streams::longestIdle() const {
  std::chrono::microseconds longest = std::chrono::milliseconds(100);
  if (options.delaySeconds == 0)
    return longest;
  for (const Queue &queue : queues) {
    auto end = queue.started +
               std::chrono::microseconds(int64_t(options.delaySeconds * 1e6));
    auto rest = std::chrono::duration_cast<std::chrono::microseconds>(
        end - std::chrono::steady_clock::now());
    if (queue.inFlight && rest.count() >= 0)
      longest = std::min(longest, rest + std::chrono::microseconds(1));
  }
  return longest;
}

bool Streams::advance(int index) {
  Queue &queue = queues[index];
  Task *task = nullptr;
  {
    std::lock_guard<std::mutex> lock(mutex);
    if (queue.tasks.empty())
      return false;
    task = &queue.tasks.front(); // deque: stays put while others are pushed
    if (!queue.inFlight) {
      if (!eventsRecorded(task->op))
        return false;
      mark(*task, OperationState::Started);
      if (isTraced(*task))
        queue.traceBegin = Trace::now();
    }
  }
  if (!queue.inFlight && !task->transfers.empty()) {
    if (Status status = communicator.start(task->channel, task->transfers);
        !status.ok()) {
      fail(inOperation(*task, status));
      return false;
    }
  }
  bool started = !queue.inFlight;
  queue.inFlight = true;
  if (started)
    queue.started = std::chrono::steady_clock::now();
  if (!task->transfers.empty()) {
    Expected<bool> done = communicator.test(task->channel);
    if (!done.ok()) {
      fail(inOperation(*task, done.status()));
      return false;
    }
    if (!*done || isDelayed(*task, queue))
      return started;
  }
  if (task->finish)
    if (Status status = task->finish(); !status.ok()) {
      fail(inOperation(*task, status));
      return false;
    }
  complete(index);
  return true;
}

/// Stuck means: for the time-out, nothing here completed and no other rank of
/// this host did anything either.
Status Streams::checkTimeout() {
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

void Streams::run() {
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
    std::unique_lock<std::mutex> lock(mutex);
    if (stopping || !error.ok()) {
      // Failed: wait for the end; the owner tells the peers.
      changed.wait(lock, [&] { return stopping; });
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
        fail(status);
      continue;
    }
    // Only issuing or recording can change anything now.
    changed.wait(lock, [&] {
      if (stopping || !error.ok())
        return true;
      for (const Queue &queue : queues)
        if (!queue.tasks.empty() && eventsRecorded(queue.tasks.front().op))
          return true;
      return false;
    });
    attempt = 0;
    lastChange = std::chrono::steady_clock::now();
  }
}
