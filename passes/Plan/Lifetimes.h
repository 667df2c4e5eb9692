//===- Lifetimes.h - When buffers are used ----------------------*- C++ -*-===//
#ifndef FSDP_PASSES_PLAN_LIFETIMES_H
#define FSDP_PASSES_PLAN_LIFETIMES_H

#include "dialects/FsdpRt/FsdpRt.h"
#include "mlir/IR/BuiltinOps.h"

namespace fsdp {
/// Places, in the issue order of its phase, of the first dispatch that uses a
/// buffer and of the last at which it is still in use. A dispatch of another
/// stream than compute uses its buffers until the next compute dispatch that
/// comes after its event: from there on everything issued is ordered behind it,
/// since those streams wait for compute.
struct Lifetime {
  int64_t first = 0;
  int64_t last = 0;
  int64_t lastUse = 0; ///< the last dispatch that has it as an argument
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
