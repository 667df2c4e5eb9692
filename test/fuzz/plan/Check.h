//===- Check.h - What must hold of every plan that is read ------*- C++ -*-===//
#ifndef FSDP_TEST_FUZZ_PLAN_CHECK_H
#define FSDP_TEST_FUZZ_PLAN_CHECK_H

#include "mlir/IR/MLIRContext.h"

namespace fsdp::fuzz {
/// Reads plans as `fsdp-compile plan.mlir` does, each in a process of its own,
/// which ends at an error as fsdp-compile's does: the text, the verifiers, and
/// of those that pass the report, the manifest and the program's LLVM IR; the
/// code of every kernel for one plan in some. Aborts where that process neither
/// accepts a plan nor refuses it with one error.
class PlanChecker {
public:
  PlanChecker();
  void check(const std::string &text);

private:
  mlir::MLIRContext context;
  int messages; ///< a file in memory that takes the place of stderr
};
} // namespace fsdp::fuzz

#endif // FSDP_TEST_FUZZ_PLAN_CHECK_H
