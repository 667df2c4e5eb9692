//===- WidenGradients.cpp - Parameter gradients that are not rounded ------===//
//
//   %g = onnx.matmul %x, %dy {transA} : bf16 -> bf16
//   %w = onnx.cast %g : f32
//   train.gradient @w, %w
// becomes
//   %w = onnx.matmul %x, %dy {transA} : bf16 -> f32
//   train.gradient @w, %w
//
//===----------------------------------------------------------------------===//
#include "passes/Support/Step.h"
#include "passes/Train/Passes.h"

#include "mlir/IR/TypeUtilities.h"

namespace fsdp {
#define GEN_PASS_DEF_TRAINWIDENGRADIENTS
#include "passes/Train/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

namespace {
/// Ops whose results may be wider than their operands.
bool mayWiden(Operation *op) {
  return isa_and_nonnull<onnx::MatMulOp, onnx::ReduceSumOp, train::GatherGradOp,
                         train::LayerNormParamGradOp,
                         train::RmsNormParamGradOp>(op);
}

struct WidenGradients
    : public fsdp::impl::TrainWidenGradientsBase<WidenGradients> {
  using TrainWidenGradientsBase::TrainWidenGradientsBase;

  void runOnOperation() override {
    func::FuncOp func = getFunction(getOperation(), kStep);
    if (!func)
      return signalPassFailure();
    for (auto gradient : func.getBody().front().getOps<train::GradientOp>()) {
      auto cast = gradient.getGrad().getDefiningOp<onnx::CastOp>();
      if (!cast || !isHalf(cast.getX()) ||
          !getElementTypeOrSelf(cast.getY()).isF32() || !canWiden(cast.getX()))
        continue;
      cast.getY().replaceAllUsesWith(widened(cast.getX(), cast));
      cast.erase();
      ++numWidened;
    }
  }

  static bool isHalf(Value value) {
    Type type = getElementTypeOrSelf(value);
    return type.isBF16() || type.isF16();
  }

  static bool isPassedOn(Operation *op) {
    return isa_and_nonnull<onnx::AddOp, onnx::ReshapeOp, onnx::TransposeOp,
                           onnx::SliceOp, onnx::PadOp>(op);
  }

  /// Whether `value` was f32 before it was rounded.
  static bool isRounded(Value value) {
    auto cast = value.getDefiningOp<onnx::CastOp>();
    return cast && getElementTypeOrSelf(cast.getX()).isF32();
  }

  /// Whether `value`, which one op reads, can be made f32 without a cast; or,
  /// of what fills a gradient, without a cast of that gradient.
  static bool canWiden(Value value) {
    Operation *op = value.getDefiningOp();
    if (isRounded(value))
      return true;
    if (!value.hasOneUse())
      return false;
    return mayWiden(op) || isa_and_nonnull<onnx::PadOp>(op) ||
           (isPassedOn(op) && llvm::all_of(op->getOperands(), canWiden));
  }

  /// `value`, which `reader` reads, in f32.
  Value widened(Value value, Operation *reader) {
    Operation *op = value.getDefiningOp();
    if (isRounded(value))
      return op->getOperand(0);
    if (!canWiden(value))
      return castToF32(value, reader);
    if (isPassedOn(op))
      for (OpOperand &operand : op->getOpOperands())
        operand.set(widened(operand.get(), op));
    value.setType(inF32(value));
    return value;
  }

  RankedTensorType inF32(Value value) {
    return cast<RankedTensorType>(value.getType())
        .clone(Float32Type::get(&getContext()));
  }

  Value castToF32(Value value, Operation *reader) {
    OpBuilder builder(reader);
    return builder.create<onnx::CastOp>(
        value.getLoc(), inF32(value), value,
        reader->getAttrOfType<StringAttr>("scope"));
  }
};
} // namespace
