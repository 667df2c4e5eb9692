//===- Gradients.cpp - What gradient builders share -----------------------===//
#include "dialects/Onnx/Gradients/Gradients.h"

using namespace mlir;
using namespace fsdp::onnx;

Value GradientBuilder::splat(Type type, double value) {
  auto tensor = cast<RankedTensorType>(type);
  Attribute element =
      isa<FloatType>(tensor.getElementType())
          ? Attribute(builder.getFloatAttr(tensor.getElementType(), value))
          : Attribute(builder.getIntegerAttr(tensor.getElementType(),
                                             int64_t(value)));
  return make<ConstantOp>(tensor, DenseElementsAttr::get(tensor, element));
}

Value GradientBuilder::scalar(Value like, double value) {
  return splat(RankedTensorType::get({}, typeOf(like).getElementType()), value);
}

Value GradientBuilder::reshape(Value x, ArrayRef<int64_t> shape) {
  if (typeOf(x).getShape() == shape)
    return x;
  return make<ReshapeOp>(
      RankedTensorType::get(shape, typeOf(x).getElementType()), x);
}

Value GradientBuilder::reduceSum(Value x, ArrayRef<int64_t> axes,
                                 bool keepdims) {
  if (axes.empty())
    return x;
  return make<ReduceSumOp>(x, axes, keepdims);
}

Value GradientBuilder::unbroadcast(Value grad, Value operand) {
  ArrayRef<int64_t> from = typeOf(grad).getShape();
  ArrayRef<int64_t> to = typeOf(operand).getShape();
  SmallVector<int64_t> axes;
  size_t extra = from.size() - to.size();
  for (size_t i = 0; i < from.size(); ++i)
    if (from[i] != 1 && (i < extra || to[i - extra] == 1))
      axes.push_back(i);
  return reshape(reduceSum(grad, axes, /*keepdims=*/false), to);
}
