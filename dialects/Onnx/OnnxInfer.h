//===- OnnxInfer.h - The signature of type inference ------------*- C++ -*-===//
#ifndef FSDP_DIALECTS_ONNX_ONNXINFER_H
#define FSDP_DIALECTS_ONNX_ONNXINFER_H

#include "dialects/Onnx/Onnx.h"

#define INFER(OP)                                                              \
  llvm::LogicalResult OP::inferReturnTypes(                                    \
      mlir::MLIRContext *context, std::optional<mlir::Location> loc,           \
      mlir::ValueRange operands, mlir::DictionaryAttr attributes,              \
      mlir::OpaqueProperties properties, mlir::RegionRange regions,            \
      llvm::SmallVectorImpl<mlir::Type> &types)

#endif // FSDP_DIALECTS_ONNX_ONNXINFER_H
