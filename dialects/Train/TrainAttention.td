//===- TrainAttention.td - Attention between products ------*- tablegen -*-===//
//
// What is left of `onnx.attention` and `train.attention_grad` where a library
// computes their products, for a block of rows of all heads. Made by planning.
//
//===----------------------------------------------------------------------===//

class Train_AttentionRowsBase<string mnemonic>
    : Train_PureOp<mnemonic> {
  let hasVerifier = 1;
}

def Train_AttentionRowsOp : Train_AttentionRowsBase<"attention_rows"> {
  let summary = "probabilities of a block of attention's rows";
  let description = [{
    `scores`, [B, H, R, C], are products of the rows [first, first + R) of q with
    the first C rows of k, in the precision of sums; q has `height` rows a head,
    k `width`. With s = scale scores + mask, a row each: max and sum as
    `onnx.attention` has them, p = e^(s - max) / sum. Where p's element type is
    narrower than scores', p = e^(s - max), rounded once, and
    `train.attention_divide` follows the product with v. `max` and `sum` are
    [B, H, R]. With `causal` row i of q sees columns
    j <= i + width - height, and p is 0 in the others.

    ```mlir
    %p, %max, %sum = train.attention_rows %s first 256 of 512 x 512
      scale 1.250000e-01 {causal} : (tensor<2x4x256x512xf32>)
      -> (tensor<2x4x256x512xbf16>, tensor<2x4x256xf32>, tensor<2x4x256xf32>)
    ```

    **Constraints**
    - (attention_rows_c1) scores have rank 4 and the element type of sums of p's,
      p their shape, max and sum that without the last dimension.
    - (attention_rows_c2) 0 <= first and first + R <= height; C is width, with
      causal first + R + width - height, and height <= width.
    - (attention_rows_c3) mask broadcasts to [B, H, height, width], of p's or of
      scores' element type.
  }];
  let args = (ins Onnx_FloatTensor:$scores, Optional<Onnx_FloatTensor>:$mask,
                  I64Attr:$first, I64Attr:$height, I64Attr:$width,
                  F64Attr:$scale, UnitAttr:$causal);
  let results = (outs Onnx_FloatTensor:$p, Onnx_FloatTensor:$max,
                      Onnx_FloatTensor:$sum);
  let assemblyFormat = [{
    $scores (`mask` $mask^)? `first` $first `of` $height `x` $width
    `scale` $scale attr-dict `:` functional-type(operands, results)
  }];
}

def Train_AttentionDivideOp : Train_AttentionRowsBase<"attention_divide"> {
  let summary = "attention's result out of sums that are not divided yet";
  let description = [{
    y = values / sum, rounded to its element type once, a row each: `values`,
    [B, H, S, D], are the products of v with the p of `train.attention_rows`,
    `sum` its sums. These lie block by block: those of the rows from r on, a
    multiple of `rows`, are a [B, H, min(rows, S - r)] at element B * H * r.

    Of equal probabilities each is rounded alike, so that rounding them after the
    division would move the whole row; e^(s - max) is 1 there, which is exact.

    ```mlir
    %y = train.attention_divide %values by %sum blocks 256
      : (tensor<2x4x512x64xf32>, tensor<2x4x512xf32>) -> tensor<2x4x512x64xbf16>
    ```

    **Constraints**
    - (attention_divide_c1) values have rank 4 and sum's element type, y their
      shape, sum that without the last dimension.
    - (attention_divide_c2) 1 <= rows <= S.
  }];
  let args = (ins Onnx_FloatTensor:$values, Onnx_FloatTensor:$sum,
                  I64Attr:$rows);
  let results = (outs Onnx_FloatTensor:$y);
  let assemblyFormat = [{
    $values `by` $sum `blocks` $rows attr-dict
    `:` functional-type(operands, results)
  }];
}

def Train_AttentionRowsGradOp : Train_AttentionRowsBase<"attention_rows_grad"> {
  let summary = "gradients of a block of attention's scores";
  let description = [{
    Operands and attributes as those of `train.attention_rows`, its max and sum,
    and dp = dy v^T of these rows. p = e^(s - max) / sum, rounded once, and
    ds = scale p (dp - sum(p dp)), a row each, with the p that is not rounded:
    then dq = ds k, dk = ds^T q, dv = p^T dy (see `train.attention_grad`).

    **Constraints**
    - (attention_rows_c1) to (attention_rows_c3); dp has scores' type, ds p's.
  }];
  let args = (ins Onnx_FloatTensor:$scores, Onnx_FloatTensor:$max,
                  Onnx_FloatTensor:$sum, Onnx_FloatTensor:$dp,
                  Optional<Onnx_FloatTensor>:$mask, I64Attr:$first,
                  I64Attr:$height, I64Attr:$width, F64Attr:$scale,
                  UnitAttr:$causal);
  let results = (outs Onnx_FloatTensor:$p, Onnx_FloatTensor:$ds);
  let assemblyFormat = [{
    $scores `saved` $max `,` $sum `grad` $dp (`mask` $mask^)?
    `first` $first `of` $height `x` $width
    `scale` $scale attr-dict `:` functional-type(operands, results)
  }];
}
