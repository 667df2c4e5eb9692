//===- Tensor.cpp - Dense tensors in memory -------------------------------===//
#include "test/passes/Kernel/Tensor.h"

#include "llvm/ADT/APFloat.h"

#include <cstdlib>
#include <cstring>

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;

static size_t elementBytes(Type type) {
  return (type.getIntOrFloatBitWidth() + 7) / 8;
}

size_t Tensor::bytes() const {
  return size() * elementBytes(type.getElementType());
}

Tensor::Tensor(RankedTensorType type) : type(type) {
  size_t padded = (bytes() + 127) / 64 * 64;
  storage.reset(static_cast<char *>(std::aligned_alloc(64, padded)), std::free);
  std::memset(storage.get(), 0, padded);
}

Tensor::Tensor(RankedTensorType type, ArrayRef<double> values) : Tensor(type) {
  for (auto [i, value] : llvm::enumerate(values))
    set(i, value);
}

Tensor Tensor::copy() const {
  Tensor result(type);
  std::memcpy(result.data(), data(), bytes());
  return result;
}

Tensor Tensor::view(RankedTensorType other) const {
  Tensor result = *this;
  result.type = other;
  return result;
}

double Tensor::get(int64_t i) const {
  Type element = type.getElementType();
  const char *at = storage.get() + i * elementBytes(element);
  auto as = [&](auto zero) {
    std::memcpy(&zero, at, sizeof(zero));
    return double(zero);
  };
  if (element.isF64())
    return as(double());
  if (element.isF32())
    return as(float());
  if (element.isInteger(64))
    return as(int64_t());
  if (element.isInteger(32))
    return as(int32_t());
  if (auto half = dyn_cast<FloatType>(element)) {
    uint16_t bits;
    std::memcpy(&bits, at, 2);
    return llvm::APFloat(half.getFloatSemantics(), llvm::APInt(16, bits))
        .convertToDouble();
  }
  return as(int8_t());
}

void Tensor::set(int64_t i, double value) {
  Type element = type.getElementType();
  char *at = storage.get() + i * elementBytes(element);
  auto put = [&](auto typed) { std::memcpy(at, &typed, sizeof(typed)); };
  if (element.isF64())
    return put(value);
  if (element.isF32())
    return put(float(value));
  if (element.isInteger(64))
    return put(int64_t(value));
  if (element.isInteger(32))
    return put(int32_t(value));
  if (auto half = dyn_cast<FloatType>(element)) {
    llvm::APFloat rounded(value);
    bool loses;
    rounded.convert(half.getFloatSemantics(),
                    llvm::APFloat::rmNearestTiesToEven, &loses);
    return put(uint16_t(rounded.bitcastToAPInt().getZExtValue()));
  }
  put(int8_t(value));
}

std::vector<double> Tensor::values() const {
  std::vector<double> result(size());
  for (int64_t i = 0; i < size(); ++i)
    result[i] = get(i);
  return result;
}
