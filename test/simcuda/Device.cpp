//===- Device.cpp - A simulated device and its streams --------------------===//

#include "test/simcuda/Device.h"
#include "runtime/abi/fsdprt.h"
#include "test/simcuda/Simulator.h"

#include <cstring>
#include <set>
#include <tuple>

using namespace simcuda;
using namespace fsdprt::cuda;

/// How much is run when something is enqueued, and how often only what the
/// host waits for: everything at once, nothing before it must, or between.
static constexpr unsigned kPercents[] = {0, 30, 100};

Device::Device(int number, uint64_t seed)
    : context{this}, index(number), random(seed * 1000003 + number) {
  eagerness = kPercents[random.below(3)];
  laziness = kPercents[random.below(3)];
}

static std::string printBytes(const Races::Conflict &conflict,
                              const std::vector<Range> &ranges) {
  for (const Range &range : ranges)
    if (range.address <= conflict.address && conflict.address < range.end())
      return "byte " + std::to_string(conflict.address - range.address) +
             " of " + std::to_string(range.bytes) + " at " +
             std::to_string(range.address);
  return "byte " + std::to_string(conflict.address);
}

void simcuda::reportRace(int device, const Races::Conflict &conflict,
                         const Identity &identity,
                         const std::vector<Range> &ranges) {
  report("race on device %d: %s and %s, which %s there, are not ordered by "
         "streams and events: %s",
         device, identity.print().c_str(), conflict.other->print().c_str(),
         conflict.otherWrites ? "writes" : "reads",
         printBytes(conflict, ranges).c_str());
}

static uint64_t sum(const Range &range) { // FNV-1a
  auto *bytes = reinterpret_cast<const uint8_t *>(range.address);
  uint64_t value = 0xcbf29ce484222325;
  for (uint64_t i = 0; i < range.bytes; ++i)
    value = (value ^ bytes[i]) * 0x100000001b3;
  return value;
}

static bool overlap(const Range &a, const Range &b) {
  return a.address < b.end() && b.address < a.end();
}

/// Whether something that the operation comes after waits for the host yet.
static bool comesAfterHost(const Operation &operation) {
  return std::any_of(operation.after.begin(), operation.after.end(),
                     [](const OperationRef &one) {
                       return one->task->waitsForHost || comesAfterHost(*one);
                     });
}

/// The host must leave alone what was enqueued to be read, and not read results
/// that are not there yet: these become NaN. Pinned memory that operations
/// before this one still touch is not looked at.
void Device::watchHost(Operation &operation) const {
  for (const Range &range : operation.task->ranges) {
    const Allocation *a = simulator().memory.find(range.address, range.bytes);
    if (!a || a->device != Allocation::kPinned)
      continue; // most: what is asked next looks at all that is pending
    bool free = !comesAfterHost(operation);
    for (const OperationRef &other : pending)
      for (const Range &touched : other->task->ranges)
        free &= !overlap(range, touched);
    if (!free)
      continue;
    if (range.access == FSDPRT_ACCESS_READ)
      operation.hostReads.push_back({range, sum(range)});
    else if (range.access == FSDPRT_ACCESS_WRITE)
      std::memset(a->at(range.address), 0xff, range.bytes);
  }
}

bool Device::hostKept(const Operation &operation) const {
  for (const auto &[range, before] : operation.hostReads)
    if (sum(range) != before) {
      report("the host wrote pinned memory, %llu bytes at %llu, that %s was "
             "enqueued to read and had not read yet",
             (unsigned long long)range.bytes, (unsigned long long)range.address,
             operation.identity->print().c_str());
      return false;
    }
  return true;
}

OperationRef Device::add(std::shared_ptr<const Task> task,
                         const std::string &stream, size_t component,
                         Clock clock, std::vector<OperationRef> after) {
  auto identity = std::make_shared<Identity>();
  identity->name = task->name;
  identity->unit = task->unit;
  identity->stream = stream;
  identity->component = component;
  identity->tick = ++ticks[component];
  clock.join(host);
  clock.set(component, identity->tick);
  identity->clock = std::move(clock);
  auto operation = std::make_shared<Operation>();
  if (Races::Conflict conflict = races.touch(identity, task->ranges)) {
    reportRace(index, conflict, *identity, task->ranges);
    operation->racing = true;
  }
  operation->task = std::move(task);
  operation->identity = identity;
  for (OperationRef &one : after) {
    if (!one || one->done)
      continue;
    one->next.push_back(operation.get());
    operation->after.push_back(std::move(one));
  }
  operation->blockers = operation->after.size();
  watchHost(*operation);
  pending.push_back(operation);
  return operation;
}

OperationRef Device::append(CUstream stream, std::shared_ptr<const Task> task) {
  std::vector<OperationRef> after = std::move(stream->waits);
  stream->waits.clear();
  after.push_back(stream->tail);
  stream->tail = add(std::move(task), stream->label, stream->component,
                     stream->clock, std::move(after));
  stream->clock = stream->tail->identity->clock;
  return stream->tail;
}

/// Operations that nothing is left to wait for; of `wanted`, if not null, only
/// what it waits for and itself.
std::vector<OperationRef> Device::candidates(const OperationRef &wanted) const {
  std::vector<OperationRef> ready;
  if (!wanted) {
    for (const OperationRef &operation : pending)
      if (operation->blockers == 0)
        ready.push_back(operation);
    return ready;
  }
  std::set<const Operation *> found;
  std::vector<OperationRef> stack = {wanted};
  while (!stack.empty()) {
    OperationRef operation = std::move(stack.back());
    stack.pop_back();
    if (operation->done || !found.insert(operation.get()).second)
      continue;
    if (operation->blockers == 0)
      ready.push_back(operation);
    stack.insert(stack.end(), operation->after.begin(), operation->after.end());
  }
  return ready;
}

/// Streams get far ahead of each other: one is preferred until the order is
/// drawn anew.
void Device::sort(std::vector<OperationRef> &ready) {
  favours.resize(ticks.size());
  if (random.chance(5))
    for (uint64_t &favour : favours)
      favour = random.next();
  std::sort(ready.begin(), ready.end(),
            [&](const OperationRef &a, const OperationRef &b) {
              size_t x = a->identity->component, y = b->identity->component;
              return std::tie(favours[x], x) < std::tie(favours[y], y);
            });
}

void Device::finish(const OperationRef &operation) {
  operation->done = true;
  operation->work = nullptr;
  operation->finished = std::chrono::steady_clock::now() + pretended;
  operation->after.clear();
  for (Operation *other : operation->next)
    --other->blockers;
  operation->next.clear();
  pending.erase(std::find(pending.begin(), pending.end(), operation));
}

/// Whether it went on.
bool Device::run(const OperationRef &operation) {
  bool begins = !operation->work;
  if (operation->racing || (begins && !hostKept(*operation))) {
    fail(CUDA_ERROR_ILLEGAL_ADDRESS);
    return true;
  }
  if (begins)
    operation->work =
        operation->task->begin(*operation->task, operation->identity);
  CUresult result = operation->work();
  if (result == CUDA_ERROR_NOT_READY)
    return false;
  if (result == CUDA_SUCCESS)
    finish(operation);
  else
    fail(result);
  return true;
}

/// Runs one of the operations that can; false if none could go on.
bool Device::runOne(const OperationRef &wanted) {
  std::vector<OperationRef> ready = candidates(wanted);
  sort(ready);
  for (const OperationRef &operation : ready)
    if (run(operation))
      return true;
  return false;
}

/// What is not wanted here may be what another rank waits for.
bool Device::advance(const OperationRef &wanted) {
  return (random.chance(laziness) && runOne(wanted)) || runOne(nullptr);
}

void Device::enqueued() {
  while (random.chance(eagerness) && runOne(nullptr))
    ;
}

bool Device::query(const OperationRef &operation) {
  for (uint64_t left = random.below(4); left; --left)
    if (!advance(operation))
      break;
  return !operation || operation->done;
}

void Device::seen(const OperationRef &operation) {
  if (operation)
    host.join(operation->identity->clock);
}

bool Device::hasCollectives() const {
  return queuedCalls > 0 || std::any_of(pending.begin(), pending.end(),
                                        [](const OperationRef &operation) {
                                          return operation->task->isCollective;
                                        });
}

void Device::fail(CUresult result) {
  if (sticky == CUDA_SUCCESS)
    sticky = result;
  for (const OperationRef &operation : pending) {
    operation->done = true;
    operation->after.clear();
    operation->next.clear();
    operation->work = nullptr;
  }
  pending.clear();
}
