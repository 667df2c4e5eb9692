//===- KernelCheck.cpp - Kernels beside the CPU's -------------------------===//

#include "selftest/Checks.h"

#include "core/DType.h"

#include <algorithm>

using namespace fsdprt;
using namespace fsdprt::selftest;

namespace {
class KernelCheck : public Check {
public:
  KernelCheck(const fsdprt_launch_desc &desc, const HostKernel &kernel,
              const CheckContext &context)
      : desc(desc), kernel(kernel), context(context) {}

  Expected<Difference> compare(const HostArguments &before,
                               const HostArguments &after) override;

private:
  Expected<HostArguments> run(const HostArguments &before, bool perturbs) const;
  Difference compareResult(int32_t i, const void *actual, const void *expected,
                           const void *perturbed) const;
  int32_t numArgs() const {
    return desc.op.num_args - (desc.scratch_bytes ? 1 : 0);
  }
  bool isWritten(int32_t i) const {
    return desc.op.args[i].access & FSDPRT_ACCESS_WRITE;
  }

  const fsdprt_launch_desc &desc;
  const HostKernel kernel;
  const CheckContext context;
};
} // namespace

/// The arguments as the host leaves them.
Expected<HostArguments> KernelCheck::run(const HostArguments &before,
                                         bool perturbs) const {
  HostArguments arguments;
  for (int32_t i = 0; i < numArgs(); ++i) {
    arguments.push_back(before[i].copy());
    if (perturbs && (desc.op.args[i].access & FSDPRT_ACCESS_READ))
      perturb(kernel.args[i].dtype, arguments[i].data(),
              kernel.args[i].elements);
  }
  FSDPRT_RETURN_IF_ERROR(
      runOnHost(kernel, arguments, context.workers, context.onProgress));
  return arguments;
}

/// An element may be a sum over as many as the largest operand has for each of
/// the result's.
Difference KernelCheck::compareResult(int32_t i, const void *actual,
                                      const void *expected,
                                      const void *perturbed) const {
  int64_t largest = 1;
  for (int32_t k = 0; k < numArgs(); ++k)
    if (desc.op.args[k].access & FSDPRT_ACCESS_READ)
      largest = std::max(largest, kernel.args[k].elements);
  const fsdprt_reference_arg &arg = kernel.args[i];
  int64_t terms = std::max<int64_t>(1, largest / arg.elements);
  return compareElements(
      {arg.dtype, arg.elements, terms, actual, expected, perturbed});
}

Expected<Difference> KernelCheck::compare(const HostArguments &before,
                                          const HostArguments &after) {
  Expected<HostArguments> expected = run(before, /*perturbs=*/false);
  if (!expected.ok())
    return expected.status();
  Difference worst;
  if (!kernel.args) {
    for (int32_t i = 0; i < numArgs(); ++i)
      if (isWritten(i))
        worst.keep(compareBytes(after[i].data(), (*expected)[i].data(),
                                after[i].size()));
    return worst;
  }
  Expected<HostArguments> perturbed = run(before, /*perturbs=*/true);
  if (!perturbed.ok())
    return perturbed.status();
  for (int32_t i = 0; i < numArgs(); ++i)
    if (isWritten(i))
      worst.keep(compareResult(i, after[i].data(), (*expected)[i].data(),
                               (*perturbed)[i].data()));
  return worst;
}

std::unique_ptr<Check> selftest::checkKernel(const fsdprt_launch_desc &desc,
                                             const HostKernel &kernel,
                                             const CheckContext &context) {
  return std::make_unique<KernelCheck>(desc, kernel, context);
}
