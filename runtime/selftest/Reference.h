//===- Reference.h - A program's kernels, computed by the host --*- C++ -*-===//

#ifndef FSDPRT_SELFTEST_REFERENCE_H
#define FSDPRT_SELFTEST_REFERENCE_H

#include "abi/reference.h"
#include "core/Manifest.h"
#include "device/WorkerPool.h"
#include "selftest/HostCopies.h"

namespace fsdprt::selftest {

/// The file with the CPU's code of a program for GPUs; fails, and says what to
/// do, where there is none or it calls what it may not.
Expected<std::string> referencePath(const Manifest &manifest);

/// A kernel, and how the host runs it.
struct HostKernel {
  fsdprt_kernel kernel = nullptr;
  int64_t extent = 1, scratchBytes = 0;
  /// What arguments hold; null for a program of the CPU, whose own code it is.
  const fsdprt_reference_arg *args = nullptr;
};

/// The CPU's code of a program for GPUs. For one of the CPU it has none, and
/// kernels are the program's own.
class Reference {
public:
  static Expected<std::unique_ptr<Reference>> load(const Manifest &manifest);
  ~Reference();

  /// Fails where the launch is of no kernel that it has.
  Expected<HostKernel> find(const fsdprt_launch_desc &desc) const;

private:
  Reference() = default;

  void *handle = nullptr;
  std::map<std::string, const fsdprt_reference_kernel *> kernels;
};

/// Runs the kernel on `arguments`, which it changes, by the workers;
/// `onProgress` is called now and then. Fails as the kernel does.
Status runOnHost(const HostKernel &kernel, const HostArguments &arguments,
                 WorkerPool &workers, const std::function<void()> &onProgress);

} // namespace fsdprt::selftest

#endif // FSDPRT_SELFTEST_REFERENCE_H
