//===- EvaluateTensor.cpp - Elements of constants, and attributes ---------===//
#include "dialects/Onnx/Evaluate.h"

using namespace mlir;
using namespace fsdp::onnx;

Tensor Tensor::ofInts(Type type, ArrayRef<int64_t> shape,
                      ArrayRef<int64_t> values) {
  Tensor result(type, shape);
  result.ints.assign(values.begin(), values.end());
  return result;
}

Tensor Tensor::splat(Type type, ArrayRef<int64_t> shape, double value) {
  Tensor result(type, shape);
  result.resize(1);
  if (result.isFloat())
    result.setFloat(0, value);
  else
    result.ints[0] = int64_t(value);
  return result;
}

int64_t Tensor::numElements() const {
  int64_t count = 1;
  for (int64_t extent : shape)
    count *= extent;
  return count;
}

double Tensor::asFloat(int64_t i) const {
  i = isSplat() ? 0 : i;
  return isFloat() ? floats[i] : double(ints[i]);
}

int64_t Tensor::asInt(int64_t i) const {
  i = isSplat() ? 0 : i;
  return isFloat() ? int64_t(floats[i]) : ints[i];
}

void Tensor::resize(int64_t count) {
  if (isFloat())
    floats.resize(count);
  else
    ints.resize(count);
}

void Tensor::copy(int64_t j, const Tensor &from, int64_t i) {
  i = from.isSplat() ? 0 : i;
  if (isFloat())
    floats[j] = from.floats[i];
  else
    ints[j] = from.ints[i];
}

static double roundTo(Type type, double value) {
  if (type.isF64())
    return value;
  if (type.isF32())
    return double(float(value));
  APFloat rounded(value);
  bool losesInfo;
  rounded.convert(cast<FloatType>(type).getFloatSemantics(),
                  APFloat::rmNearestTiesToEven, &losesInfo);
  rounded.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                  &losesInfo);
  return rounded.convertToDouble();
}

void Tensor::setFloat(int64_t i, double value) {
  floats[i] = roundTo(elementType, value);
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

std::optional<Tensor> fsdp::onnx::toTensor(Attribute value) {
  auto dense = dyn_cast_or_null<DenseElementsAttr>(value);
  if (!dense)
    return std::nullopt;
  Tensor result(dense.getElementType(), dense.getType().getShape());
  if (result.isFloat()) {
    auto toDouble = [](APFloat element) {
      bool losesInfo;
      element.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                      &losesInfo);
      return element.convertToDouble();
    };
    if (dense.isSplat())
      result.floats = {toDouble(dense.getSplatValue<APFloat>())};
    else if (result.elementType.isF32()) // ten times as fast
      llvm::append_range(result.floats, dense.getValues<float>());
    else
      for (APFloat element : dense.getValues<APFloat>())
        result.floats.push_back(toDouble(element));
    return result;
  }
  auto toInt = [&](const APInt &element) {
    return element.getBitWidth() == 1 ? int64_t(element.getZExtValue())
                                      : element.getSExtValue();
  };
  if (dense.isSplat())
    result.ints = {toInt(dense.getSplatValue<APInt>())};
  else
    for (const APInt &element : dense.getValues<APInt>())
      result.ints.push_back(toInt(element));
  return result;
}

DenseElementsAttr fsdp::onnx::toAttribute(const Tensor &tensor) {
  RankedTensorType type = tensor.type();
  if (tensor.elementType.isF32()) {
    std::vector<float> values(tensor.floats.begin(), tensor.floats.end());
    return DenseElementsAttr::get(type, ArrayRef<float>(values));
  }
  if (tensor.elementType.isF64())
    return DenseElementsAttr::get(type, ArrayRef<double>(tensor.floats));
  if (tensor.elementType.isInteger(64))
    return DenseElementsAttr::get(type, ArrayRef<int64_t>(tensor.ints));
  SmallVector<Attribute> elements;
  for (double value : tensor.floats)
    elements.push_back(FloatAttr::get(tensor.elementType, value));
  for (int64_t value : tensor.ints)
    elements.push_back(IntegerAttr::get(tensor.elementType, value));
  return DenseElementsAttr::get(type, elements);
}
