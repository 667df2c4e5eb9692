//===- MathExpansion.h - exp, log, tanh, ... without libm -------*- C++ -*-===//
#ifndef FSDP_PASSES_KERNEL_MATHEXPANSION_H
#define FSDP_PASSES_KERNEL_MATHEXPANSION_H

#include "mlir/IR/PatternMatch.h"

namespace fsdp {
/// Rewrites exp, log, tanh, erf, sin, cos and powf of the math dialect, on f32
/// and f64 scalars, into arithmetic without branches, tables or calls, so that
/// LLVM's loop vectoriser takes them as it takes a sum. Half-precision operands
/// are computed in f32.
///
/// Errors, in units in the last place of the result, against exact values
/// (test/passes/Kernel/MathExpansionTest.cpp measures them):
///   f32: exp 1, log 1, tanh 2, erf 2, sin and cos 1, powf 1
///   f64: exp 2, log 1, tanh 2, erf 3, sin and cos 2,
///        powf 2 + 2 |y ln x|
/// Overflow, underflow to subnormals, infinities and NaN are as in C. sin and
/// cos give NaN for |x| > 1.6e6, where their argument reduction ends.
void populateMathExpansionPatterns(mlir::RewritePatternSet &patterns);

/// exp of a difference from a maximum, x <= 0 but for rounding, as arithmetic:
/// to one unit in the last place where the result is normal, 0 where it is
/// subnormal (f64: as exp).
mlir::Value emitExpNonPositive(mlir::OpBuilder &b, mlir::Location loc,
                               mlir::Value x);
} // namespace fsdp

#endif // FSDP_PASSES_KERNEL_MATHEXPANSION_H
