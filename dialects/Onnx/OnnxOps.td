//===- OnnxOps.td - Operators ------------------------------*- tablegen -*-===//
#ifndef FSDP_DIALECTS_ONNX_OPS
#define FSDP_DIALECTS_ONNX_OPS

include "mlir/IR/SymbolInterfaces.td"
include "dialects/Onnx/OnnxBase.td"
include "dialects/Onnx/OnnxMath.td"
include "dialects/Onnx/OnnxTensor.td"
include "dialects/Onnx/OnnxIndex.td"
include "dialects/Onnx/OnnxNN.td"
include "dialects/Onnx/OnnxModel.td"

#endif
