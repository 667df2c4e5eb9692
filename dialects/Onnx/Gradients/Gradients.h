//===- Gradients.h - What gradient builders share ---------------*- C++ -*-===//
#ifndef FSDP_DIALECTS_ONNX_GRADIENTS_GRADIENTS_H
#define FSDP_DIALECTS_ONNX_GRADIENTS_GRADIENTS_H

#include "dialects/Onnx/Onnx.h"

namespace fsdp::onnx {
/// Builds ops with the scope and location of the op whose gradient it is.
class GradientBuilder {
public:
  GradientBuilder(mlir::OpBuilder &builder, mlir::Operation *op)
      : builder(builder), loc(op->getLoc()), scope(getScope(op)) {}

  /// An op with inferred result type: operands and attributes, without scope.
  template <typename Op, typename... Args> mlir::Value make(Args &&...args) {
    return builder.create<Op>(loc, std::forward<Args>(args)..., scope)
        ->getResult(0);
  }

  mlir::Value mul(mlir::Value a, mlir::Value b) { return make<MulOp>(a, b); }
  mlir::Value add(mlir::Value a, mlir::Value b) { return make<AddOp>(a, b); }
  mlir::Value sub(mlir::Value a, mlir::Value b) { return make<SubOp>(a, b); }
  mlir::Value div(mlir::Value a, mlir::Value b) { return make<DivOp>(a, b); }
  mlir::Value neg(mlir::Value a) { return make<NegOp>(a); }

  /// A scalar of `like`'s element type, which broadcasts.
  mlir::Value scalar(mlir::Value like, double value);
  /// Zeros (or another value) of a whole type.
  mlir::Value splat(mlir::Type type, double value);
  mlir::Value reshape(mlir::Value x, llvm::ArrayRef<int64_t> shape);
  mlir::Value reduceSum(mlir::Value x, llvm::ArrayRef<int64_t> axes,
                        bool keepdims);
  /// Sums `grad` over what broadcasting stretched, to the type of `operand`.
  mlir::Value unbroadcast(mlir::Value grad, mlir::Value operand);

  mlir::OpBuilder &builder;
  mlir::Location loc;
  llvm::StringRef scope;
};

inline mlir::RankedTensorType typeOf(mlir::Value v) {
  return llvm::cast<mlir::RankedTensorType>(v.getType());
}
} // namespace fsdp::onnx

/// The signature of every gradient.
#define FSDP_GRADIENT(OP)                                                      \
  llvm::LogicalResult OP::buildGradients(                                      \
      mlir::OpBuilder &builder, mlir::ValueRange grads,                        \
      llvm::ArrayRef<bool> wanted,                                             \
      llvm::SmallVectorImpl<mlir::Value> &inputGrads)

#endif // FSDP_DIALECTS_ONNX_GRADIENTS_GRADIENTS_H
