//===- OnnxInterfaces.td - Reverse-mode differentiation ----*- tablegen -*-===//
#ifndef FSDP_DIALECTS_ONNX_INTERFACES
#define FSDP_DIALECTS_ONNX_INTERFACES

include "mlir/IR/OpBase.td"

def DifferentiableOpInterface : OpInterface<"DifferentiableOpInterface"> {
  let cppNamespace = "::fsdp::onnx";
  let description = [{
    An op whose vector-Jacobian product can be written with `onnx` and `train`
    ops. An op of these dialects without it is not differentiable.
  }];
  let methods = [
    InterfaceMethod<[{
      Appends to `inputGrads` one value for each operand: the gradient of the
      loss with respect to it, of the operand's own type, or null where the
      operand has none (integer operands) or `wanted[i]` is false.
      `outputGrads` has one entry a result; null means zero, and at least one
      is not null. New ops are built at `builder`'s insertion point with this
      op's scope. Fails, with an error on the op, where the gradient is not
      defined for this use.
    }],
    "::llvm::LogicalResult", "buildGradients",
    (ins "::mlir::OpBuilder &":$builder,
         "::mlir::ValueRange":$outputGrads,
         "::llvm::ArrayRef<bool>":$wanted,
         "::llvm::SmallVectorImpl<::mlir::Value> &":$inputGrads)>
  ];
}

def ElementwiseOpInterface : OpInterface<"ElementwiseOpInterface"> {
  let cppNamespace = "::fsdp::onnx";
  let description = [{
    An op with one result whose every element depends on the operands' elements
    at the same place (ONNX broadcasting: shapes aligned at the right, extents
    of 1 stretched).
  }];
  let methods = [
    InterfaceMethod<[{
      Emits the computation of one element: `args` are the operands' scalars,
      `resultType` the result's element type; returns the scalar result
      (arith and math ops).
    }],
    "::mlir::Value", "emitScalar",
    (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
         "::mlir::ValueRange":$args, "::mlir::Type":$resultType)>
  ];
}

#endif
