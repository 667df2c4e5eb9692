//===- Values.cpp - Tensors as memory -------------------------------------===//
#include "passes/Support/Values.h"
#include "dialects/Onnx/Onnx.h"

using namespace mlir;
using namespace fsdp;

Value fsdp::viewSource(Value value) {
  while (auto reshape = value.getDefiningOp<onnx::ReshapeOp>())
    value = reshape.getX();
  return value;
}

int64_t fsdp::byteSize(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  int64_t bits = tensor.getElementType().getIntOrFloatBitWidth();
  return tensor.getNumElements() * ((bits + 7) / 8);
}
