//===- Formula.h - Chains of the emitter's operations -----------*- C++ -*-===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_FORMULA_H
#define FSDP_DIALECTS_ONNX_IMPORT_FORMULA_H

#include "dialects/Onnx/Import/Emitter.h"

namespace fsdp::onnx {
/// Writes an operator as a formula: an operation on what failed before fails,
/// so a chain is asked once, at its end.
class Formula {
public:
  explicit Formula(Emitter &e) : e(e) {}

  MaybeOperand apply(Unary kind, MaybeOperand x) {
    return failed(x) ? x : e.unary(kind, *x);
  }
  MaybeOperand apply(Binary kind, MaybeOperand a, MaybeOperand b) {
    if (failed(a) || failed(b))
      return mlir::failure();
    return e.binary(kind, *a, *b);
  }
  /// The second operand is a number of the first's element type.
  MaybeOperand apply(Binary kind, MaybeOperand a, double b) {
    return failed(a) ? a : e.binary(kind, *a, e.scalarLike(*a, b));
  }
  MaybeOperand where(MaybeOperand condition, MaybeOperand a, MaybeOperand b) {
    if (failed(condition) || failed(a) || failed(b))
      return mlir::failure();
    return e.where(*condition, *a, *b);
  }
  MaybeOperand where(MaybeOperand condition, double a, MaybeOperand b) {
    return failed(b) ? b : where(condition, e.scalarLike(*b, a), b);
  }
  MaybeOperand where(MaybeOperand condition, MaybeOperand a, double b) {
    return failed(a) ? a : where(condition, a, e.scalarLike(*a, b));
  }
  MaybeOperand reduce(Reduction kind, MaybeOperand x,
                      llvm::ArrayRef<int64_t> axes, bool keepdims) {
    return failed(x) ? x : e.reduce(kind, *x, axes, keepdims);
  }
  MaybeOperand reshape(MaybeOperand x, llvm::ArrayRef<int64_t> shape) {
    return failed(x) ? x : e.reshape(*x, shape);
  }
  MaybeOperand cast(MaybeOperand x, mlir::Type elementType) {
    return failed(x) ? x : e.cast(*x, elementType);
  }

private:
  Emitter &e;
};
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_FORMULA_H
