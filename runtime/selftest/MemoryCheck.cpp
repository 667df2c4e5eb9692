//===- MemoryCheck.cpp - What only moves or sets bytes --------------------===//

#include "selftest/Checks.h"

using namespace fsdprt;
using namespace fsdprt::selftest;

namespace {
/// What argument `result` should hold follows from what was in the others.
class MemoryCheck : public Check {
public:
  using Compare = std::function<Difference(const HostArguments &before,
                                           const HostBuffer &result)>;
  MemoryCheck(int result, Compare how) : result(result), how(std::move(how)) {}

  Expected<Difference> compare(const HostArguments &before,
                               const HostArguments &after) override {
    return how(before, after[result]);
  }

private:
  const int result;
  const Compare how;
};
} // namespace

std::unique_ptr<Check> selftest::checkFill(const fsdprt_fill_desc &desc) {
  return std::make_unique<MemoryCheck>(
      0, [&desc](const HostArguments &, const HostBuffer &result) {
        std::string expected(size_t(result.size()), char(desc.byte));
        return compareBytes(result.data(), expected.data(), result.size());
      });
}

std::unique_ptr<Check> selftest::checkCopy(const fsdprt_copy_desc &) {
  return std::make_unique<MemoryCheck>(
      1, [](const HostArguments &before, const HostBuffer &result) {
        return compareBytes(result.data(), before[0].data(), result.size());
      });
}

std::unique_ptr<Check>
selftest::checkConstant(const fsdprt_constant_desc &desc) {
  return std::make_unique<MemoryCheck>(
      0, [&desc](const HostArguments &, const HostBuffer &result) {
        return compareBytes(result.data(), desc.data, result.size());
      });
}
