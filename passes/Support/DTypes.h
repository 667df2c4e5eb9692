//===- DTypes.h - Element types by name and number --------------*- C++ -*-===//
#ifndef FSDP_PASSES_SUPPORT_DTYPES_H
#define FSDP_PASSES_SUPPORT_DTYPES_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Operation.h"

namespace fsdp {
/// The type that `flag` names: float32, bfloat16 or float16 (as in torch), null
/// when empty; fails with an error on `op`.
mlir::FailureOr<mlir::FloatType> parseTrainingType(mlir::Operation *op,
                                                   llvm::StringRef flag,
                                                   llvm::StringRef name);

/// FSDPRT_F32 and the like for an element type, which is rt::isStoredType.
int32_t dtypeCode(mlir::Type type);
} // namespace fsdp

#endif // FSDP_PASSES_SUPPORT_DTYPES_H
