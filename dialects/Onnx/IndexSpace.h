//===- IndexSpace.h - Row-major index spaces --------------------*- C++ -*-===//
#ifndef FSDP_DIALECTS_ONNX_INDEXSPACE_H
#define FSDP_DIALECTS_ONNX_INDEXSPACE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

namespace fsdp::onnx {
/// Elements between neighbours of each dimension, in C order.
inline llvm::SmallVector<int64_t> stridesOf(llvm::ArrayRef<int64_t> shape) {
  llvm::SmallVector<int64_t> strides(shape.size(), 1);
  for (int64_t i = int64_t(shape.size()) - 2; i >= 0; --i)
    strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

inline int64_t product(llvm::ArrayRef<int64_t> shape) {
  int64_t count = 1;
  for (int64_t extent : shape)
    count *= extent;
  return count;
}

/// Calls `body(i, index)` for every index of `shape` in C order.
template <typename Body>
void forEachIndex(llvm::ArrayRef<int64_t> shape, Body body) {
  llvm::SmallVector<int64_t> index(shape.size(), 0);
  int64_t count = product(shape);
  for (int64_t i = 0; i < count; ++i) {
    body(i, llvm::ArrayRef<int64_t>(index));
    for (size_t dim = shape.size(); dim-- > 0;) {
      if (++index[dim] < shape[dim])
        break;
      index[dim] = 0;
    }
  }
}
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_INDEXSPACE_H
