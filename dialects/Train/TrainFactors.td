//===- TrainFactors.td - Updates by factored moments -------*- tablegen -*-===//
//
// One step of a line whose rules are factored is these four, in this order,
// with a sum over the ranks behind the first and the third.

def Train_PieceArrayAttr : TypedArrayAttrBase<Train_PieceAttr, "pieces">;

def Train_FactorSumsOp : Train_PureOp<"factor_sums"> {
  let summary = "a rank's sums of squares by row, by column and by block";
  let description = [{
    Of a shard p and its gradient g, [C], times `clip` where that is given:
    first, in the order of the factors of all pieces, the sum of the squares of
    g of each row and column; then for each piece the sums of the squares of p
    in the blocks of kFactorBlock elements of the shard, ceil(C / kFactorBlock)
    a piece. In f64.

    ```mlir
    %s = train.factor_sums (%p, %g rank %r) [#train.piece<...>]
      : (tensor<48xf32>, tensor<48xf32>, tensor<i64>) -> tensor<13xf64>
    ```

    **Constraints**
    - (factor_sums_c1) p and g have one shape of one dimension, which ends
      behind every piece, and pieces stand in the order of their offsets; sums
      are as many as said.
  }];
  let args = (ins Onnx_FloatTensor:$p, Onnx_FloatTensor:$g,
      Optional<Train_Scalar>:$clip, Onnx_IntTensor:$rank,
      Train_PieceArrayAttr:$pieces);
  let results = (outs 1DTensorOf<[F64]>:$sums);
  let assemblyFormat = [{
    `(` $p `,` $g (`clip` $clip^)? `rank` $rank `)` $pieces attr-dict
    `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Train_FactorStatesOp : Train_PureOp<"factor_states",
    [AllTypesMatch<["factors", "updated"]>]> {
  let summary = "factored moments after the step";
  let description = [{
    The factors of all pieces, from all ranks' `train.factor_sums`, as
    `#train.adafactor` says; in place.

    **Constraints**
    - (factor_states_c1) factors have one dimension, as many as the pieces have,
      and sums are at least as many.
  }];
  let args = (ins Onnx_FloatTensor:$factors, 1DTensorOf<[F64]>:$sums,
      Train_Scalar:$step, Train_PieceArrayAttr:$pieces);
  let results = (outs Onnx_FloatTensor:$updated);
  let assemblyFormat = [{
    `(` $factors `,` $sums `step` $step `)` $pieces attr-dict
    `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Train_FactorSquaresOp : Train_PureOp<"factor_squares"> {
  let summary = "a rank's sums of the squares of an update before it is clipped";
  let description = [{
    For each piece, in the blocks of `train.factor_sums`, the sums of u^2
    (`#train.adafactor`), from the factors after the step. In f64.

    **Constraints**
    - (factor_squares_c1) g has one dimension, which ends behind every piece;
      factors and squares are as many as the pieces have.
  }];
  let args = (ins Onnx_FloatTensor:$g, Onnx_FloatTensor:$factors,
      Optional<Train_Scalar>:$clip, Onnx_IntTensor:$rank,
      Train_PieceArrayAttr:$pieces);
  let results = (outs 1DTensorOf<[F64]>:$squares);
  let assemblyFormat = [{
    `(` $g `factors` $factors (`clip` $clip^)? `rank` $rank `)` $pieces
    attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Train_FactorUpdateOp : Train_PureOp<"factor_update",
    [AttrSizedOperandSegments]> {
  let summary = "one step over one rank's flat shard by factored moments";
  let description = [{
    As `train.flat_update`, with the factors after the step and all ranks' sums
    and squares, in place. What is in no piece keeps its values.

    **Constraints**
    - (factor_update_c1) p, g, factors, sums and squares as the three ops before
      have them.
    - (factor_update_c2) states are those that the rules have for each element;
      states and results have p's type, the last result, where there is one
      more, its shape.
  }];
  let args = (ins Onnx_FloatTensor:$p, Onnx_FloatTensor:$g,
      Variadic<Onnx_FloatTensor>:$states, Onnx_FloatTensor:$factors,
      1DTensorOf<[F64]>:$sums, 1DTensorOf<[F64]>:$squares, Train_Scalar:$lr,
      Train_Scalar:$step, Optional<Train_Scalar>:$clip, Onnx_IntTensor:$rank,
      Train_PieceArrayAttr:$pieces);
  let results = (outs Variadic<Onnx_FloatTensor>:$updated);
  let assemblyFormat = [{
    `(` $p `,` $g (`states` $states^)? `factors` $factors `sums` $sums `,`
    $squares `lr` $lr `step` $step (`clip` $clip^)? `rank` $rank `)` $pieces
    attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}
