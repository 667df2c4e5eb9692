//===- Lifetimes.h - When buffers are used ----------------------*- C++ -*-===//
#ifndef FSDP_PASSES_PLAN_LIFETIMES_H
#define FSDP_PASSES_PLAN_LIFETIMES_H

#include "dialects/FsdpRt/FsdpRt.h"
#include "mlir/IR/BuiltinOps.h"

namespace fsdp {
/// The issue order of a program: its phases one after the other.
class PhaseOrder {
public:
  explicit PhaseOrder(mlir::ModuleOp module);

  /// Number of the phase called `name`; none where there is no such phase.
  std::optional<size_t> find(llvm::StringRef name) const;
  /// Place of the phase's first dispatch.
  int64_t beginOf(size_t phase) const { return begins[phase]; }
  int64_t beginOf(llvm::StringRef phase) const { return begins[*find(phase)]; }
  llvm::ArrayRef<rt::PhaseOp> getPhases() const { return phases; }
  /// Numbers of the first and the last phase that `buffer`, which is one of
  /// some phase, is alive in; fails, with an error on it, where the program
  /// does not have them in this order, or where runs of others may come
  /// between (fsdprt_v11).
  mlir::FailureOr<std::pair<size_t, size_t>>
  phasesOf(rt::BufferOp buffer) const;

private:
  llvm::SmallVector<rt::PhaseOp> phases;
  llvm::SmallVector<int64_t> begins;
  llvm::StringMap<size_t> numbers;
};

/// Places, in the issue order of the program, of the first dispatch that uses a
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

/// Lives of all buffers that do not live over all phases. Fails, with an error
/// on the dispatch, when a buffer is read before anything wrote it or an
/// argument leaves its buffer.
mlir::FailureOr<llvm::DenseMap<int64_t, Lifetime>>
computeLifetimes(mlir::ModuleOp module);
} // namespace fsdp

#endif // FSDP_PASSES_PLAN_LIFETIMES_H
