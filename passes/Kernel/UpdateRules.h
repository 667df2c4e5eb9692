//===- UpdateRules.h - What an optimizer makes of an element ----*- C++ -*-===//
#ifndef FSDP_PASSES_KERNEL_UPDATERULES_H
#define FSDP_PASSES_KERNEL_UPDATERULES_H

#include "passes/Kernel/Emitter.h"

#include <functional>
#include <map>

namespace fsdp {
/// The operands of an update, one after the other.
struct OperandReader {
  llvm::ArrayRef<mlir::Value> rest;

  mlir::Value next() { return next(1).front(); }
  llvm::ArrayRef<mlir::Value> next(size_t count) {
    llvm::ArrayRef<mlir::Value> taken = rest.take_front(count);
    rest = rest.drop_front(count);
    return taken;
  }
};

/// What a step's formulas read beside the elements. Values are computed once,
/// at the emitter's place, for all ranges.
class UpdateScalars {
public:
  /// `lr` and `step` are those of the step, step null where no rule reads it;
  /// `type` is the parameters'. `decays`: whether some range does; then all
  /// compute as it does, so that bits do not depend on how ranges are cut.
  UpdateScalars(Emitter &e, mlir::Type type, mlir::Value lr, mlir::Value step,
                bool decays)
      : e(e), type(type), decays(decays), lr(lr), step(step) {}

  Emitter &e;
  mlir::Type type;
  bool decays;
  /// Of a rule with factored moments, in f64: what its update, which is taken
  /// for the gradient, is multiplied by.
  mlir::Value stepSize;

  /// The learning rate of `rule`, in f64.
  mlir::Value lrOf(train::OptimizerRule rule);
  /// 1-based number of this update, in f64.
  mlir::Value stepInF64();
  /// 1 - beta^step, in f64.
  mlir::Value biasCorrection(double beta);
  /// An f64 value as one of the parameters' type.
  mlir::Value narrow(mlir::Value value);

private:
  mlir::Value lr, step;
  std::map<double, mlir::Value> corrections;
};

/// An element after the step, then its states: of the element before, its
/// gradient and its states, all in the parameters' type.
using ElementUpdate = std::function<llvm::SmallVector<mlir::Value>(
    mlir::OpBuilder &, mlir::Location, mlir::Value p, mlir::Value gradient,
    mlir::ValueRange states)>;

/// The formula of `rule`; what is the same for all elements is computed here.
ElementUpdate emitUpdateRule(train::OptimizerRule rule, UpdateScalars &scalars);
} // namespace fsdp

#endif // FSDP_PASSES_KERNEL_UPDATERULES_H
