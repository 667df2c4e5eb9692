//===- Simulator.cpp - Everything that a process simulates ----------------===//

#include "test/simcuda/Simulator.h"
#include "runtime/abi/fsdprt.h"
#include "runtime/abi/simulated.h"
#include "test/simcuda/Api.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

using namespace simcuda;
using namespace fsdprt::cuda;

static std::unique_ptr<Simulator> &instance() {
  // Never destroyed: other threads may be in a call when the process ends.
  static auto *one = new std::unique_ptr<Simulator>(new Simulator);
  return *one;
}

std::recursive_mutex &simcuda::mutex() {
  static auto *one = new std::recursive_mutex;
  return *one;
}

Simulator &simcuda::simulator() { return *instance(); }

/// Where calls are written down; -1 for nowhere.
static int openCalls() {
  const char *path = std::getenv("SIMCUDA_CALLS");
  return path ? ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)
              : -1;
}

std::unique_lock<std::recursive_mutex> simcuda::enter(const char *function) {
  static const int calls = openCalls();
  std::unique_lock lock(mutex());
  if (calls >= 0)
    ::dprintf(calls, "%d %s\n", int(::getpid()), function);
  return lock;
}

static thread_local Announcement announcement;

/// For tests: as in a new process, with the environment read again.
extern "C" void simcuda_reset() {
  std::lock_guard lock(mutex());
  simulator().memory.clear();
  instance().reset(new Simulator);
  forgetContext();
  announcement = {};
}

extern "C" void fsdp_simulated_operation(const char *name, const char *unit,
                                         const fsdprt_simulated_range *ranges,
                                         int32_t num_ranges) {
  announcement.made = name != nullptr;
  if (!name)
    return;
  announcement.name = name;
  announcement.unit = unit;
  announcement.ranges.clear();
  for (int32_t i = 0; i < num_ranges; ++i)
    announcement.ranges.push_back(
        {ranges[i].address, uint64_t(ranges[i].bytes), ranges[i].access});
}

Announcement simcuda::takeAnnouncement() {
  return std::exchange(announcement, Announcement());
}

void simcuda::setAnnouncement(Announcement one) {
  announcement = std::move(one);
}

static bool allows(int announced, int access) {
  if (announced == FSDPRT_ACCESS_READ_WRITE || announced == access)
    return true;
  // Scratch may be written, and read once it is; what is announced to be read
  // as scratch is, at once.
  return announced == FSDPRT_ACCESS_SCRATCH ||
         announced == (access | FSDPRT_ACCESS_SCRATCH);
}

/// Whether bytes of `range` are announced one by one; neighbours may be
/// announced apart.
static bool isAnnounced(Range range, const std::vector<Range> &announced) {
  bool found = true;
  while (found && range.bytes) {
    found = false;
    for (const Range &one : announced) {
      if (!allows(one.access, range.access) || one.address > range.address ||
          one.end() <= range.address)
        continue;
      uint64_t covered = std::min(range.end(), one.end()) - range.address;
      range.address += covered;
      range.bytes -= covered;
      found = true;
      break;
    }
  }
  return range.bytes == 0;
}

static bool isPinned(const Range &range) {
  const Allocation *a = simulator().memory.find(range.address, range.bytes);
  return a && a->device == Allocation::kPinned;
}

/// The task under its announced name, with the announced ranges; those of
/// pinned memory need not be announced.
static bool announce(Task &task) {
  Announcement announced = takeAnnouncement();
  if (!announced.made)
    return true;
  std::string own = std::exchange(task.name, announced.name);
  task.unit = announced.unit;
  std::vector<Range> ranges = announced.ranges;
  for (const Range &range : task.ranges) {
    if (isPinned(range)) {
      ranges.push_back(range);
    } else if (!isAnnounced(range, announced.ranges)) {
      report("%s of '%s' %s %llu bytes at %llu that were not announced so",
             own.c_str(), task.name.c_str(),
             range.access == FSDPRT_ACCESS_READ ? "reads" : "writes",
             (unsigned long long)range.bytes,
             (unsigned long long)range.address);
      return false;
    }
  }
  task.ranges = std::move(ranges);
  task.declared = true;
  return true;
}

CUresult simcuda::enqueue(CUstream stream, Task task) {
  if (!stream) {
    takeAnnouncement();
    report("%s on the default stream, which waits for all others: name one",
           task.name.c_str());
    return CUDA_ERROR_INVALID_HANDLE;
  }
  Device &device = *stream->device;
  if (!announce(task))
    return CUDA_ERROR_INVALID_VALUE;
  if (device.error() != CUDA_SUCCESS)
    return device.error();
  auto shared = std::make_shared<const Task>(std::move(task));
  if (stream->capture)
    return addNode(stream, std::move(shared));
  device.append(stream, std::move(shared));
  device.enqueued();
  return CUDA_SUCCESS;
}

CUresult simcuda::allocate(Device &device, uint64_t bytes, uint64_t &address) {
  Simulator &s = simulator();
  if (bytes == 0)
    return CUDA_ERROR_INVALID_VALUE;
  if (++s.allocations == s.settings.failAllocation ||
      bytes > s.settings.memory - device.used)
    return CUDA_ERROR_OUT_OF_MEMORY;
  const Allocation *a = s.memory.allocate(device.number(), bytes);
  if (!a)
    return CUDA_ERROR_OUT_OF_MEMORY;
  device.used += bytes;
  address = a->address;
  return CUDA_SUCCESS;
}

bool simcuda::takeLibraryMemory(Device &device) {
  const Settings &settings = simulator().settings;
  if (settings.libraryMemory > settings.memory - int64_t(device.used))
    return false;
  device.used += settings.libraryMemory;
  return true;
}

CUresult simcuda::release(Device &device, uint64_t address) {
  const Allocation *a = simulator().memory.at(address);
  if (!a || a->device != device.number())
    return CUDA_ERROR_INVALID_VALUE;
  device.used -= a->bytes;
  device.races.forget(a->address, a->bytes);
  simulator().memory.free(address, /*pinned=*/false);
  return CUDA_SUCCESS;
}

char *simcuda::translate(const Device &device, uint64_t address, uint64_t bytes,
                         const Identity &who) {
  const Allocation *a = simulator().memory.find(address, bytes);
  if (a && (a->device == device.number() || a->device == Allocation::kPinned))
    return a->at(address);
  report("%s touches %llu bytes at %llu, which device %d does not have",
         who.print().c_str(), (unsigned long long)bytes,
         (unsigned long long)address, device.number());
  return nullptr;
}

bool simcuda::checkWritten(uint64_t address, uint64_t bytes,
                           const Identity &who) {
  const Allocation *a = simulator().memory.find(address, bytes);
  if (!simulator().settings.uninitialized || !a || !a->written || !bytes)
    return true;
  const uint8_t *begin = a->written + (address - a->address);
  auto *first = static_cast<const uint8_t *>(std::memchr(begin, 0, bytes));
  if (!first)
    return true;
  report("%s reads what was never written: byte %llu of %llu at %llu",
         who.print().c_str(), (unsigned long long)(first - begin),
         (unsigned long long)bytes, (unsigned long long)address);
  return false;
}

void simcuda::markWritten(uint64_t address, uint64_t bytes) {
  const Allocation *a = simulator().memory.find(address, bytes);
  if (a && a->written)
    std::memset(a->written + (address - a->address), 1, bytes);
}

void simcuda::makeGarbage(uint64_t address, uint64_t bytes) {
  const Allocation *a = simulator().memory.find(address, bytes);
  if (!a)
    return;
  std::memset(a->at(address), 0xff, bytes);
  if (a->written)
    std::memset(a->written + (address - a->address), 0, bytes);
}

void simcuda::corrupt(char *begin, uint64_t bytes) {
  begin[bytes < 8 ? bytes - 1 : bytes / 16 * 8 + 7] ^= 0x40;
}

void simcuda::pause(std::unique_lock<std::recursive_mutex> &lock) {
  lock.unlock();
  ::usleep(20);
  lock.lock();
}
