//===- DTypes.h - Element types by the names of flags -----------*- C++ -*-===//
#ifndef FSDP_PASSES_SUPPORT_DTYPES_H
#define FSDP_PASSES_SUPPORT_DTYPES_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Operation.h"

namespace fsdp {
/// The type that `flag` names: float32 or bfloat16 (as in torch), null when
/// empty; fails with an error on `op`.
mlir::FailureOr<mlir::FloatType> parseTrainingType(mlir::Operation *op,
                                                   llvm::StringRef flag,
                                                   llvm::StringRef name);
} // namespace fsdp

#endif // FSDP_PASSES_SUPPORT_DTYPES_H
