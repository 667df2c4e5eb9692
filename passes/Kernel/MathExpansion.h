//===- MathExpansion.h - exp, log, tanh, ... without libm -------*- C++ -*-===//
#ifndef FSDP_PASSES_KERNEL_MATHEXPANSION_H
#define FSDP_PASSES_KERNEL_MATHEXPANSION_H

#include "mlir/IR/PatternMatch.h"

namespace fsdp {
/// Rewrites the functions below, of the math dialect and arith.remf, on f32 and
/// f64 scalars, into arithmetic without branches, tables or calls, so that
/// LLVM's loop vectoriser takes them as it takes a sum. Half-precision operands
/// are computed in f32.
///
/// Errors, in units in the last place of the result, against exact values
/// (test/passes/Kernel/MathExpansionTest.cpp measures them):
///   f32: exp 1, log 1, tanh 2, erf 2, expm1 2, log1p 2, sin, cos, tan, asin,
///        acos, atan, sinh, cosh, asinh, acosh, atanh and powf 1
///   f64: exp 2, log 1, tanh 2, erf 3, expm1 2, log1p 2, sin and cos 2,
///        atan 2, tan, asin, acos, sinh, cosh, asinh, acosh and atanh 4,
///        powf 2 + 2 |y ln x|
/// floor, ceil and roundeven are exact, and so is remf where the quotient is
/// below 2^29 (f32; f64, with fused operations: 2^52).
/// Overflow, underflow to subnormals, infinities and NaN are as in C. sin,
/// cos and tan give NaN for |x| > 1.6e6, where their argument reduction ends.
void populateMathExpansionPatterns(mlir::RewritePatternSet &patterns);

/// exp of a difference from a maximum, x <= 0 but for rounding, as arithmetic:
/// to one unit in the last place where the result is normal, 0 where it is
/// subnormal (f64: as exp).
mlir::Value emitExpNonPositive(mlir::OpBuilder &b, mlir::Location loc,
                               mlir::Value x);
} // namespace fsdp

#endif // FSDP_PASSES_KERNEL_MATHEXPANSION_H
