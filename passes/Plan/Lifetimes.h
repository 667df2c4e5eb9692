//===- Lifetimes.h - When buffers are used ----------------------*- C++ -*-===//
#ifndef FSDP_PASSES_PLAN_LIFETIMES_H
#define FSDP_PASSES_PLAN_LIFETIMES_H

#include "dialects/FsdpRt/FsdpRt.h"
#include "mlir/IR/BuiltinOps.h"

namespace fsdp {
/// Places, in the issue order of its phase, of the first and the last dispatch
/// that use a buffer.
struct Lifetime {
  int64_t first = 0;
  int64_t last = 0;
};

/// Calls `visit(place, dispatch, argument)` for every argument of every
/// dispatch of `phase`, in issue order.
void forEachArgument(
    rt::PhaseOp phase,
    llvm::function_ref<void(int64_t, mlir::Operation *, rt::ArgAttr)> visit);

/// Lives of all buffers of one phase. Fails, with an error on the dispatch,
/// when a buffer is read before anything wrote it or an argument leaves its
/// buffer.
mlir::FailureOr<llvm::DenseMap<int64_t, Lifetime>>
computeLifetimes(mlir::ModuleOp module);
} // namespace fsdp

#endif // FSDP_PASSES_PLAN_LIFETIMES_H
