//===- LossTerms.cpp - What a loss is made of -----------------------------===//
#include "passes/Train/LossTerms.h"

using namespace mlir;
using namespace fsdp;

RankedTensorType fsdp::getLossType(onnx::SoftmaxCrossEntropyLossOp op) {
  auto logits = cast<RankedTensorType>(op.getLogits().getType());
  return RankedTensorType::get({},
                               onnx::statisticsType(logits.getElementType()));
}

Value fsdp::buildValidCount(OpBuilder &b, onnx::SoftmaxCrossEntropyLossOp op,
                            Value labels) {
  return b.create<train::CountValidOp>(op.getLoc(), getLossType(op), labels,
                                       op.getIgnoreIndex(), kLossScope);
}

LossSum fsdp::buildLossSum(OpBuilder &b, onnx::SoftmaxCrossEntropyLossOp op) {
  auto logits = cast<RankedTensorType>(op.getLogits().getType());
  RankedTensorType scalar = getLossType(op);
  Type rows = RankedTensorType::get(logits.getShape().drop_back(),
                                    scalar.getElementType());
  auto each = b.create<train::CrossEntropyOp>(op.getLoc(), rows, rows,
                                              op.getLogits(), op.getLabels(),
                                              op.getIgnoreIndex(), kLossScope);
  auto axes = llvm::to_vector(llvm::seq<int64_t>(logits.getRank() - 1));
  Value sum = each.getLosses();
  if (!axes.empty())
    sum = b.create<onnx::ReduceSumOp>(op.getLoc(), scalar, sum, axes,
                                      /*keepdims=*/false, kLossScope);
  return {sum, each.getLse()};
}
