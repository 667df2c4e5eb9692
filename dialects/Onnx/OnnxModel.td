//===- OnnxModel.td - Parameters, constants, unknown ops ---*- tablegen -*-===//

def Onnx_ParameterOp : Op<Onnx_Dialect, "parameter", [Symbol]> {
  let summary = "a parameter or persistent buffer of the model";
  let description = [{
    A tensor that lives across steps: a symbol with a source or an initialiser,
    never its data, so that a model of any size imports in megabytes. Name,
    shape and layout are PyTorch's (a weight that the exporter stored
    transposed is declared as PyTorch has it, with `transposed` on the source).
    `aliases` are the further names of a tied parameter.

    `source` is `{file, file_bytes, offset, bytes, sum, transposed}`, all in bytes,
    raw little-endian data in C order, `file_bytes` the size that the file had
    when it was imported and `sum` one of its bytes (fsdp-run refuses others); or `{fill = 0.0}` for one the
    exporter dropped because it was zero. `init` is `{kind = "normal", mean,
    std}` or `{kind = "constant", value}`. `data` holds a small buffer.
    `missing` is the external file that was not there.

    **Constraints**
    - (parameter_c1) at most one of `source`, `init`, `data`.
    - (parameter_c2) a trainable parameter has a floating element type.

    Example:
    ```mlir
    onnx.parameter @"h.0.fc.weight" : tensor<8x4xf32>
      {source = {file = "m.onnx", offset = 64 : i64, bytes = 128 : i64}}
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<Onnx_Tensor>:$type,
      OptionalAttr<StrArrayAttr>:$aliases,
      OptionalAttr<DictionaryAttr>:$source,
      OptionalAttr<DictionaryAttr>:$init,
      OptionalAttr<ElementsAttr>:$data,
      OptionalAttr<StrAttr>:$missing,
      UnitAttr:$buffer, UnitAttr:$frozen,
      DefaultValuedAttr<StrAttr, "\"\"">:$scope);
  let assemblyFormat = "$sym_name `:` $type attr-dict";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getTensorType() {
      return ::mlir::cast<::mlir::RankedTensorType>(getType());
    }
    bool isTrainable() { return !getBuffer() && !getFrozen(); }
  }];
}


def Onnx_ReadOp : Onnx_Op<"read", [
    MemoryEffects<[MemRead<Onnx_ParameterResource>]>,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the current value of a parameter";
  let description = [{
    Reads the parameter's value as of this point of the step. It reads the
    parameter resource, which `train.update` writes: reads are neither merged
    nor moved across an update.
  }];
  let args = (ins FlatSymbolRefAttr:$parameter);
  let results = (outs Onnx_Tensor:$result);
  let assemblyFormat = "$parameter attr-dict `:` type($result)";
}

def Onnx_ConstantOp : Onnx_PureOp<"constant", [ConstantLike]> {
  let summary = "a small tensor known at compile time";
  let args = (ins ElementsAttr:$value);
  let results = (outs Onnx_Tensor:$result);
  let assemblyFormat = "$value attr-dict `:` type($result)";
  let hasFolder = 1;
  let hasVerifier = 1;
}

def Onnx_NodeOp : Onnx_Op<"node"> {
  let summary = "an ONNX node outside the canonical set";
  let description = [{
    Keeps what the file says (operator, domain, opset version, attributes and
    name) so that import is lossless and one error can list every operator that
    is not supported. Its results may be unranked. Programs cannot be compiled
    while one is left.
  }];
  let args = (ins StrAttr:$op_type, StrAttr:$domain, I64Attr:$version,
      StrAttr:$node_name, DictionaryAttr:$node_attributes,
      Variadic<AnyType>:$inputs);
  let results = (outs Variadic<AnyType>:$outputs);
  let assemblyFormat =
      "$op_type `(` $inputs `)` attr-dict `:` functional-type($inputs, $outputs)";
}
