//===- HostCopies.h - An operation's memory, on the host --------*- C++ -*-===//

#ifndef FSDPRT_SELFTEST_HOSTCOPIES_H
#define FSDPRT_SELFTEST_HOSTCOPIES_H

#include "device/Device.h"

namespace fsdprt::selftest {

/// Bytes aligned as a device's arguments are.
class HostBuffer {
public:
  HostBuffer() = default;
  explicit HostBuffer(int64_t bytes);

  char *data() const { return memory.get(); }
  int64_t size() const { return bytes; }
  HostBuffer copy() const;

private:
  struct Free {
    void operator()(char *memory) const;
  };
  std::unique_ptr<char, Free> memory;
  int64_t bytes = 0;
};

/// By the argument's number; empty where it was not copied. Arguments that are
/// one on the device (in place) are apart here.
using HostArguments = std::vector<HostBuffer>;

/// The bytes as an array of pointers, as kernels and collectives take them.
std::vector<void *> pointersTo(const HostArguments &arguments);

/// Copies to and from a device in the middle of a phase, while its streams are
/// idle, by work of the host that the device runs on its compute stream.
class HostCopies {
public:
  explicit HostCopies(Device &device) : device(device) {}

  /// Arguments of the operation whose access has a bit of `access`.
  Expected<HostArguments> read(const Dispatch &operation, int32_t access) const;
  /// Puts back what `before` has of the arguments that the operation writes.
  Status restore(const Dispatch &operation, const HostArguments &before) const;

private:
  Status copy(DeviceAddress at, int64_t bytes, int32_t access,
              char *memory) const;

  Device &device;
};

} // namespace fsdprt::selftest

#endif // FSDPRT_SELFTEST_HOSTCOPIES_H
