//===- ConstantCache.cpp - Large constants computed once ------------------===//
#include "dialects/Onnx/Import/ConstantCache.h"

#include "llvm/ADT/bit.h"

#include <cmath>

using namespace mlir;
using namespace fsdp::onnx;

namespace {
/// Elements from which on a tensor is large: 32 KiB.
constexpr int64_t kLarge = 4096;
/// Elements kept at most, 8 bytes each, before all are forgotten: 1 GiB.
constexpr int64_t kMostElements = 128 << 20;

bool isLarge(const Tensor &tensor) { return tensor.stored() >= kLarge; }
} // namespace

ConstantKey &ConstantKey::add(int64_t number) {
  words.push_back(number);
  return *this;
}

ConstantKey &ConstantKey::add(ArrayRef<int64_t> numbers) {
  words.push_back(numbers.size());
  llvm::append_range(words, numbers);
  return *this;
}

ConstantKey &ConstantKey::add(Type type) {
  return add(int64_t(type.getAsOpaquePointer()));
}

ConstantKey &ConstantKey::add(const SharedTensor &operand) {
  add(operand->elementType).add(operand->shape).add(operand->stored());
  if (isLarge(*operand)) {
    large.push_back(operand);
    return add(int64_t(operand.get()));
  }
  for (double value : operand->floats)
    add(llvm::bit_cast<int64_t>(value));
  llvm::append_range(words, operand->ints);
  return *this;
}

SharedTensor ConstantCache::find(const ConstantKey &key) const {
  auto it = results.find(key);
  return it == results.end() ? nullptr : it->second;
}

void ConstantCache::insert(const ConstantKey &key, const SharedTensor &result) {
  if (key.large.empty() && !isLarge(*result))
    return;
  if (elements + result->stored() > kMostElements) {
    results.clear();
    attributes.clear();
    elements = 0;
  }
  elements += result->stored();
  results.emplace(key, result);
}

DenseElementsAttr ConstantCache::attributeOf(const SharedTensor &tensor) {
  if (!isLarge(*tensor))
    return toAttribute(*tensor);
  auto [it, isNew] = attributes.try_emplace(ConstantKey("").add(tensor));
  if (isNew)
    it->second = toAttribute(*tensor);
  return it->second;
}

/// A row is looked at up to the first number that it shows: masks are large,
/// and a causal one shows each row's first.
template <typename T>
static bool hidesARow(DenseElementsAttr mask, int64_t width, double lowest) {
  auto values = mask.getValues<T>();
  for (auto row = values.begin(); row != values.end(); row += width)
    if (std::all_of(row, row + width, [&](T x) { return x <= lowest; }))
      return true;
  return false;
}

bool ConstantCache::masksARow(DenseElementsAttr mask, double lowest) {
  auto [it, isNew] =
      masks.try_emplace({mask.getAsOpaquePointer(), lowest}, false);
  if (!isNew)
    return it->second;
  ArrayRef<int64_t> shape = mask.getType().getShape();
  int64_t width = shape.empty() ? 1 : shape.back();
  if (width > 0 && mask.getElementType().isF32())
    return it->second = hidesARow<float>(mask, width, lowest);
  if (width > 0 && mask.getElementType().isF64())
    return it->second = hidesARow<double>(mask, width, lowest);
  Tensor most = *toTensor(mask);
  if (width != 1)
    most = reduce(Reduction::Max, most, {most.rank() - 1}, false);
  return it->second =
             llvm::any_of(most.floats, [&](double x) { return x <= lowest; });
}
