//===- Values.h - Tensors as memory -----------------------------*- C++ -*-===//
#ifndef FSDP_PASSES_SUPPORT_VALUES_H
#define FSDP_PASSES_SUPPORT_VALUES_H

#include "mlir/IR/Value.h"

namespace fsdp {
/// The value that `value` is a view of: the same bytes, in another shape or
/// behind a barrier.
mlir::Value viewSource(mlir::Value value);

/// Bytes of a tensor's elements, dense.
int64_t byteSize(mlir::Type type);
} // namespace fsdp

#endif // FSDP_PASSES_SUPPORT_VALUES_H
