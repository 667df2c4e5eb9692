//===- FormNorms.cpp - Products around a mean of squares into a norm ------===//
//
//   %s = onnx.mul %x, %x
//   %m = onnx.reduce_mean %s [2] keepdims true
//   %e = onnx.add %m, %epsilon
//   %q = onnx.sqrt %e
//   %r = onnx.reciprocal %q
//   %h = onnx.mul %x, %r
//   %y = onnx.mul %scale, %h
// becomes
//   %y, %rstd = onnx.rms_normalization %x, %scale epsilon 1.0e-6
//
//===----------------------------------------------------------------------===//
#include "passes/Support/Values.h"
#include "passes/Train/Form.h"
#include "passes/Train/Passes.h"

namespace fsdp {
#define GEN_PASS_DEF_TRAINFORMNORMS
#include "passes/Train/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

namespace {
/// What an RMS normalisation reads, found from the product with its scale.
struct RmsNorm {
  Value x, scale;
  double epsilon = 0;

  /// Fails where `op` is not that product.
  static FailureOr<RmsNorm> match(onnx::MulOp op);

private:
  LogicalResult matchNormalized(Value value);
  LogicalResult matchReciprocalRoot(Value value);
  LogicalResult matchShifted(Value value);
  LogicalResult matchMean(Value value);
  bool isSquare(Value value) const;
};

FailureOr<RmsNorm> RmsNorm::match(onnx::MulOp op) {
  auto type = typeOf(op.getResult());
  if (type.getRank() == 0 || !isa<FloatType>(type.getElementType()))
    return failure();
  auto row =
      RankedTensorType::get({type.getShape().back()}, type.getElementType());
  for (unsigned i : {0, 1}) {
    RmsNorm norm;
    norm.scale = op->getOperand(i);
    if (norm.scale.getType() == row &&
        succeeded(norm.matchNormalized(op->getOperand(1 - i))) &&
        norm.x.getType() == type)
      return norm;
  }
  return failure();
}

/// x times the reciprocal root, or x over the root.
LogicalResult RmsNorm::matchNormalized(Value value) {
  if (auto quotient = onlyUseOf<onnx::DivOp>(value)) {
    x = quotient->getOperand(0);
    auto root = onlyUseOf<onnx::SqrtOp>(quotient->getOperand(1));
    return success(root && succeeded(matchShifted(root->getOperand(0))));
  }
  auto product = onlyUseOf<onnx::MulOp>(value);
  if (!product)
    return failure();
  for (unsigned i : {0, 1}) {
    x = product->getOperand(i);
    if (succeeded(matchReciprocalRoot(product->getOperand(1 - i))))
      return success();
  }
  return failure();
}

LogicalResult RmsNorm::matchReciprocalRoot(Value value) {
  if (auto power = onlyUseOf<onnx::PowOp>(value))
    return success(numberOf(power->getOperand(1)) == -0.5 &&
                   succeeded(matchShifted(power->getOperand(0))));
  Value root;
  if (auto reciprocal = onlyUseOf<onnx::ReciprocalOp>(value))
    root = reciprocal->getOperand(0);
  else if (auto quotient = onlyUseOf<onnx::DivOp>(value);
           quotient && numberOf(quotient->getOperand(0)) == 1)
    root = quotient->getOperand(1);
  auto op = root ? onlyUseOf<onnx::SqrtOp>(root) : nullptr;
  return success(op && succeeded(matchShifted(op->getOperand(0))));
}

/// The mean plus epsilon.
LogicalResult RmsNorm::matchShifted(Value value) {
  auto sum = onlyUseOf<onnx::AddOp>(value);
  if (!sum)
    return failure();
  for (unsigned i : {0, 1})
    if (std::optional<double> number = numberOf(sum->getOperand(i))) {
      epsilon = *number;
      return matchMean(sum->getOperand(1 - i));
    }
  return failure();
}

LogicalResult RmsNorm::matchMean(Value value) {
  auto mean = onlyUseOf<onnx::ReduceMeanOp>(value);
  return success(mean && mean.getKeepdims() &&
                 mean.getAxes() == ArrayRef(typeOf(x).getRank() - 1) &&
                 typeOf(mean.getX()) == typeOf(x) &&
                 typeOf(mean.getY()).getElementType() ==
                     typeOf(x).getElementType() &&
                 isSquare(mean.getX()));
}

bool RmsNorm::isSquare(Value value) const {
  if (auto power = onlyUseOf<onnx::PowOp>(value))
    return power->getOperand(0) == x && numberOf(power->getOperand(1)) == 2;
  auto product = onlyUseOf<onnx::MulOp>(value);
  return product && product->getOperand(0) == x && product->getOperand(1) == x;
}

struct FormNorms : public fsdp::impl::TrainFormNormsBase<FormNorms> {
  using TrainFormNormsBase::TrainFormNormsBase;

  void runOnOperation() override {
    formOps<onnx::MulOp>(getOperation(),
                         [&](onnx::MulOp op) { return form(op); });
  }

  bool form(onnx::MulOp op) {
    FailureOr<RmsNorm> found = RmsNorm::match(op);
    if (failed(found))
      return false;
    OpBuilder builder(op);
    auto norm = builder.create<onnx::RmsNormalizationOp>(
        op.getLoc(), found->x, found->scale,
        builder.getF64FloatAttr(found->epsilon), op.getScopeAttr());
    op.getResult().replaceAllUsesWith(norm.getY());
    ++numFormed;
    return true;
  }
};
} // namespace
