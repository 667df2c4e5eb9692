//===- TrainStep.td - The step around forward and backward -*- tablegen -*-===//

def Train_BackwardBeginOp : Op<Train_Dialect, "backward_begin",
    [MemoryEffects<[MemWrite]>]> {
  let summary = "forward ends here, backward begins";
  let assemblyFormat = "attr-dict";
}

def Train_MicrobatchBeginOp : Op<Train_Dialect, "microbatch_begin",
    [MemoryEffects<[MemWrite]>]> {
  let summary = "what all microbatches of a step share ends here";
  let description = [{
    What comes before runs once a step, before its first microbatch, and what it
    gathers is read by each of them.
  }];
  let assemblyFormat = "attr-dict";
}

def Train_UpdateBeginOp : Op<Train_Dialect, "update_begin",
    [MemoryEffects<[MemWrite]>]> {
  let summary = "the microbatch ends here, the update begins";
  let description = [{
    What comes before runs for each microbatch of a step, what comes after once,
    with the values of the last one.
  }];
  let assemblyFormat = "attr-dict";
}

def Train_StateOp : Op<Train_Dialect, "state", [Symbol]> {
  let summary = "a scalar that outlives the phase that writes it";
  let description = [{
    Zero before the first step; what reads it follows what writes it.

    ```mlir
    train.state @loss : tensor<f32>
    ```

    **Constraints**
    - (state_c1) the type is a scalar of f32 or f64.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttr:$type);
  let assemblyFormat = "$sym_name `:` $type attr-dict";
  let hasVerifier = 1;
}

/// What uses a `train.state`: (state_c2) it is declared, with the operands'
/// type.
class Train_StateUser<string mnemonic, list<Trait> traits>
    : Train_Op<mnemonic, !listconcat(
        [DeclareOpInterfaceMethods<SymbolUserOpInterface>], traits)>;

def Train_AccumulateOp : Train_StateUser<"accumulate",
    [MemoryEffects<[MemRead<Train_StateResource>,
                    MemWrite<Train_StateResource>]>,
     AllTypesMatch<["x", "sum"]>]> {
  let summary = "the sum of a scalar over a step's microbatches so far";
  let description = [{
    In the first microbatch, whose number `microbatch` is 0, the state becomes x,
    in each later one the state + x. The result is the new state.

    **Constraints**
    - (state_c2) the state is declared, of x's type.
  }];
  let args = (ins FlatSymbolRefAttr:$state, Train_Scalar:$x,
                  Train_Scalar:$microbatch);
  let results = (outs Train_Scalar:$sum);
  let assemblyFormat =
      "$state `,` $x `at` $microbatch attr-dict `:` functional-type(operands, results)";
}

def Train_TotalOp : Train_StateUser<"total",
    [MemoryEffects<[MemRead<Train_StateResource>]>,
     AllTypesMatch<["own", "total"]>]> {
  let summary = "a scalar's sum over all microbatches of the step";
  let description = [{
    The state where the step has several microbatches: phases before have summed
    it up. Where it has one, `own`, what that one has of it.

    **Constraints**
    - (state_c2) the state is declared, of own's type.
  }];
  let args = (ins FlatSymbolRefAttr:$state, Train_Scalar:$own,
                  Train_Scalar:$microbatches);
  let results = (outs Train_Scalar:$total);
  let assemblyFormat =
      "$state `,` $own `of` $microbatches attr-dict `:` functional-type(operands, results)";
}

def Train_BarrierOp : Train_Op<"barrier", [MemoryEffects<[MemWrite]>]> {
  let summary = "the same values, from here on";
  let description = [{
    What backward computes again takes its inputs through a barrier. It has a
    side effect, so that it is neither moved nor merged, and what reads its
    results is no copy of what reads its operands: no pass can give the
    recomputed values back to the first ones, which would keep these alive. It
    costs nothing: a result is its operand's memory.

    ```mlir
    %x1, %m1 = train.barrier %x, %mask {scope = "h.0"}
      : tensor<2x8x4xf32>, tensor<8x8xf32> -> tensor<2x8x4xf32>, tensor<8x8xf32>
    ```

    **Constraints**
    - (barrier_c1) at least one operand.
    - (barrier_c2) results have the operands' types, one each.
  }];
  let args = (ins Variadic<Onnx_Tensor>:$xs);
  let results = (outs Variadic<Onnx_Tensor>:$ys);
  let assemblyFormat = "$xs attr-dict `:` type($xs) `->` type($ys)";
  let hasVerifier = 1;
}

def Train_GradientOp : Train_Op<"gradient",
    [MemoryEffects<[MemWrite<Onnx_ParameterResource>]>]> {
  let summary = "the gradient of the loss with respect to a parameter";
  let description = [{
    Names a gradient between backward and optimizer passes: what backward made,
    `train-build-update` consumes. At most one a parameter.
  }];
  let args = (ins FlatSymbolRefAttr:$parameter, Onnx_FloatTensor:$grad);
  let assemblyFormat = "$parameter `,` $grad attr-dict `:` type($grad)";
}

def Train_SumOverRanksOp : Train_PureOp<"sum_over_ranks",
    [AllTypesMatch<["x", "y"]>]> {
  let summary = "sum of a scalar over the data-parallel ranks";
  let description = [{
    The identity on one device; the sharding stage makes it an all-reduce.
  }];
  let args = (ins Train_Scalar:$x);
  let results = (outs Train_Scalar:$y);
  let assemblyFormat = "$x attr-dict `:` type($x)";
}

def Train_RankCountOp : Train_PureOp<"rank_count"> {
  let summary = "the number of data-parallel ranks";
  let results = (outs Train_Scalar:$n);
  let assemblyFormat = "attr-dict `:` type($n)";
}

def Train_GlobalNormOp : Train_PureOp<"global_norm"> {
  let summary = "2-norm of all gradients together";
  let description = [{
    sqrt(sum over the gradients and their elements of g^2), squares summed in
    f64. Under sharding every element counts once over all ranks.
  }];
  let args = (ins Variadic<Onnx_FloatTensor>:$grads);
  let results = (outs Train_Scalar:$norm);
  let assemblyFormat = "$grads attr-dict `:` type($grads) `->` type($norm)";
}

def Train_ClipCoefficientOp : Train_PureOp<"clip_coefficient"> {
  let summary = "min(1, max_norm / (norm + 1e-6)), as torch clips";
  let args = (ins Train_Scalar:$norm, F64Attr:$max_norm);
  let results = (outs Train_Scalar:$coefficient);
  let assemblyFormat = "$norm `max` $max_norm attr-dict `:` type($norm) `->` type($coefficient)";
}

def Train_UpdateOp : Train_Op<"update", [
    MemoryEffects<[MemWrite<Onnx_ParameterResource>]>]> {
  let summary = "one optimizer step of one parameter";
  let description = [{
    Writes the parameter (and its optimizer state) by `rule`, with gradient
    `grad`, times `clip` where given, learning rate `lr` and `step`, the 1-based
    number of this update.
  }];
  let args = (ins FlatSymbolRefAttr:$parameter, Onnx_FloatTensor:$grad,
      Train_Scalar:$lr, Train_Scalar:$step, Optional<Train_Scalar>:$clip,
      Train_OptimizerRule:$rule);
  let assemblyFormat = [{
    $parameter `,` $grad `lr` $lr `step` $step (`clip` $clip^)?
    attr-dict `:` functional-type(operands, results)
  }];
}
