//===- Device.h - A simulated device and its streams ------------*- C++ -*-===//

#ifndef SIMCUDA_DEVICE_H
#define SIMCUDA_DEVICE_H

#include "test/simcuda/Operation.h"
#include "test/simcuda/Random.h"

#include <list>
#include <map>
#include <optional>
#include <thread>

namespace simcuda {
struct Capture;
class Device;
} // namespace simcuda

namespace fsdprt::cuda {
struct CUctx_st {
  simcuda::Device *device;
};

struct CUstream_st {
  simcuda::Device *device = nullptr;
  std::string label;
  size_t component = 0;
  simcuda::Clock clock; ///< what comes before the next operation
  simcuda::OperationRef tail;
  std::vector<simcuda::OperationRef> waits; ///< of the next operation

  bool destroyed = false;
  std::shared_ptr<simcuda::Capture> capture; ///< while it is captured
  std::vector<size_t> nodes;                 ///< that the next one comes after
  size_t chain = 0;                          ///< the stream's number in it
};

struct CUevent_st {
  simcuda::Device *device = nullptr;
  bool timing = true;
  simcuda::OperationRef marker; ///< of the last record; null before
  std::shared_ptr<simcuda::Capture> capture; ///< if that was captured
  std::vector<size_t> nodes;
};
} // namespace fsdprt::cuda

namespace simcuda {

using fsdprt::cuda::CUevent;
using fsdprt::cuda::CUstream;

/// One device as one process sees it. Operations are run inside of the host's
/// calls, in an order that the seed chooses among those that streams and events
/// allow.
class Device {
public:
  Device(int number, uint64_t seed);

  /// Appends to a stream that is not captured.
  OperationRef append(CUstream stream, std::shared_ptr<const Task> task);

  /// The same on a component of its own, after the given operations and what
  /// `clock` knows: for nodes of graphs.
  OperationRef add(std::shared_ptr<const Task> task, const std::string &stream,
                   size_t component, Clock clock,
                   std::vector<OperationRef> after);

  /// Sometimes runs something.
  void enqueued();

  /// Runs a few operations; whether `operation` (null: nothing) is done.
  bool query(const OperationRef &operation);

  /// Runs an operation towards the end of `wanted`; false if none could go on.
  bool advance(const OperationRef &wanted);

  /// The host has seen the end of `operation`.
  void seen(const OperationRef &operation);

  /// Ends whatever is left: the device is lost to this process, as after a
  /// fault on a GPU.
  void fail(CUresult result);

  /// What each call returns since something failed.
  CUresult error() const { return sticky; }

  bool idle() const { return pending.empty(); }
  size_t newComponent() { return ticks.emplace_back(0), ticks.size() - 1; }
  int number() const { return index; }
  uint64_t draw() { return random.next(); }

  fsdprt::cuda::CUctx_st context;
  std::list<fsdprt::cuda::CUstream_st> streams;
  std::list<fsdprt::cuda::CUevent_st> events;
  Races races;
  uint64_t used = 0; ///< bytes of memory
  /// That operations say they took, and did not.
  std::chrono::steady_clock::duration pretended{};

  /// Whether an operation that ranks do together is to be done yet.
  bool hasCollectives() const;

  // Of collectives: the one thread that issues them, until all are done; how
  // many calls communicators have not enqueued yet, and how many each has had.
  std::optional<std::thread::id> issuer;
  size_t queuedCalls = 0;
  std::map<uint64_t, uint64_t> issued;

private:
  bool runOne(const OperationRef &wanted);
  std::vector<OperationRef> candidates(const OperationRef &wanted) const;
  void sort(std::vector<OperationRef> &ready);
  bool run(const OperationRef &operation);
  void watchHost(Operation &operation) const;
  bool hostKept(const Operation &operation) const;
  void finish(const OperationRef &operation);

  int index;
  Random random;
  unsigned eagerness, laziness; ///< percent
  Clock host;
  std::vector<uint64_t> ticks, favours; ///< of components
  std::vector<OperationRef> pending;    ///< in issue order
  CUresult sticky = fsdprt::cuda::CUDA_SUCCESS;
};

/// Says which two operations, and where in `ranges`, those of `identity`.
void reportRace(int device, const Races::Conflict &conflict,
                const Identity &identity, const std::vector<Range> &ranges);

} // namespace simcuda

#endif // SIMCUDA_DEVICE_H
