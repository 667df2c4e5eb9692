//===- OnnxBase.td - Dialect, types and base classes -------*- tablegen -*-===//
#ifndef FSDP_DIALECTS_ONNX_ONNXBASE
#define FSDP_DIALECTS_ONNX_ONNXBASE

include "mlir/IR/OpBase.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "dialects/Onnx/OnnxInterfaces.td"

def Onnx_Dialect : Dialect {
  let name = "onnx";
  let cppNamespace = "::fsdp::onnx";
  let summary = "what the model computes: ONNX semantics on static tensors";
  let description = [{
    One canonical form per operator: newest ONNX semantics, axes and
    permutations as attributes, static shapes, no optional input left implicit.
    Operators that only rearrange shapes or build masks are folded at import;
    compounds (Gemm, RMSNormalization, Attention, RotaryEmbedding) are imported
    as their parts, so that gradients, casts and fusion see one small set. What
    one kernel computes in fewer passes is found again whoever wrote it
    (`--train-form-attention`, `--train-form-norms`).

    Every op carries `scope`, the path of the module it came from
    (`model.layers.0.mlp`): units, recomputation and reports are decided by it.
    Gradients stand beside the ops as an interface
    (`DifferentiableOpInterface`).
  }];
  let hasConstantMaterializer = 1;
}

def Onnx_Float : AnyTypeOf<[F32, F64, BF16, F16]>;
def Onnx_Element : AnyTypeOf<[F32, F64, BF16, F16, I64, I32, I8, I1]>;
def Onnx_Tensor : StaticShapeTensorOf<[F32, F64, BF16, F16, I64, I32, I8, I1]>;
def Onnx_FloatTensor : StaticShapeTensorOf<[F32, F64, BF16, F16]>;
def Onnx_IntTensor : StaticShapeTensorOf<[I64, I32]>;
def Onnx_BoolTensor : StaticShapeTensorOf<[I1]>;

class Onnx_Op<string mnemonic, list<Trait> traits = []>
    : Op<Onnx_Dialect, mnemonic, traits> {
  /// The op's own arguments; `scope` is appended for all.
  dag args = (ins);
  let arguments = !con(args, (ins DefaultValuedAttr<StrAttr, "\"\"">:$scope));
}

def Onnx_ParameterResource : Resource<"::fsdp::onnx::ParameterResource">;

/// A pure op on tensors.
class Onnx_PureOp<string mnemonic, list<Trait> traits = []>
    : Onnx_Op<mnemonic, !listconcat([Pure], traits)>;

/// A pure op whose result type follows from operands and attributes: written
/// in the IR as well, and verified to agree.
class Onnx_InferredOp<string mnemonic, list<Trait> traits = []>
    : Onnx_PureOp<mnemonic,
        !listconcat([DeclareOpInterfaceMethods<InferTypeOpInterface>], traits)>;

/// An inferred op that sums floats: half-precision operands may have an f32
/// result, which is then not rounded.
class Onnx_SummingOp<string mnemonic, list<Trait> traits = []>
    : Onnx_InferredOp<mnemonic, traits> {
  let extraClassDeclaration = [{
    static bool isCompatibleReturnTypes(::mlir::TypeRange inferred,
                                        ::mlir::TypeRange actual);
  }];
}

#endif
