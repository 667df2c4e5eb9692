//===- Device.h - What executes a rank's operations -------------*- C++ -*-===//
//
// A device owns the arenas, the streams with their events, the library of
// products and the communicators of one rank. Everything else names memory by
// its address and never looks at it: what a program computes on is the
// device's, whether the host can see it or not.
//
// An operation of a phase is bound once: the device makes whatever does not
// change from step to step (what the arguments resolve to, library handles, a
// collective's transfers) and checks it. Each step then only enqueues it: after
// the events it waits for, on its stream, recording its event at the end. When
// that has run is the stream's business: after drain() everything has.
//
// A device is used by one thread, the one that runs the program.
//
//===----------------------------------------------------------------------===//

#ifndef FSDPRT_DEVICE_DEVICE_H
#define FSDPRT_DEVICE_DEVICE_H

#include "comm/CollectiveCheck.h"
#include "comm/Control.h"
#include "core/FlightRecord.h"
#include "core/Manifest.h"
#include "core/Trace.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fsdprt {

/// Memory of a device. Only the device knows how to look at it.
enum class DeviceAddress : uint64_t {};

inline DeviceAddress operator+(DeviceAddress address, int64_t bytes) {
  return DeviceAddress(uint64_t(address) + uint64_t(bytes));
}

struct DeviceRange {
  DeviceAddress begin{};
  int64_t bytes = 0;
};

/// Bytes of a device that has memory of its own, which `ranks` ranks share.
/// They were measured before there were arenas, when libraries had theirs.
struct DeviceMemory {
  int64_t total = 0, free = 0;
  int64_t libraries = 0; // taken meanwhile by those of all its ranks
  int64_t plan = 0;      // of each rank's arenas
  int ranks = 1;
  int64_t staging = 0; // of the host's, pinned, that collectives go through

  /// What the driver had, and other programs.
  int64_t others() const { return total - free - libraries; }
  /// What arenas leave; negative if they do not fit.
  int64_t left() const { return free - ranks * plan; }
};

/// What a device keeps of an operation; each device has its own.
class Work {
public:
  virtual ~Work() = default;
};

/// One operation of a phase, bound. It stays where it is, and so does the
/// program's descriptor that it came from.
struct Dispatch {
  const fsdprt_op *op = nullptr;
  FlightMark mark;                 // what the flight record says of it
  std::vector<DeviceAddress> args; // of op->args, by number
  /// With --checked: buffers that nothing uses any more after it. They become
  /// NaN once every operation that was issued so far and uses them is done.
  std::vector<DeviceRange> dying;
  std::unique_ptr<Work> work;

  int64_t index() const { return mark.index; } // issue order in the phase
};

class Device {
public:
  struct Options {
    int threads = 1;      // of the host, to compute with
    bool checked = false; // arenas are fenced, and NaN where nothing lives
    double timeoutSeconds = 60;
    double commDelaySeconds = 0; // least time of a collective
    FlightFile *flight = nullptr;
    FlightSlot *slot = nullptr;
    Trace *trace = nullptr; // null: nothing is measured
    bool graphs = true;     // where the device can run a phase as one launch
    /// File of the fastest algorithms of products, which are measured where it
    /// has none; "": the library guesses.
    std::string autotune;
    /// Told what does not go as it should, and goes on.
    std::function<void(const std::string &)> onWarning;
    /// First on each thread of the device: float environment, signal handlers.
    std::function<void()> onThreadStart;
  };

  /// Work that the host does: host[i] holds the bytes of argument i, those that
  /// are read with their values, those that are written to be filled.
  using HostWork = std::function<Status(void *const *host)>;
  using Bound = Expected<std::unique_ptr<Work>>;

  virtual ~Device() = default;
  virtual const char *name() const = 0; // "cpu"
  /// As its maker calls it; "" for the CPU.
  virtual std::string chip() const { return ""; }
  /// Of the libraries that it calls, by name, as they say it themselves.
  virtual std::map<std::string, int64_t> versions() const { return {}; }

  //===--- Memory ---------------------------------------------------------===//

  /// Makes an arena, one allocation. The first one fails where not all of the
  /// plan's fit.
  virtual Expected<DeviceAddress> allocate(const ArenaSpec &arena) = 0;

  /// What is known of its memory since there are arenas; nothing if it is the
  /// host's.
  virtual std::optional<DeviceMemory> memory() const { return std::nullopt; }

  /// Host memory to write the range's bytes into, all of them: the device has
  /// them before the first operation of the next phase. Streams are idle.
  virtual void *hostWrite(const DeviceRange &range) = 0;

  /// The range's bytes, as the phase left them that ran last: valid until the
  /// next one begins. Streams are idle.
  virtual Expected<const void *> hostRead(const DeviceRange &range) = 0;

  /// Copies the range's bytes to the host, or back. Between phases, while
  /// streams are idle; what is as large as a state goes piece by piece.
  virtual Status download(const DeviceRange &range, void *to) = 0;
  virtual Status upload(const DeviceRange &range, const void *from) = 0;
  /// Whether another thread may download while operations run, of bytes that
  /// none of them writes.
  virtual bool downloadsBeside() const { return false; }

  //===--- Binding --------------------------------------------------------===//
  //
  // `operation` has op, mark and args, which are inside of their arenas; the
  // result becomes its work. What cannot run is refused here.

  /// Before any phase, for each product of the program: fails if this host
  /// cannot compute it, whatever the operands.
  virtual Status prepare(const fsdprt_gemm_desc &desc) = 0;

  virtual Bound bindLaunch(const fsdprt_launch_desc &desc,
                           const Dispatch &operation) = 0;
  virtual Bound bindProduct(const fsdprt_gemm_desc &desc,
                            const Dispatch &operation) = 0;
  virtual Bound bindFill(const fsdprt_fill_desc &desc,
                         const Dispatch &operation) = 0;
  /// Equal bytes, which may overlap.
  virtual Bound bindCopy(const fsdprt_copy_desc &desc,
                         const Dispatch &operation) = 0;
  virtual Bound bindConstant(const fsdprt_constant_desc &desc,
                             const Dispatch &operation) = 0;
  virtual Bound bindCollective(CollectiveKind kind,
                               const fsdprt_collective_desc &desc,
                               const Dispatch &operation) = 0;
  /// In the stream's order like any other; may block the caller.
  virtual Bound bindHost(HostWork work, const Dispatch &operation) = 0;
  /// Waits for all streams: the end of a phase.
  virtual Bound bindJoin(const Dispatch &operation) = 0;

  //===--- Running --------------------------------------------------------===//

  /// Streams are idle; events of the phase before are forgotten. `phase` counts
  /// the phases in the order of their first run.
  virtual Status beginPhase(int phase, int64_t step) = 0;

  /// Enqueues a bound operation. It may be enqueued again once streams have
  /// been idle; until then it stays. Marks it in the flight record and measures
  /// it in the trace as it goes.
  virtual Status enqueue(const Dispatch &operation) = 0;

  /// Blocks until all streams are idle; fails as status() does.
  virtual Status drain() = 0;

  /// Whether an operation that was enqueued has failed since. Cheap.
  virtual bool failed() const = 0;
  /// Its failure, which names the operation.
  virtual Status status() const = 0;

  /// Seconds that compute has waited for other streams, since the last call.
  virtual double takeBlockedSeconds() = 0;

  /// Seconds that the thread which issues has waited for the device, since the
  /// last call. Nothing where it computes itself.
  virtual std::optional<double> takeWaitedSeconds() { return std::nullopt; }

  /// The ranks' own talk: data of the host, outside of the program's
  /// communicators. Streams are idle.
  virtual Control &control() = 0;
};

} // namespace fsdprt

#endif // FSDPRT_DEVICE_DEVICE_H
