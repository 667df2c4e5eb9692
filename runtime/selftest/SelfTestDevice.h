//===- SelfTestDevice.h - A device whose operations are compared -*- C++ -*-==//
//
// Stands in front of a rank's device. A program runs on it as always, but the
// first operation of each kind in each phase is held against what the host
// computes of the same bytes (Checks.h), and timed: streams are drained, what
// it reads is copied to the host, it runs, what it wrote is copied back. What
// kinds there are, and where each is first met, follows from the plan alone, so
// that all ranks compare at the same places.
//
//===----------------------------------------------------------------------===//

#ifndef FSDPRT_SELFTEST_SELFTESTDEVICE_H
#define FSDPRT_SELFTEST_SELFTESTDEVICE_H

#include "selftest/Checks.h"

#include <unordered_map>

namespace fsdprt::selftest {

enum class OperationClass { Kernel, Product, Attention, Collective, Memory };

/// Operations that are the same but for what they work on.
struct Kind {
  OperationClass operationClass = OperationClass::Kernel;
  std::string name, unit, what; // of the first; its shape, or type
  std::string key;
  int64_t bytes = 0;      // read and written
  int64_t operations = 0; // floating point, of products
  int64_t count = 0;      // in the last phase that had it
  Difference worst;
  std::string worstAt; // which operation that was
  double seconds = -1; // -1: not known
  bool isTimed = false, isMet = false;

  void keep(const Difference &difference, const std::string &at);
};

class SelfTestDevice : public Device {
public:
  /// Makes the device that is tested, which runs operations one by one.
  using Make = std::function<Expected<std::unique_ptr<Device>>(Options)>;
  /// Told of each kind when it has been compared for the first time.
  using OnKind = std::function<void(const Kind &)>;
  static Expected<std::unique_ptr<SelfTestDevice>>
  create(const Manifest &manifest, int rank, Options options, const Make &make,
         OnKind onKind);

  const std::vector<std::unique_ptr<Kind>> &kinds() const { return all; }
  /// Bytes a second, read and written, of a plain copy within the largest
  /// arena, whose content goes; 0 where it is too small to tell. After all
  /// phases.
  Expected<double> copySpeed();

  const char *name() const override { return inner->name(); }
  std::string chip() const override { return inner->chip(); }
  std::map<std::string, int64_t> versions() const override {
    return inner->versions();
  }
  Expected<DeviceAddress> allocate(const ArenaSpec &arena) override;
  std::optional<DeviceMemory> memory() const override {
    return inner->memory();
  }
  void *hostWrite(const DeviceRange &range) override {
    return inner->hostWrite(range);
  }
  Expected<const void *> hostRead(const DeviceRange &range) override {
    return inner->hostRead(range);
  }
  Status download(const DeviceRange &range, void *to) override {
    return inner->download(range, to);
  }
  Status upload(const DeviceRange &range, const void *from) override {
    return inner->upload(range, from);
  }

  Status prepare(const fsdprt_gemm_desc &desc) override {
    return inner->prepare(desc);
  }
  Bound bindLaunch(const fsdprt_launch_desc &desc,
                   const Dispatch &operation) override;
  Bound bindProduct(const fsdprt_gemm_desc &desc,
                    const Dispatch &operation) override;
  Bound bindFill(const fsdprt_fill_desc &desc,
                 const Dispatch &operation) override;
  Bound bindCopy(const fsdprt_copy_desc &desc,
                 const Dispatch &operation) override;
  Bound bindConstant(const fsdprt_constant_desc &desc,
                     const Dispatch &operation) override;
  Bound bindCollective(CollectiveKind kind, const fsdprt_collective_desc &desc,
                       const Dispatch &operation) override;
  Bound bindHost(HostWork work, const Dispatch &operation) override {
    return inner->bindHost(std::move(work), operation);
  }
  Bound bindJoin(const Dispatch &operation) override {
    return inner->bindJoin(operation);
  }

  Status beginPhase(int phase, int64_t step) override;
  Status enqueue(const Dispatch &operation) override;
  Status drain() override { return inner->drain(); }
  bool failed() const override { return inner->failed(); }
  Status status() const override { return inner->status(); }
  double takeBlockedSeconds() override { return inner->takeBlockedSeconds(); }
  std::optional<double> takeWaitedSeconds() override {
    return inner->takeWaitedSeconds();
  }
  Control &control() override { return inner->control(); }

private:
  struct Tested {
    Kind *kind = nullptr;
    std::unique_ptr<Check> check;
  };

  SelfTestDevice(int rank, Options options, OnKind onKind);
  CheckContext checkContext();
  Bound testedBy(Bound bound, const Dispatch &operation, Kind kind,
                 std::unique_ptr<Check> check);
  Kind *find(Kind kind, const fsdprt_op &op);
  Status examine(const Dispatch &operation, Tested &tested);
  Status time(const Dispatch &operation, Kind &kind,
              const HostArguments &before, const HostArguments &after);
  Expected<double> secondsOf(const Dispatch &operation);
  Status run(const Dispatch &operation);
  std::string placeOf(const Dispatch &operation) const;

  const int rank;
  const Options options;
  const OnKind onKind;
  Trace timer;
  WorkerPool workers;
  std::unique_ptr<Reference> reference;
  std::unique_ptr<Device> inner; // measured by the timer
  std::optional<HostCopies> copies;
  std::vector<std::unique_ptr<Kind>> all;
  std::map<std::string, Kind *> byKey;
  std::unordered_map<const Dispatch *, Tested> tested;
  std::vector<DeviceRange> arenas;
  int64_t numTimed = 0, step = -1;
};

} // namespace fsdprt::selftest

#endif // FSDPRT_SELFTEST_SELFTESTDEVICE_H
