//===- Checks.h - What operations should have computed ----------*- C++ -*-===//

#ifndef FSDPRT_SELFTEST_CHECKS_H
#define FSDPRT_SELFTEST_CHECKS_H

#include "selftest/Difference.h"
#include "selftest/Reference.h"

namespace fsdprt::selftest {

/// What all checks compute with.
struct CheckContext {
  WorkerPool &workers;
  std::function<void()> onProgress; // now and then, of long computations
};

/// Computes one operation on the host and compares. `before` has what was in
/// its arguments (but scratch), `after` what it left in those that it writes.
class Check {
public:
  virtual ~Check() = default;
  virtual Expected<Difference> compare(const HostArguments &before,
                                       const HostArguments &after) = 0;
};

/// A kernel, by the CPU's code of it; on the CPU to the bit, as workers may
/// share it in any way.
std::unique_ptr<Check> checkKernel(const fsdprt_launch_desc &desc,
                                   const HostKernel &kernel,
                                   const CheckContext &context);

/// A product, by no library (ProductCheck.cpp).
std::unique_ptr<Check> checkProduct(const fsdprt_gemm_desc &desc,
                                    const CheckContext &context);

/// A collective, by an exchange over `control`: every rank of it compares at
/// the same place.
std::unique_ptr<Check> checkExchange(CollectiveKind kind,
                                     const fsdprt_collective_desc &desc,
                                     Control &control, int rank);

std::unique_ptr<Check> checkFill(const fsdprt_fill_desc &desc);
std::unique_ptr<Check> checkCopy(const fsdprt_copy_desc &desc);
std::unique_ptr<Check> checkConstant(const fsdprt_constant_desc &desc);

} // namespace fsdprt::selftest

#endif // FSDPRT_SELFTEST_CHECKS_H
