//===- Values.h - Tensors as memory -----------------------------*- C++ -*-===//
#ifndef FSDP_PASSES_SUPPORT_VALUES_H
#define FSDP_PASSES_SUPPORT_VALUES_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Value.h"

#include <optional>

namespace fsdp {
/// The type of a tensor, which every value of the `onnx` dialect is.
inline mlir::RankedTensorType typeOf(mlir::Value value) {
  return llvm::cast<mlir::RankedTensorType>(value.getType());
}

/// The value that `value` is a view of: the same bytes, in another shape or
/// behind a barrier.
mlir::Value viewSource(mlir::Value value);

/// What an onnx.constant holds; null for any other value.
mlir::DenseElementsAttr constantOf(mlir::Value value);

/// The one number that a floating constant holds.
std::optional<double> numberOf(mlir::Value value);

/// Bytes of a tensor's elements, dense.
int64_t byteSize(mlir::Type type);
} // namespace fsdp

#endif // FSDP_PASSES_SUPPORT_VALUES_H
