//===- TrainGradients.td - Fused gradients and the loss ----*- tablegen -*-===//

def Train_SoftmaxGradOp : Train_PureOp<"softmax_grad",
    [AllTypesMatch<["y", "dy", "dx"]>]> {
  let summary = "dx = y (dy - sum(dy y)), a row along the last dimension";
  let args = (ins Onnx_FloatTensor:$y, Onnx_FloatTensor:$dy);
  let results = (outs Onnx_FloatTensor:$dx);
  let assemblyFormat = "$y `,` $dy attr-dict `:` type($dx)";
}

def Train_AttentionGradOp : Train_PureOp<"attention_grad",
    [AllTypesMatch<["q", "dq"]>, AllTypesMatch<["k", "dk"]>,
     AllTypesMatch<["v", "dv"]>]> {
  let summary = "gradients of attention with respect to q, k and v";
  let description = [{
    Operands and attributes as those of `onnx.attention`, and its saved max and
    sum. With s the scores, computed again, a row each:
    p = e^(s - max) / sum, dp = dy v^T, ds = p (dp - sum(p dp)),
    dq = scale ds k, dk = scale ds^T q, dv = p^T dy; dk and dv are summed over
    the heads of q that share them (FlashAttention-2, arXiv 2307.08691,
    algorithm 2; there sum(p dp) is written as sum(dy y), which would keep y
    alive).

    **Constraints**
    - (attention_grad_c1) q, k, v and mask are operands of an `onnx.attention`
      (attention_c1 to c5), max, sum and dy have its results' types.
  }];
  let args = (ins Onnx_FloatTensor:$q, Onnx_FloatTensor:$k, Onnx_FloatTensor:$v,
                  Onnx_FloatTensor:$max, Onnx_FloatTensor:$sum,
                  Onnx_FloatTensor:$dy, Optional<Onnx_FloatTensor>:$mask,
                  F64Attr:$scale, UnitAttr:$causal);
  let results = (outs Onnx_FloatTensor:$dq, Onnx_FloatTensor:$dk,
                      Onnx_FloatTensor:$dv);
  let assemblyFormat = [{
    $q `,` $k `,` $v `saved` $max `,` $sum `grad` $dy (`mask` $mask^)?
    `scale` $scale attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Train_LayerNormGradOp : Train_PureOp<"layer_norm_grad",
    [AllTypesMatch<["x", "dy", "dx"]>]> {
  let summary = "gradient of layer normalisation with respect to x";
  let description = [{
    With h = (x - mean) rstd and a = dy scale, a row of D elements:
    dx = rstd (a - mean(a) - h mean(a h)). x, dy of shape [..., D], mean and
    rstd [...], scale [D].

    `parts`, where asked for, are the gradients of scale and bias over blocks of
    rows, in the same pass: row p of the first is the sum of dy h over the p-th
    of P blocks of ceil(N / P) rows, row p of the second that of dy. Their sums
    over p are an op of their own, so that blocks are independent here.

    ```mlir
    %dx, %s, %b = train.layer_norm_grad %x, %dy, %scale, %mean, %rstd
      : tensor<64x8xf32>, tensor<8xf32>, tensor<64xf32>, tensor<64xf32>
      parts tensor<8x8xf32>, tensor<8x8xf32>
    ```

    **Constraints**
    - (norm_grad_c1) there are 0 or 2 parts, of shape [P, D] with 0 < P <= N,
      the number of rows, and of rstd's element type.
  }];
  let args = (ins Onnx_FloatTensor:$x, Onnx_FloatTensor:$dy,
      Onnx_FloatTensor:$scale, Onnx_FloatTensor:$mean, Onnx_FloatTensor:$rstd);
  let results = (outs Onnx_FloatTensor:$dx, Variadic<Onnx_FloatTensor>:$parts);
  let assemblyFormat = [{
    $x `,` $dy `,` $scale `,` $mean `,` $rstd attr-dict
    `:` type($dx) `,` type($scale) `,` type($mean) `,` type($rstd)
    (`parts` type($parts)^)?
  }];
  let hasVerifier = 1;
}

def Train_LayerNormParamGradOp : Train_PureOp<"layer_norm_param_grad",
    [AllTypesMatch<["x", "dy"]>]> {
  let summary = "gradients of layer normalisation's scale and bias";
  let description = [{
    dscale = sum over the rows of dy (x - mean) rstd, dbias = sum of dy.
  }];
  let args = (ins Onnx_FloatTensor:$x, Onnx_FloatTensor:$dy,
                  Onnx_FloatTensor:$mean, Onnx_FloatTensor:$rstd);
  let results = (outs Onnx_FloatTensor:$dscale, Onnx_FloatTensor:$dbias);
  let assemblyFormat = [{
    $x `,` $dy `,` $mean `,` $rstd attr-dict
    `:` type($x) `,` type($mean) `,` type($rstd) `->` type($dscale) `,`
    type($dbias)
  }];
}

def Train_RmsNormGradOp : Train_PureOp<"rms_norm_grad",
    [AllTypesMatch<["x", "dy", "dx"]>]> {
  let summary = "gradient of RMS normalisation with respect to x";
  let description = [{
    With h = x rstd and a = dy scale, a row of D elements:
    dx = rstd (a - h mean(a h)). x, dy of shape [..., D], rstd [...], scale [D].
    `parts` as those of `train.layer_norm_grad`, of dy h alone.

    **Constraints**
    - (norm_grad_c1) there are 0 or 1 parts, of shape [P, D] with 0 < P <= N,
      the number of rows, and of rstd's element type.
  }];
  let args = (ins Onnx_FloatTensor:$x, Onnx_FloatTensor:$dy,
                  Onnx_FloatTensor:$scale, Onnx_FloatTensor:$rstd);
  let results = (outs Onnx_FloatTensor:$dx, Variadic<Onnx_FloatTensor>:$parts);
  let assemblyFormat = [{
    $x `,` $dy `,` $scale `,` $rstd attr-dict
    `:` type($dx) `,` type($scale) `,` type($rstd)
    (`parts` type($parts)^)?
  }];
  let hasVerifier = 1;
}

def Train_RmsNormParamGradOp : Train_PureOp<"rms_norm_param_grad",
    [AllTypesMatch<["x", "dy"]>]> {
  let summary = "gradient of RMS normalisation's scale";
  let description = [{
    dscale = sum over the rows of dy x rstd.
  }];
  let args = (ins Onnx_FloatTensor:$x, Onnx_FloatTensor:$dy,
                  Onnx_FloatTensor:$rstd);
  let results = (outs Onnx_FloatTensor:$dscale);
  let assemblyFormat = [{
    $x `,` $dy `,` $rstd attr-dict
    `:` type($x) `,` type($rstd) `->` type($dscale)
  }];
}

def Train_GatherGradOp : Train_PureOp<"gather_grad"> {
  let summary = "gradient of a gather: rows of dy summed into the table's rows";
  let description = [{
    dtable[indices[i...], :] += dy[i..., :], in the order of i, from zero; the
    row `padding_idx` stays zero. `batch_dims` as in `onnx.gather`.
  }];
  let args = (ins Onnx_IntTensor:$indices, Onnx_FloatTensor:$dy,
                  OptionalAttr<I64Attr>:$padding_idx,
                  DefaultValuedAttr<I64Attr, "0">:$batch_dims);
  let results = (outs Onnx_FloatTensor:$dtable);
  let assemblyFormat =
      "$indices `,` $dy attr-dict `:` type($indices) `,` type($dy) `->` type($dtable)";
}

def Train_OrderIndicesOp : Train_PureOp<"order_indices"> {
  let summary = "the places of indices, in the order of what they are";
  let description = [{
    `order` is the permutation that sorts the N `indices`, equal ones in the
    order of their places, and `sorted` has them in that order: sorted[j] =
    indices[order[j]]. An index outside of [0, rows) is a failure of the kernel.
    With it a table's row finds what is added to it without a look at all the
    indices. Made by `--kernel-order-gathers`.
  }];
  let args = (ins Onnx_IntTensor:$indices, I64Attr:$rows);
  let results = (outs Onnx_IntTensor:$order, Onnx_IntTensor:$sorted);
  let assemblyFormat = [{
    $indices `rows` $rows attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Train_GatherGradOrderedOp : Train_PureOp<"gather_grad_ordered"> {
  let summary = "gradient of a gather whose indices are sorted";
  let description = [{
    The result of `train.gather_grad`, to the bit, of indices that
    `train.order_indices` has sorted: row r of the table is the sum of the rows
    order[j] of dy for which sorted[j] is r, in the order of j.

    **Constraints**
    - (order_indices_c1) indices, order and sorted have N elements, order and
      sorted shape [N] and one type; here dy has N rows like dtable's.
  }];
  let args = (ins Onnx_IntTensor:$order, Onnx_IntTensor:$sorted,
                  Onnx_FloatTensor:$dy, OptionalAttr<I64Attr>:$padding_idx);
  let results = (outs Onnx_FloatTensor:$dtable);
  let assemblyFormat = [{
    $order `,` $sorted `,` $dy attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Train_CountValidOp : Train_PureOp<"count_valid"> {
  let summary = "how many labels are not ignored, on this rank";
  let description = [{
    A result of P elements has the counts of P blocks of ceil(N / P) labels, one
    after the other.
  }];
  let args = (ins Onnx_IntTensor:$labels, I64Attr:$ignore_index);
  let results = (outs AnyTypeOf<[Train_Scalar, 1DTensorOf<[F32, F64]>]>:$count);
  let assemblyFormat =
      "$labels `ignore` $ignore_index attr-dict `:` type($labels) `->` type($count)";
}

def Train_CrossEntropyOp : Train_PureOp<"cross_entropy"> {
  let summary = "cross-entropy of every label";
  let description = [{
    logits of shape [..., V], labels [...]. `losses` of shape [...] are
    lse - logits[label], 0 where the label is `ignore_index`; `lse` of shape
    [...] is the log-sum-exp of every row, kept for the gradient. The sum of the
    losses is an op of its own, so that rows are independent here. Logits in half
    precision are widened as they are read.
  }];
  let args = (ins Onnx_FloatTensor:$logits, Onnx_IntTensor:$labels,
                  I64Attr:$ignore_index);
  let results = (outs Onnx_FloatTensor:$losses, Onnx_FloatTensor:$lse);
  let assemblyFormat = [{
    $logits `,` $labels `ignore` $ignore_index attr-dict
    `:` type($logits) `,` type($labels) `->` type($losses) `,` type($lse)
  }];
  let hasCanonicalizer = 1;
}

def Train_CrossEntropyGradOp : Train_PureOp<"cross_entropy_grad",
    [AllTypesMatch<["logits", "dlogits"]>]> {
  let summary = "gradient of the scaled cross-entropy over the logits";
  let description = [{
    dlogits = scale (e^(logits - lse) - onehot(label)) for rows whose label is
    not ignored, else 0. May be computed in place.
  }];
  let args = (ins Onnx_FloatTensor:$logits, Onnx_IntTensor:$labels,
      Onnx_FloatTensor:$lse, Train_Scalar:$scale, I64Attr:$ignore_index);
  let results = (outs Onnx_FloatTensor:$dlogits);
  let assemblyFormat = [{
    $logits `,` $labels `,` $lse `,` $scale `ignore` $ignore_index attr-dict
    `:` type($logits) `,` type($labels) `,` type($lse) `,` type($scale)
  }];
  let hasCanonicalizer = 1;
}
