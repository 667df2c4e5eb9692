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

def Train_RangeArrayAttr : TypedArrayAttrBase<Train_RangeAttr, "ranges">;

def Train_FlatUpdateOp : Train_PureOp<"flat_update", [AttrSizedOperandSegments]> {
  let summary = "one step of an optimizer over one rank's flat shard";
  let description = [{
    p, g and states of shape [C], one state for each that the rules have, in
    their order; lr, step and clip scalars, `rank` an i64 scalar. Element i, whose place
    in the line is rank C + i (with `in_shard`: i), goes by the rule of the
    first range that ends behind it; the last range holds all that are left.
    Results are the new p and the new states, computed in place, and, where it
    is asked for, p rounded to another type, which the next step gathers. g may
    be in half precision, and is multiplied by `clip` where that is given.

    Where rules round their states (`#train.rounded`), `seed`, an i64 scalar,
    is the run's and `keys` holds the key of each range's parameter; element i
    of a range that begins at place b and has the stride s is the parameter's
    element rank s + i - b.

    ```mlir
    %q, %b = train.flat_update (%p, %g states %m lr %lr rank %r)
      [#train.range<end = 500, rule = #train.sgd<momentum = 0.9, decay = 0.1>>,
       #train.range<end = 1003, rule = #train.sgd<momentum = 0.9, decay = 0.0>>]
      : (tensor<1003xf32>, tensor<1003xf32>, tensor<1003xf32>, tensor<f32>,
         tensor<i64>) -> (tensor<1003xf32>, tensor<1003xf32>)
    ```

    **Constraints**
    - (flat_update_c1) there is a range, their ends do not descend and their rules have
      the same states, and are not factored.
    - (flat_update_c2) there is an operand for each state, and `step` where a
      rule reads it.
    - (flat_update_c3) states have p's type or that which the rules round them
      to, and results those of p and the states; g and the last result, where
      there is one more, have p's shape, which has one dimension.
    - (flat_update_c4) where the rules round, and only there, p is of f32, there
      are a step, a seed, as many i64 keys as ranges, and each range has a
      stride.
  }];
  let args = (ins Onnx_FloatTensor:$p, Onnx_FloatTensor:$g,
      Variadic<Onnx_FloatTensor>:$states, Train_Scalar:$lr,
      Optional<Train_Scalar>:$step, Optional<Train_Scalar>:$clip,
      Onnx_IntTensor:$rank, Optional<Onnx_IntTensor>:$seed,
      Optional<Onnx_IntTensor>:$keys, Train_RangeArrayAttr:$ranges,
      UnitAttr:$in_shard);
  let results = (outs Variadic<Onnx_FloatTensor>:$updated);
  let assemblyFormat = [{
    `(` $p `,` $g (`states` $states^)? `lr` $lr (`step` $step^)?
    (`clip` $clip^)? `rank` $rank (`seed` $seed^)? (`keys` $keys^)? `)` $ranges
    attr-dict
    `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    /// Whether the last result is p in another type.
    bool hasSource() { return getUpdated().size() > getStates().size() + 1; }
    ::fsdp::train::OptimizerRule getRule(size_t range) {
      return ::llvm::cast<RangeAttr>(getRanges()[range]).getRule();
    }
  }];
  let hasVerifier = 1;
}

def Train_FlatFillOp : Train_PureOp<"flat_fill"> {
  let summary = "a number in every element of a flat shard";
  let args = (ins F64Attr:$value);
  let results = (outs Onnx_FloatTensor:$y);
  let assemblyFormat = "$value attr-dict `:` type($y)";
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
