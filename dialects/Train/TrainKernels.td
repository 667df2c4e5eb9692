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
    tensor after the other, are cut into blocks of `block` elements, by default
    ceil(N / P), N their number. A scalar is the sum of all.

    **Constraints**
    - (sum_of_squares_c1) P blocks hold all elements: N <= P block.
  }];
  let args = (ins Variadic<Onnx_FloatTensor>:$xs, OptionalAttr<I64Attr>:$block);
  let results = (outs StaticShapeTensorOf<[F64]>:$sum);
  let assemblyFormat = "$xs attr-dict `:` type($xs) `->` type($sum)";
  let hasVerifier = 1;
}

def Train_ReducePartsOp : Train_PureOp<"reduce_parts"> {
  let summary = "a sum or maximum, in parts that may be computed apart";
  let description = [{
    The N elements of x that make one result, in row-major order over `axes`, are
    cut into parts of `size`; y[p, ...] is the sum of part p (with `max`, the
    maximum), divided by `divisor`. So two of them are an `onnx.reduce_sum`, mean
    or max with as many iterations as the parts, in an order that depends on
    shapes alone: the second adds the parts of the first, along axis 0, as one
    part. Sums of floats are taken in f64 over rows and rounded once to y's type.
    Made by `--kernel-split-reductions`.

    ```mlir
    %p = train.reduce_parts %x [0, 1] size 64 : tensor<8x512x768xbf16> -> tensor<64x768xf64>
    %y = train.reduce_parts %p [0] size 64 : tensor<64x768xf64> -> tensor<1x768xbf16>
    ```

    **Constraints**
    - (reduce_parts_c1) axes are at least one, neighbours, in order.
    - (reduce_parts_c2) y has ceil(N / size) parts in its first dimension, each
      of as many elements as x keeps; a single part needs no dimension. size and
      divisor are at least 1.
    - (reduce_parts_c3) x and y are both of floats, or of one element type.
  }];
  let args = (ins Onnx_Tensor:$x, DenseI64ArrayAttr:$axes, I64Attr:$size,
                  DefaultValuedAttr<I64Attr, "1">:$divisor, UnitAttr:$max);
  let results = (outs Onnx_Tensor:$y);
  let assemblyFormat = [{
    $x $axes `size` $size attr-dict `:` type($x) `->` type($y)
  }];
  let hasVerifier = 1;
}
