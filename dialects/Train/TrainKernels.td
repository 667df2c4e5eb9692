//===- TrainKernels.td - Fusion groups and flat updates ----*- tablegen -*-===//

def Train_KernelOp : Train_Op<"kernel", [
    IsolatedFromAbove, Pure,
    SingleBlockImplicitTerminator<"::fsdp::train::YieldOp">]> {
  let summary = "ops compiled to one kernel";
  let description = [{
    A group of pure `onnx` and `train` ops that one loop nest computes. The
    region's arguments are the operands; it yields the results. `name` is for
    people; equal regions share one compiled kernel whatever their names.
  }];
  let args = (ins StrAttr:$name, Variadic<Onnx_Tensor>:$inputs);
  let results = (outs Variadic<Onnx_Tensor>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $name `(` $inputs `)` attr-dict `:` functional-type($inputs, $outputs)
    $body
  }];
  let hasVerifier = 1;
}

def Train_YieldOp : Op<Train_Dialect, "yield",
    [Pure, ReturnLike, Terminator, HasParent<"KernelOp">]> {
  let summary = "the results of a kernel";
  let arguments = (ins Variadic<Onnx_Tensor>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
  let builders = [OpBuilder<(ins), "/* no values */">];
}

def Train_LinearOp : Train_PureOp<"linear", [AttrSizedOperandSegments]> {
  let summary = "a matrix product with what is added to it, by the library";
  let description = [{
    y = op(lhs) op(rhs) + bias + residual, the product as `onnx.matmul`'s; bias
    has y's last extent and that many elements, residual y's type. Sums are in
    f32, rounded once. Made by `--kernel-fold-adds`.

    **Constraints**
    - (linear_c1) lhs and rhs are operands of an `onnx.matmul` (matmul_c1 to
      c3), y has its result's type.
    - (linear_c2) bias has the operands' element type, y's last extent and as
      many elements.
    - (linear_c3) residual has y's type.
  }];
  let args = (ins Onnx_FloatTensor:$lhs, Onnx_FloatTensor:$rhs,
      Optional<Onnx_FloatTensor>:$bias, Optional<Onnx_FloatTensor>:$residual,
      UnitAttr:$transA, UnitAttr:$transB);
  let results = (outs Onnx_FloatTensor:$y);
  let assemblyFormat = [{
    $lhs `,` $rhs (`bias` $bias^)? (`residual` $residual^)? attr-dict
    `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Train_FlatAdamWOp : Train_PureOp<"flat_adamw"> {
  let summary = "AdamW over one rank's flat shard";
  let description = [{
    p, g, exp_avg, exp_avg_sq of shape [C]; lr, step, clip scalars; `rank` an
    i64 scalar. The rule is `#train.adamw`'s; its decay applies to the elements
    whose place in the line, rank C + i, is below `decay_elements` (with
    `decay_in_shard`: whose place i in the shard is), the others decay by 0. Results are the new p, exp_avg, exp_avg_sq, computed in place;
    and, where `source` is asked for, p rounded to its type, which the next step
    gathers. g may be in half precision.
  }];
  let args = (ins Onnx_FloatTensor:$p, Onnx_FloatTensor:$g,
      Onnx_FloatTensor:$m, Onnx_FloatTensor:$v, Train_Scalar:$lr,
      Train_Scalar:$step, Optional<Train_Scalar>:$clip, Onnx_IntTensor:$rank,
      Train_AdamWAttr:$rule, I64Attr:$decay_elements, UnitAttr:$decay_in_shard);
  let results = (outs Onnx_FloatTensor:$new_p, Onnx_FloatTensor:$new_m,
                      Onnx_FloatTensor:$new_v,
                      Optional<Onnx_FloatTensor>:$source);
  let assemblyFormat = [{
    `(` operands `)` $rule `decay_elements` $decay_elements attr-dict
    `:` functional-type(operands, results)
  }];
}

def Train_FlatSgdOp : Train_PureOp<"flat_sgd",
    [AttrSizedOperandSegments, AttrSizedResultSegments]> {
  let summary = "SGD over one rank's flat shard";
  let description = [{
    As `train.flat_adamw`, by `#train.sgd`; the momentum buffer is there if and
    only if momentum is not 0.
  }];
  let args = (ins Onnx_FloatTensor:$p, Onnx_FloatTensor:$g,
      Optional<Onnx_FloatTensor>:$momentum_buffer, Train_Scalar:$lr,
      Optional<Train_Scalar>:$clip, Onnx_IntTensor:$rank, Train_SgdAttr:$rule,
      I64Attr:$decay_elements, UnitAttr:$decay_in_shard);
  let results = (outs Onnx_FloatTensor:$new_p,
                      Optional<Onnx_FloatTensor>:$new_momentum_buffer,
                      Optional<Onnx_FloatTensor>:$source);
  let assemblyFormat = [{
    `(` operands `)` $rule `decay_elements` $decay_elements attr-dict
    `:` functional-type(operands, results)
  }];
}

def Train_SumOfSquaresOp : Train_PureOp<"sum_of_squares"> {
  let summary = "sum of the squares of all elements, in f64";
  let description = [{
    A result of P elements has the sums over P blocks: the elements of `xs`, one
    tensor after the other, are cut into blocks of ceil(N / P), N their number.
    A scalar is the sum of all.
  }];
  let args = (ins Variadic<Onnx_FloatTensor>:$xs);
  let results = (outs StaticShapeTensorOf<[F64]>:$sum);
  let assemblyFormat = "$xs attr-dict `:` type($xs) `->` type($sum)";
}
