//===- OnnxNN.td - Products, normalisation, softmax, loss --*- tablegen -*-===//

def Onnx_MatMulOp : Onnx_SummingOp<"matmul", [
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "batched matrix product";
  let description = [{
    numpy's matmul for operands of rank 2 and more: [..., M, K] x [..., K, N],
    leading dimensions broadcast. `transA` and `transB` exchange the last two
    dimensions of an operand first: a transposed weight costs nothing.
    (Vectors are imported with a reshape.) The product of bf16 operands is
    summed in f32 and rounded once; with a result in f32 it is not rounded.

    **Constraints**
    - (matmul_c1) both operands have rank >= 2 and one element type.
    - (matmul_c2) the contracted extents are equal.
    - (matmul_c3) leading extents are equal or 1.
  }];
  let args = (ins Onnx_FloatTensor:$lhs, Onnx_FloatTensor:$rhs,
                  UnitAttr:$transA, UnitAttr:$transB);
  let results = (outs Onnx_FloatTensor:$y);
  let assemblyFormat =
      "$lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs) `->` type($y)";
  let hasCanonicalizer = 1;
}

def Onnx_SoftmaxOp : Onnx_InferredOp<"softmax", [
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "softmax over the last dimension";
  let description = [{
    y = e^(x - max x) / sum e^(x - max x) a row. Other axes are imported with
    transposes. A row of -inf alone gives NaN, as in ONNX.
  }];
  let args = (ins Onnx_FloatTensor:$x);
  let results = (outs Onnx_FloatTensor:$y);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($y)";
}

def Onnx_AttentionOp : Onnx_InferredOp<"attention", [
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "softmax(scale q k^T + mask) v, without the matrix in memory";
  let description = [{
    q of shape [B, H, S, D], k [B, Hk, T, D], v [B, Hk, T, Dv]; head h of q
    reads head h / (H / Hk) of k and v (grouped queries). With
    s = scale q k^T + mask, a row of T scores each: max = max(s),
    sum = sum(e^(s - max)), y = e^(s - max) v / sum. `mask` is broadcast to
    [B, H, S, T]; with `causal` row i sees columns j <= i + T - S only. y of
    shape [B, H, S, Dv]; max and sum of shape [B, H, S] (f32 where q is in half
    precision, as is all arithmetic) are kept for the gradient, which computes the scores again (FlashAttention-2,
    arXiv 2307.08691, algorithms 1 and 2). The paper keeps max + log(sum): where
    a mask puts -3e38 on a whole row, that sum loses the logarithm.

    Scores of 128 rows at a time are kept in scratch. The op is made by
    `--train-form-attention`.

    ```mlir
    %y, %max, %sum = onnx.attention %q, %k, %v scale 1.250000e-01 {causal}
      : (tensor<2x4x16x8xf32>, tensor<2x2x16x8xf32>, tensor<2x2x16x8xf32>)
      -> (tensor<2x4x16x8xf32>, tensor<2x4x16xf32>, tensor<2x4x16xf32>)
    ```

    **Constraints**
    - (attention_c1) q, k and v have one element type and rank 4; the mask has
      it too, or the type of max and sum, which is f32 for half precision.
    - (attention_c2) k and v agree in B, Hk and T, q and k in B and D.
    - (attention_c3) H is a multiple of Hk.
    - (attention_c4) mask has rank <= 4 and broadcasts to [B, H, S, T].
    - (attention_c5) causal: S <= T, so that each row sees a column.
  }];
  let args = (ins Onnx_FloatTensor:$q, Onnx_FloatTensor:$k, Onnx_FloatTensor:$v,
                  Optional<Onnx_FloatTensor>:$mask, F64Attr:$scale,
                  UnitAttr:$causal);
  let results = (outs Onnx_FloatTensor:$y, Onnx_FloatTensor:$max,
                      Onnx_FloatTensor:$sum);
  let assemblyFormat = [{
    $q `,` $k `,` $v (`mask` $mask^)? `scale` $scale attr-dict
    `:` functional-type(operands, results)
  }];
}

def Onnx_LayerNormalizationOp : Onnx_InferredOp<"layer_normalization", [
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "layer normalisation over the last dimension";
  let description = [{
    y = (x - mean) rstd scale + bias, rstd = 1 / sqrt(var + epsilon), with
    biased variance. x of shape [..., D]; scale and bias (optional) of shape
    [D]; mean and rstd of shape [...] are kept for the gradient, in f32 where x
    is in half precision: so is all arithmetic.
  }];
  let args = (ins Onnx_FloatTensor:$x, Onnx_FloatTensor:$scale,
                  Optional<Onnx_FloatTensor>:$bias, F64Attr:$epsilon);
  let results = (outs Onnx_FloatTensor:$y, Onnx_FloatTensor:$mean,
                      Onnx_FloatTensor:$rstd);
  let assemblyFormat = [{
    $x `,` $scale (`,` $bias^)? `epsilon` $epsilon attr-dict
    `:` functional-type(operands, results)
  }];
}

def Onnx_RmsNormalizationOp : Onnx_InferredOp<"rms_normalization", [
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "root-mean-square normalisation over the last dimension";
  let description = [{
    y = x rstd scale, rstd = 1 / sqrt(mean(x^2) + epsilon) (arXiv 1910.07467).
    x of shape [..., D], scale of shape [D]; rstd of shape [...] is kept for the
    gradient, in f32 where x is in half precision: so is all arithmetic. The op
    is made by `--train-form-norms`.

    ```mlir
    %y, %rstd = onnx.rms_normalization %x, %scale epsilon 1.000000e-06
      : (tensor<2x8x64xf32>, tensor<64xf32>)
      -> (tensor<2x8x64xf32>, tensor<2x8xf32>)
    ```
  }];
  let args = (ins Onnx_FloatTensor:$x, Onnx_FloatTensor:$scale,
                  F64Attr:$epsilon);
  let results = (outs Onnx_FloatTensor:$y, Onnx_FloatTensor:$rstd);
  let assemblyFormat = [{
    $x `,` $scale `epsilon` $epsilon attr-dict
    `:` functional-type(operands, results)
  }];
}

def Onnx_SoftmaxCrossEntropyLossOp
    : Onnx_InferredOp<"softmax_cross_entropy_loss"> {
  let summary = "mean cross-entropy of logits against class labels";
  let description = [{
    logits of shape [..., V], labels of shape [...] in [0, V) or equal to
    `ignore_index`; the result is the mean over the labels not ignored
    (ONNX SoftmaxCrossEntropyLoss, reduction "mean", class axis moved last). It
    marks the loss of a model; the training step replaces it by
    `train.cross_entropy` with the mean over all ranks.
  }];
  let args = (ins Onnx_FloatTensor:$logits, Onnx_IntTensor:$labels,
                  I64Attr:$ignore_index);
  let results = (outs Onnx_FloatTensor:$loss);
  let assemblyFormat =
      "$logits `,` $labels `ignore` $ignore_index attr-dict `:` type($logits) `,` type($labels) `->` type($loss)";
}
