//===- Onnx.h - The onnx dialect --------------------------------*- C++ -*-===//
#ifndef FSDP_DIALECTS_ONNX_ONNX_H
#define FSDP_DIALECTS_ONNX_ONNX_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace fsdp::onnx {
/// The parameters of the model, as a resource that ops read and write.
struct ParameterResource
    : public mlir::SideEffects::Resource::Base<ParameterResource> {
  llvm::StringRef getName() final { return "Parameter"; }
};

/// The scope ("model.layers.0.mlp") of an `onnx` or `train` op, "" when it has
/// none.
llvm::StringRef getScope(mlir::Operation *op);

/// The type that sums and statistics of `element`s are kept in: f32 for half
/// precision, else its own.
mlir::Type statisticsType(mlir::Type element);

/// Shape of `a` and `b` broadcast as in ONNX (aligned at the right, extents of
/// 1 stretched); fails when they do not agree.
mlir::FailureOr<llvm::SmallVector<int64_t>>
broadcastShapes(llvm::ArrayRef<int64_t> a, llvm::ArrayRef<int64_t> b);

/// Type of the product of these operands in their element type; fails with a
/// message at `loc` where they break a rule of `onnx.matmul`.
mlir::FailureOr<mlir::RankedTensorType>
inferMatMul(std::optional<mlir::Location> loc, mlir::Value lhs, mlir::Value rhs,
            bool transA, bool transB);

/// Types of y, max and sum of an attention over these operands (`mask` may be
/// null); fails with a message at `loc` where they break a rule of
/// `onnx.attention`.
mlir::FailureOr<llvm::SmallVector<mlir::Type>>
inferAttention(std::optional<mlir::Location> loc, mlir::Value q, mlir::Value k,
               mlir::Value v, mlir::Value mask, bool causal);
} // namespace fsdp::onnx

#include "dialects/Onnx/OnnxInterfaces.h.inc"

#include "dialects/Onnx/OnnxDialect.h.inc"

#define GET_OP_CLASSES
#include "dialects/Onnx/OnnxOps.h.inc"

#endif // FSDP_DIALECTS_ONNX_ONNX_H
