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

int64_t fsdp::byteSize(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  int64_t bits = tensor.getElementType().getIntOrFloatBitWidth();
  return tensor.getNumElements() * ((bits + 7) / 8);
}
