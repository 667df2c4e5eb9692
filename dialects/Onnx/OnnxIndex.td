//===- OnnxIndex.td - What reads or writes by computed places -*- tablegen -*-===//

def Onnx_GatherOp : Onnx_InferredOp<"gather", [
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "rows of a table: y[i..., :] = table[indices[i...], :]";
  let description = [{
    ONNX Gather along axis 0 (other axes are imported with a transpose). Table
    of shape [V, D...], indices of shape I in [0, V); y has shape I x D.
    `padding_idx`, when given, is the row that gets no gradient from this use
    (torch.nn.Embedding). An index out of range is an error at run time.

    With `batch_dims` of b, tables and indices begin with the same b extents B,
    and each index reads the table of its own place in B: tables of shape
    [B..., V, D...], indices of shape [B..., I...], y of shape B x I x D.
    GatherND and GatherElements are imported as this op.

    **Constraints**
    - gather_c1: the table has more than `batch_dims` dimensions, and the first
      `batch_dims` extents of table and indices are equal
    - gather_c2: no `padding_idx` with `batch_dims` above 0
  }];
  let args = (ins Onnx_Tensor:$table, Onnx_IntTensor:$indices,
                  OptionalAttr<I64Attr>:$padding_idx,
                  DefaultValuedAttr<I64Attr, "0">:$batch_dims);
  let results = (outs Onnx_Tensor:$y);
  let assemblyFormat =
      "$table `,` $indices attr-dict `:` type($table) `,` type($indices) `->` type($y)";
  let hasFolder = 1;
}

def Onnx_ScatterOp : Onnx_InferredOp<"scatter", [
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "x with rows replaced, or added to: y[indices[i...], :] = updates[i..., :]";
  let description = [{
    x of shape [B..., V, D...], indices of shape [B..., I...] in [0, V), updates
    of shape B x I x D, where B are `batch_dims` extents. Rows are written in
    the order of the indices: of equal ones the last is what stays. With `add`
    they are summed into x's rows in that order, so the bits depend on shapes
    and indices alone. An index out of range is an error at run time. ScatterND
    and ScatterElements are imported as this op.

    The gradient is PyTorch's (`scatter`, `index_put`): that of updates is a
    gather, also of rows that another update wrote over; that of x is 0 where
    rows were replaced.

    **Constraints**
    - scatter_c1: x has more than `batch_dims` dimensions, and the first
      `batch_dims` extents of x and indices are equal
    - scatter_c2: updates have x's element type and shape B x I x D
  }];
  let args = (ins Onnx_Tensor:$x, Onnx_IntTensor:$indices, Onnx_Tensor:$updates,
                  DefaultValuedAttr<I64Attr, "0">:$batch_dims, UnitAttr:$add);
  let results = (outs Onnx_Tensor:$y);
  let assemblyFormat =
      "$x `,` $indices `,` $updates attr-dict `:` type($x) `,` type($indices) `,` type($updates) `->` type($y)";
}

def Onnx_TopKOp : Onnx_InferredOp<"top_k", [
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "the k largest (or smallest) elements along the last axis, in order";
  let description = [{
    x of shape [..., N]; values and indices (i64) of shape [..., k], sorted. Of
    equal elements the one with the lower index comes first; NaN is larger than
    every number, as in PyTorch. The gradient goes to the elements chosen. Which
    of equal elements PyTorch takes is not defined, and may be others.

    **Constraints**
    - top_k_c1: x is no scalar, and k is in [1, N]
  }];
  let args = (ins Onnx_Tensor:$x, I64Attr:$k, UnitAttr:$smallest);
  let results = (outs Onnx_Tensor:$values, Onnx_IntTensor:$indices);
  let assemblyFormat =
      "$x `k` $k attr-dict `:` type($x) `->` type($values) `,` type($indices)";
}

def Onnx_CumSumOp : Onnx_InferredOp<"cumsum", [
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "running sums along one axis: y[i] = x[0] + ... + x[i]";
  let description = [{
    With `exclusive` without x[i] itself, with `reverse` from the other end.
    Floats are summed in f64 and rounded once an element, as PyTorch does on
    CPUs.

    **Constraints**
    - cumsum_c1: `axis` is in [0, rank of x)
  }];
  let args = (ins Onnx_Tensor:$x, I64Attr:$axis, UnitAttr:$exclusive,
                  UnitAttr:$reverse);
  let results = (outs Onnx_Tensor:$y);
  let assemblyFormat =
      "$x `axis` $axis attr-dict `:` type($x) `->` type($y)";
}
