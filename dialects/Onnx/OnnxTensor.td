//===- OnnxTensor.td - Shapes, slices, gathers, reductions -*- tablegen -*-===//

def Onnx_TransposeOp : Onnx_InferredOp<"transpose", [
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "permutes dimensions: y's dimension i is x's perm[i]";
  let args = (ins Onnx_Tensor:$x, DenseI64ArrayAttr:$perm);
  let results = (outs Onnx_Tensor:$y);
  let assemblyFormat = "$x $perm attr-dict `:` type($x) `->` type($y)";
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}

def Onnx_ReshapeOp : Onnx_PureOp<"reshape", [
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "the same elements in C order under the result's shape";
  let args = (ins Onnx_Tensor:$x);
  let results = (outs Onnx_Tensor:$y);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($y)";
  let hasFolder = 1;
  let hasVerifier = 1;
}

def Onnx_StopGradientOp : Onnx_PureOp<"stop_gradient", [
    SameOperandsAndResultType]> {
  let summary = "x, through which no gradient flows";
  let description = [{
    PyTorch's `detach`: y is x, and the loss does not depend on x through y.
    Parameters that the loss reaches only this way get no gradient and are not
    updated. `--train-build-backward` reads it and puts x in its place.
  }];
  let args = (ins Onnx_FloatTensor:$x);
  let results = (outs Onnx_FloatTensor:$y);
  let assemblyFormat = "$x attr-dict `:` type($x)";
  let hasFolder = 1;
}

def Onnx_ExpandOp : Onnx_PureOp<"expand", [
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "broadcasts to the result's shape (aligned at the right)";
  let args = (ins Onnx_Tensor:$x);
  let results = (outs Onnx_Tensor:$y);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($y)";
  let hasFolder = 1;
  let hasVerifier = 1;
}

def Onnx_SliceOp : Onnx_PureOp<"slice", [
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "y[i] = x[starts + i * steps], every dimension given";
  let description = [{
    `starts` and `steps` have one entry a dimension, already clamped;
    steps may be negative; the extents are the result's.
  }];
  let args = (ins Onnx_Tensor:$x, DenseI64ArrayAttr:$starts,
                  DenseI64ArrayAttr:$steps);
  let results = (outs Onnx_Tensor:$y);
  let assemblyFormat =
      "$x `from` $starts `by` $steps attr-dict `:` type($x) `->` type($y)";
  let hasFolder = 1;
  let hasVerifier = 1;
}

def Onnx_PadOp : Onnx_PureOp<"pad", [
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "places x in a larger tensor: y[low + i * steps] = x[i]";
  let description = [{
    Other elements are `value`. With steps of 1 it is ONNX Pad in constant
    mode; any slice's gradient is a pad with value 0. `low` may be negative
    (elements outside are dropped).
  }];
  let args = (ins Onnx_Tensor:$x, DenseI64ArrayAttr:$low,
                  DenseI64ArrayAttr:$steps, F64Attr:$value);
  let results = (outs Onnx_Tensor:$y);
  let assemblyFormat =
      "$x `at` $low `by` $steps `value` $value attr-dict `:` type($x) `->` type($y)";
  let hasVerifier = 1;
}

def Onnx_ConcatOp : Onnx_InferredOp<"concat", [
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "joins tensors along one axis";
  let args = (ins Variadic<Onnx_Tensor>:$inputs, I64Attr:$axis);
  let results = (outs Onnx_Tensor:$y);
  let assemblyFormat =
      "$inputs `axis` $axis attr-dict `:` type($inputs) `->` type($y)";
  let hasFolder = 1;
}

def Onnx_SplitOp : Onnx_PureOp<"split", [
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "cuts along one axis into the results' extents";
  let args = (ins Onnx_Tensor:$x, I64Attr:$axis);
  let results = (outs Variadic<Onnx_Tensor>:$ys);
  let assemblyFormat = "$x `axis` $axis attr-dict `:` type($x) `->` type($ys)";
  let hasVerifier = 1;
}

class Onnx_Reduce<string mnemonic, string what>
    : Onnx_SummingOp<mnemonic,
        [DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = what # " over `axes`";
  let description = [{
    With `keepdims` the reduced dimensions stay with extent 1. Means of integers
    round toward zero.

    **Constraints**
    - (reduce_c1) `axes` are sorted, unique and not negative.
    - (reduce_c2) i1 has a maximum alone.
  }];
  let args = (ins Onnx_Tensor:$x, DenseI64ArrayAttr:$axes, BoolAttr:$keepdims);
  let results = (outs Onnx_Tensor:$y);
  let assemblyFormat = "$x $axes `keepdims` $keepdims attr-dict `:` type($x) `->` type($y)";
  let hasFolder = 1;
}
def Onnx_ReduceSumOp : Onnx_Reduce<"reduce_sum", "sum">;
def Onnx_ReduceMeanOp : Onnx_Reduce<"reduce_mean", "mean">;
def Onnx_ReduceMaxOp
    : Onnx_Reduce<"reduce_max", "maximum (ties share the gradient evenly)">;
