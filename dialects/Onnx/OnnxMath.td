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
def Onnx_TanOp : Onnx_Unary<"tan", "tan x">;
def Onnx_AsinOp : Onnx_Unary<"asin", "arcsin x">;
def Onnx_AcosOp : Onnx_Unary<"acos", "arccos x">;
def Onnx_AtanOp : Onnx_Unary<"atan", "arctan x">;
def Onnx_SinhOp : Onnx_Unary<"sinh", "sinh x">;
def Onnx_CoshOp : Onnx_Unary<"cosh", "cosh x">;
def Onnx_AsinhOp : Onnx_Unary<"asinh", "arsinh x">;
def Onnx_AcoshOp : Onnx_Unary<"acosh", "arcosh x">;
def Onnx_AtanhOp : Onnx_Unary<"atanh", "artanh x">;
def Onnx_Expm1Op : Onnx_Unary<"expm1", "e^x - 1, exact near 0">;
def Onnx_Log1pOp : Onnx_Unary<"log1p", "ln(1 + x), exact near 0">;
def Onnx_TanhOp : Onnx_Unary<"tanh", "tanh x">;
def Onnx_SigmoidOp : Onnx_Unary<"sigmoid", "1 / (1 + e^-x)">;
def Onnx_ErfOp : Onnx_Unary<"erf", "erf x">;
def Onnx_ReluOp : Onnx_Unary<"relu", "max(x, 0)">;
def Onnx_SoftplusOp
    : Onnx_Unary<"softplus", "ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|)">;
def Onnx_FloorOp : Onnx_Unary<"floor", "floor x (gradient 0)">;
def Onnx_CeilOp : Onnx_Unary<"ceil", "ceil x (gradient 0)">;
def Onnx_RoundOp
    : Onnx_Unary<"round", "the nearest whole number, halves to even (gradient 0)">;
def Onnx_SignOp : Onnx_Unary<"sign", "-1, 0 or 1; 0 of NaN (gradient 0)", 1,
                             Onnx_Tensor>;
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
def Onnx_DivOp : Onnx_Binary<"div", "a / b (integers round toward zero; 0 for b = 0)">;
def Onnx_PowOp : Onnx_Binary<"pow", "a^b">;
def Onnx_ModOp
    : Onnx_Binary<"mod", "a - b floor(a / b), of b's sign (integers: 0 for b = 0)">;
def Onnx_FModOp
    : Onnx_Binary<"fmod", "a - b trunc(a / b), of a's sign (integers: 0 for b = 0)">;
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
