//===- OnnxMath.td - Elementwise operators -----------------*- tablegen -*-===//

class Onnx_ElementwiseOp<string mnemonic, bit differentiable>
    : Onnx_InferredOp<mnemonic, !listconcat(
        [DeclareOpInterfaceMethods<ElementwiseOpInterface>],
        !if(differentiable,
            [DeclareOpInterfaceMethods<DifferentiableOpInterface>], []<Trait>))>;

class Onnx_Unary<string mnemonic, string formula, bit differentiable = 1,
                 TypeConstraint type = Onnx_FloatTensor>
    : Onnx_ElementwiseOp<mnemonic, differentiable> {
  let summary = "elementwise y = " # formula;
  let args = (ins type:$x);
  let results = (outs type:$y);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($y)";
  let hasFolder = 1;
}

def Onnx_NegOp : Onnx_Unary<"neg", "-x", 1, Onnx_Tensor>;
def Onnx_AbsOp : Onnx_Unary<"abs", "|x| (gradient 0 at 0)", 1, Onnx_Tensor>;
def Onnx_ExpOp : Onnx_Unary<"exp", "e^x">;
def Onnx_LogOp : Onnx_Unary<"log", "ln x">;
def Onnx_SqrtOp : Onnx_Unary<"sqrt", "x^(1/2)">;
def Onnx_ReciprocalOp : Onnx_Unary<"reciprocal", "1 / x">;
def Onnx_SinOp : Onnx_Unary<"sin", "sin x">;
def Onnx_CosOp : Onnx_Unary<"cos", "cos x">;
def Onnx_TanhOp : Onnx_Unary<"tanh", "tanh x">;
def Onnx_SigmoidOp : Onnx_Unary<"sigmoid", "1 / (1 + e^-x)">;
def Onnx_ErfOp : Onnx_Unary<"erf", "erf x">;
def Onnx_ReluOp : Onnx_Unary<"relu", "max(x, 0)">;
def Onnx_NotOp : Onnx_Unary<"not", "not x", 0, Onnx_BoolTensor>;

def Onnx_GeluOp : Onnx_ElementwiseOp<"gelu", 1> {
  let summary = "Gaussian error linear unit";
  let description = [{
    y = x/2 (1 + erf(x / sqrt 2)); with `tanh`
    y = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
  }];
  let args = (ins Onnx_FloatTensor:$x, UnitAttr:$tanh);
  let results = (outs Onnx_FloatTensor:$y);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($y)";
}

class Onnx_Binary<string mnemonic, string formula, bit differentiable = 1,
                  TypeConstraint result = Onnx_Tensor>
    : Onnx_ElementwiseOp<mnemonic, differentiable> {
  let summary = "elementwise y = " # formula # ", with broadcasting";
  let args = (ins Onnx_Tensor:$lhs, Onnx_Tensor:$rhs);
  let results = (outs result:$y);
  let assemblyFormat =
      "$lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs) `->` type($y)";
  let hasFolder = 1;
}

def Onnx_AddOp : Onnx_Binary<"add", "a + b">;
def Onnx_SubOp : Onnx_Binary<"sub", "a - b">;
def Onnx_MulOp : Onnx_Binary<"mul", "a b">;
def Onnx_DivOp : Onnx_Binary<"div", "a / b (integers round toward zero)">;
def Onnx_PowOp : Onnx_Binary<"pow", "a^b">;
def Onnx_MaxOp : Onnx_Binary<"max", "max(a, b); ties share the gradient">;
def Onnx_MinOp : Onnx_Binary<"min", "min(a, b); ties share the gradient">;
def Onnx_AndOp : Onnx_Binary<"and", "a and b", 0, Onnx_BoolTensor>;
def Onnx_OrOp : Onnx_Binary<"or", "a or b", 0, Onnx_BoolTensor>;
def Onnx_EqualOp : Onnx_Binary<"equal", "a = b", 0, Onnx_BoolTensor>;
def Onnx_LessOp : Onnx_Binary<"less", "a < b", 0, Onnx_BoolTensor>;
def Onnx_LessOrEqualOp
    : Onnx_Binary<"less_or_equal", "a <= b", 0, Onnx_BoolTensor>;
def Onnx_GreaterOp : Onnx_Binary<"greater", "a > b", 0, Onnx_BoolTensor>;
def Onnx_GreaterOrEqualOp
    : Onnx_Binary<"greater_or_equal", "a >= b", 0, Onnx_BoolTensor>;

def Onnx_WhereOp : Onnx_ElementwiseOp<"where", 1> {
  let summary = "elementwise y = condition ? a : b, with broadcasting";
  let args = (ins Onnx_BoolTensor:$condition, Onnx_Tensor:$lhs,
                  Onnx_Tensor:$rhs);
  let results = (outs Onnx_Tensor:$y);
  let assemblyFormat = [{
    $condition `,` $lhs `,` $rhs attr-dict
    `:` type($condition) `,` type($lhs) `,` type($rhs) `->` type($y)
  }];
  let hasFolder = 1;
}

def Onnx_CastOp : Onnx_PureOp<"cast", [
    DeclareOpInterfaceMethods<ElementwiseOpInterface>,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "elementwise conversion to the result's element type";
  let args = (ins Onnx_Tensor:$x);
  let results = (outs Onnx_Tensor:$y);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($y)";
  let hasFolder = 1;
  let hasVerifier = 1;
}
