//===- StochasticRounding.h - States in a narrower type ---------*- C++ -*-===//
#ifndef FSDP_PASSES_KERNEL_STOCHASTICROUNDING_H
#define FSDP_PASSES_KERNEL_STOCHASTICROUNDING_H

#include "passes/Kernel/Emitter.h"

namespace fsdp {
/// The random numbers of `#train.rounded`, whose description has the formulas.
class RoundingBits {
public:
  /// `seed` and `keys` are memrefs of i64, `step` the number of the update.
  RoundingBits(Emitter &e, mlir::Value seed, mlir::Value keys,
               mlir::Value step);

  /// What all elements of the parameter of range `range` share.
  mlir::Value streamOf(int64_t range);
  /// Of element `element`, an index of the parameter: 64 bits.
  static mlir::Value of(mlir::OpBuilder &builder, mlir::Location loc,
                        mlir::Value stream, mlir::Value element);

private:
  Emitter &e;
  mlir::Value seed, keys, step; ///< i64, memref, i64
};

/// The f32 `value` as bf16, rounded by the bits [16 `state`, 16 `state` + 16)
/// of `bits`.
mlir::Value roundStochastically(mlir::OpBuilder &builder, mlir::Location loc,
                                mlir::Value value, mlir::Value bits,
                                size_t state);
} // namespace fsdp

#endif // FSDP_PASSES_KERNEL_STOCHASTICROUNDING_H
