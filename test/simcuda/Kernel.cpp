//===- Kernel.cpp - Kernels, run and watched ------------------------------===//

#include "test/simcuda/Kernel.h"
#include "runtime/abi/fsdprt.h"
#include "test/simcuda/Access.h"
#include "test/simcuda/Block.h"

#include <cstring>

using namespace simcuda;
using namespace fsdprt::cuda;

/// Of the kernel that runs.
static Access *watched;

static void failThread(const std::string &problem) {
  failGrid("thread " + std::to_string(currentThread()) + " of block " +
           std::to_string(currentBlock()) + " " + problem);
}

static void load(const void *address, uint64_t bytes) {
  auto *at = static_cast<const char *>(address);
  if (!watched->mayLoad(at, bytes))
    failThread(watched->explainLoad(at, bytes));
}

static void store(void *address, uint64_t bytes) {
  auto *at = static_cast<const char *>(address);
  if (!watched->mayStore(at, bytes))
    failThread(watched->explainStore(at, bytes));
}

static Window makeWindow(const Allocation &a, const Range &range) {
  uint64_t offset = range.address - a.address;
  return {a.data + offset, range.bytes, range.access,
          a.written ? a.written + offset : nullptr, range.address};
}

/// False, and said, if a range is not the device's.
static bool makeWindows(const Device &device, const std::vector<Range> &ranges,
                        const Identity &who, std::vector<Window> &windows) {
  for (const Range &range : ranges) {
    if (range.bytes == 0)
      continue;
    if (!translate(device, range.address, range.bytes, who))
      return false;
    windows.push_back(makeWindow(
        *simulator().memory.find(range.address, range.bytes), range));
  }
  return true;
}

static void addAllMemory(const Device &device, std::vector<Window> &windows) {
  for (const auto &[address, a] : simulator().memory.all())
    if (a.device == device.number() || a.device == Allocation::kPinned)
      windows.push_back(
          makeWindow(a, {address, a.bytes, FSDPRT_ACCESS_READ_WRITE}));
}

namespace {
/// What a kernel changes, kept to run it again.
class Snapshot {
public:
  explicit Snapshot(const std::vector<Window> &windows) {
    for (const Window &window : windows)
      if (window.mayStore())
        kept.push_back({window, copy(window.begin, window.bytes),
                        copy(reinterpret_cast<char *>(window.written),
                             window.written ? window.bytes : 0)});
  }

  void restore() const {
    for (const Kept &one : kept) {
      std::memcpy(one.window.begin, one.bytes.data(), one.bytes.size());
      if (!one.flags.empty())
        std::memcpy(one.window.written, one.flags.data(), one.flags.size());
    }
  }

  /// The first byte of a result that now differs; "" for none.
  std::string compare() const {
    for (const Kept &one : kept) {
      if (one.window.access == FSDPRT_ACCESS_SCRATCH)
        continue;
      for (uint64_t i = 0; i < one.bytes.size(); ++i)
        if (one.bytes[i] != one.window.begin[i])
          return "byte " + std::to_string(i) + " of the " +
                 std::to_string(one.bytes.size()) + " at " +
                 std::to_string(one.window.address);
    }
    return "";
  }

private:
  static std::vector<char> copy(const char *begin, uint64_t bytes) {
    return bytes ? std::vector<char>(begin, begin + bytes)
                 : std::vector<char>();
  }

  struct Kept {
    Window window;
    std::vector<char> bytes, flags;
  };
  std::vector<Kept> kept;
};

/// One launch at work.
struct Run {
  Device &device;
  const Launch &launch;
  Access &access;
  const Identity &who;
  std::vector<void *> args;

  bool once(Order order);
  bool twice();
};
} // namespace

/// Shared memory holds anything when a kernel begins; the hooks lie beside it.
static void makeSharedGarbage(CUmod_st &module) {
  fsdprt_simulated_hooks hooks = *module.hooks;
  if (module.shared)
    std::memset(module.shared, 0xff, module.sharedBytes);
  *module.hooks = hooks;
}

bool Run::once(Order order) {
  const fsdprt_simulated_kernel &kernel = *launch.function->kernel;
  CUmod_st &module = *launch.function->module;
  fillThreadHooks(*module.hooks);
  module.hooks->load = load;
  module.hooks->store = store;
  makeSharedGarbage(module);
  access.forgetResults();
  watched = &access;
  std::string problem =
      runGrid({launch.blocks, kernel.threads, order, device.draw()},
              kernel.call, args.data());
  watched = nullptr;
  access.forgetScratch();
  if (problem.empty())
    return true;
  report("kernel '%s' of %s: %s", kernel.name, who.print().c_str(),
         problem.c_str());
  return false;
}

bool Run::twice() {
  Snapshot before(access.all());
  if (!once(Order::Random))
    return false;
  Snapshot first(access.all());
  before.restore();
  if (!once(Order::Descending))
    return false;
  std::string difference = first.compare();
  if (difference.empty())
    return true;
  report("kernel '%s' of %s gives other bits when its threads and blocks run "
         "in another order: %s",
         launch.function->kernel->name, who.print().c_str(),
         difference.c_str());
  return false;
}

/// The status, last of a kernel's arguments, which nobody announces.
static Range statusOf(const Launch &launch) {
  return {launch.args.back(), sizeof(int32_t), FSDPRT_ACCESS_READ_WRITE};
}

/// An argument is where a range begins, or the middle of one: bytes behind it
/// are checked when they are touched.
static bool makeArguments(Run &run) {
  for (uint64_t address : run.launch.args) {
    char *at = translate(run.device, address, 1, run.who);
    if (!at)
      return false;
    run.args.push_back(at);
  }
  return true;
}

static bool raceFree(Device &device, const Access &access,
                     const IdentityRef &who) {
  std::vector<Range> ranges = access.touched();
  Races::Conflict conflict = device.races.touch(who, ranges);
  if (!conflict)
    return true;
  reportRace(device.number(), conflict, *who, ranges);
  return false;
}

/// As a kernel does that computes one element of its first result wrongly.
static void corruptResult(const Access &access) {
  for (const Window &window : access.all())
    if (window.mayStore() && window.access != FSDPRT_ACCESS_SCRATCH)
      return corrupt(window.begin, window.bytes);
}

CUresult simcuda::runKernel(Device &device, const Launch &launch,
                            const std::vector<Range> &ranges, bool declared,
                            const IdentityRef &who) {
  Simulator &s = simulator();
  std::this_thread::sleep_for(std::chrono::milliseconds(s.settings.delay));
  const int64_t number = ++s.launches;
  if (number == s.settings.failKernel) {
    report("%s faults, as SIMCUDA_FAIL_KERNEL asks", who->print().c_str());
    return CUDA_ERROR_ILLEGAL_ADDRESS;
  }
  std::vector<Window> windows;
  if (!makeWindows(device, ranges, *who, windows) ||
      !makeWindows(device, {statusOf(launch)}, *who, windows))
    return CUDA_ERROR_ILLEGAL_ADDRESS;
  if (!declared)
    addAllMemory(device, windows);
  Access access(std::move(windows), declared, s.settings.uninitialized);
  Run run = {device, launch, access, *who, {}};
  if (!makeArguments(run))
    return CUDA_ERROR_ILLEGAL_ADDRESS;
  bool again = declared && launch.function->launches++ < s.settings.orders;
  if (!(again ? run.twice() : run.once(Order::Random)) ||
      (!declared && !raceFree(device, access, who)))
    return CUDA_ERROR_ILLEGAL_ADDRESS;
  if (number == s.settings.wrongKernel)
    corruptResult(access);
  return CUDA_SUCCESS;
}
