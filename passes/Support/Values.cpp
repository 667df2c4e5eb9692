//===- Values.cpp - Tensors as memory -------------------------------------===//
#include "passes/Support/Values.h"
#include "dialects/Train/Train.h"

using namespace mlir;
using namespace fsdp;

Value fsdp::viewSource(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (auto reshape = dyn_cast<onnx::ReshapeOp>(op))
      value = reshape.getX();
    else if (auto barrier = dyn_cast<train::BarrierOp>(op))
      value = barrier.getXs()[cast<OpResult>(value).getResultNumber()];
    else
      break;
  }
  return value;
}

DenseElementsAttr fsdp::constantOf(Value value) {
  auto constant = value.getDefiningOp<onnx::ConstantOp>();
  return constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : nullptr;
}

std::optional<double> fsdp::numberOf(Value value) {
  DenseElementsAttr elements = constantOf(value);
  if (!elements || !elements.isSplat() ||
      !isa<FloatType>(elements.getElementType()))
    return std::nullopt;
  return elements.getSplatValue<FloatAttr>().getValueAsDouble();
}

int64_t fsdp::byteSize(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  int64_t bits = tensor.getElementType().getIntOrFloatBitWidth();
  return tensor.getNumElements() * ((bits + 7) / 8);
}
