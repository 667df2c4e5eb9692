//===- FsdpOps.td - Sharded values and collectives ---------*- tablegen -*-===//
#ifndef FSDP_DIALECTS_FSDP_OPS
#define FSDP_DIALECTS_FSDP_OPS

include "mlir/IR/SymbolInterfaces.td"
include "dialects/Train/TrainBase.td"
include "dialects/Fsdp/FsdpBase.td"

def Fsdp_CommResource : Resource<"::fsdp::sharding::CommunicationResource">;

/// Collectives and what orders them write the communication resource: they are
/// neither merged, dropped nor exchanged.
class Fsdp_CommOp<string mnemonic, list<Trait> traits = []>
    : Op<Fsdp_Dialect, mnemonic, !listconcat(
        [MemoryEffects<[MemWrite<Fsdp_CommResource>]>], traits)>;

def Fsdp_UnitOp : Op<Fsdp_Dialect, "unit", [Symbol]> {
  let summary = "the parameters that are gathered and reduced together";
  let description = [{
    One FSDP unit: the parameters of one module not owned by an inner unit.
    Each line holds those of one dtype and trainability. A step treats it by its
    policy; without one it does as FSDP2 does: the root unit stays gathered from
    its first use to the end of its backward, others are resharded after forward.

    **Constraints**
    - (unit_c1) every parameter of a line is declared and of the type that the
      line's layout gives it.
    - (unit_c2) no parameter stands in two lines of a module (checked by
      `fsdp-verify`).

    ```mlir
    fsdp.unit @"h.0" lines [#fsdp.line<layout = #l, parameters = ["h.0.w"],
      ranges = [#train.range<end = 64, rule = #rule>]>]
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Fsdp_LineArrayAttr:$lines,
                       UnitAttr:$root, OptionalAttr<Fsdp_PolicyAttr>:$policy);
  let assemblyFormat = [{
    $sym_name (`root` $root^)? (`policy` $policy^)? `lines` $lines attr-dict
  }];
  let extraClassDeclaration = [{
    /// Its policy, or the one that it has without.
    PolicyAttr getEffectivePolicy();
  }];
  let hasVerifier = 1;
}

def Fsdp_ShardsOp : Op<Fsdp_Dialect, "shards",
    [MemoryEffects<[MemRead<Onnx_ParameterResource>]>]> {
  let summary = "this rank's shards of a unit's line, as of this point";
  let arguments = (ins StrAttr:$unit, I64Attr:$line);
  let results = (outs Variadic<Fsdp_Sharded>:$shards);
  let assemblyFormat = "$unit `line` $line attr-dict `:` type($shards)";
}

def Fsdp_AllGatherStartOp : Fsdp_CommOp<"all_gather_start"> {
  let summary = "starts to gather all parameters of a line";
  let description = [{
    One collective for the whole line over `axes`, the mesh axes that it
    consumes, in order. Compute may go on until `fsdp.wait`.

    **Constraints**
    - (all_gather_c1) operands are all parameters of one layout, in its order.
    - (all_gather_c2) the results are the global types of the shards.
    - (all_gather_c3) `axes` are the layout's axes.
  }];
  let arguments = (ins StrAttr:$unit, I64Attr:$line,
                       Variadic<Fsdp_Sharded>:$shards, StrArrayAttr:$axes);
  let results = (outs Fsdp_Pending:$pending);
  let assemblyFormat = [{
    $unit `line` $line `(` $shards `)` `over` $axes attr-dict
    `:` functional-type($shards, $pending)
  }];
  let hasVerifier = 1;
}

def Fsdp_ReduceScatterStartOp : Fsdp_CommOp<"reduce_scatter_start"> {
  let summary = "starts to sum gradients over the ranks, each keeps its shard";
  let description = [{
    One collective for the whole line. The sum is taken in rank order in the
    gradients' dtype.

    **Constraints**
    - (reduce_scatter_c1) operands are the global types of one layout's
      parameters, in its order.
    - (reduce_scatter_c2) results are their shards under the same layout.
    - (reduce_scatter_c3) `axes` are the layout's axes.
  }];
  let arguments = (ins StrAttr:$unit, I64Attr:$line,
                       Variadic<Onnx_FloatTensor>:$grads, StrArrayAttr:$axes);
  let results = (outs Fsdp_Pending:$pending);
  let assemblyFormat = [{
    $unit `line` $line `(` $grads `)` `over` $axes attr-dict
    `:` functional-type($grads, $pending)
  }];
  let hasVerifier = 1;
}

def Fsdp_WaitOp : Fsdp_CommOp<"wait"> {
  let summary = "the results of a collective that was started";
  let description = [{
    **Constraints**
    - (wait_c1) results are the types that the pending value promises.
    - (wait_c2) a pending value is waited for exactly once (`fsdp-verify`).
  }];
  let arguments = (ins Fsdp_Pending:$pending);
  let results = (outs Variadic<AnyType>:$values);
  let assemblyFormat = "$pending attr-dict `:` type($pending) `->` type($values)";
  let hasVerifier = 1;
}

def Fsdp_ReleaseOp : Fsdp_CommOp<"release"> {
  let summary = "the gathered parameters are not read after this point";
  let arguments = (ins StrAttr:$unit, I64Attr:$line,
                       Variadic<Onnx_Tensor>:$values);
  let assemblyFormat =
      "$unit `line` $line `(` $values `)` attr-dict `:` type($values)";
}

def Fsdp_AllReduceOp : Fsdp_CommOp<"all_reduce",
    [AllTypesMatch<["x", "y"]>]> {
  let summary = "sum of a small tensor over the ranks, in rank order";
  let arguments = (ins Onnx_FloatTensor:$x, StrArrayAttr:$axes);
  let results = (outs Onnx_FloatTensor:$y);
  let assemblyFormat = "$x `over` $axes attr-dict `:` type($x)";
}

def Fsdp_SumOfSquaresOp : Op<Fsdp_Dialect, "sum_of_squares", [Pure]> {
  let summary = "sum of the squares of this rank's elements of some shards";
  let arguments = (ins Variadic<Fsdp_Sharded>:$shards);
  let results = (outs 0DTensorOf<[F64]>:$sum);
  let assemblyFormat = "$shards attr-dict `:` type($shards) `->` type($sum)";
}

def Fsdp_UpdateOp : Op<Fsdp_Dialect, "update", [
    MemoryEffects<[MemWrite<Onnx_ParameterResource>]>,
    AttrSizedOperandSegments]> {
  let summary = "one optimizer step of this rank's shards of a line";
  let description = [{
    Writes parameters and optimizer states of a line by the rules of its ranges
    (see `#fsdp.line`), with the reduced gradients (times `clip` where given).
    Rules with factored moments read sums over the ranks that the line is cut
    over, which are taken here; their moments are the same on every rank.

    **Constraints**
    - (update_c1) gradients are all parameters of the line's layout, in its
      order.
    - (update_c2) the line is trainable.
  }];
  let arguments = (ins StrAttr:$unit, I64Attr:$line,
      Variadic<Fsdp_Sharded>:$grads, Train_Scalar:$lr, Train_Scalar:$step,
      Optional<Train_Scalar>:$clip);
  let assemblyFormat = [{
    $unit `line` $line `(` $grads `)` `lr` $lr `step` $step (`clip` $clip^)?
    attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Fsdp_AccumulateOp : Op<Fsdp_Dialect, "accumulate",
    [MemoryEffects<[MemRead<Train_StateResource>,
                    MemWrite<Train_StateResource>]>]> {
  let summary = "adds reduced gradients to those of the step's microbatches";
  let description = [{
    Each line has a shard of the gradients' type that sums them up: in the first
    microbatch, whose number `microbatch` is 0, it becomes the gradients, in each
    later one they are added. The results are the sums so far, in the gradients'
    own place: where a step has one microbatch, nothing has to be done. Stands
    behind `train.update_begin`, before all else.

    **Constraints**
    - (accumulate_c1) gradients are all parameters of one layout, in its order,
      and results have their types.

    ```mlir
    %sums:2 = fsdp.accumulate "h.0" line 0 (%shards#0, %shards#1) at %microbatch
      : (!w, !b, tensor<f32>) -> (!w, !b)
    ```
  }];
  let arguments = (ins StrAttr:$unit, I64Attr:$line,
      Variadic<Fsdp_Sharded>:$grads, Train_Scalar:$microbatch);
  let results = (outs Variadic<Fsdp_Sharded>:$sums);
  let assemblyFormat = [{
    $unit `line` $line `(` $grads `)` `at` $microbatch
    attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Fsdp_AccumulateGradientsOp : Op<Fsdp_Dialect, "accumulate_gradients",
    [MemoryEffects<[MemRead<Train_StateResource>,
                    MemWrite<Train_StateResource>]>]> {
  let summary = "adds whole gradients to those of the step's microbatches";
  let description = [{
    As `fsdp.accumulate`, of gradients that are not reduced: each line has a
    whole line of the gradients' type that sums them up, which the results are
    places in. One reduce-scatter a step takes them, behind
    `train.update_begin`.

    **Constraints**
    - (accumulate_gradients_c1) results have the gradients' types, of which there
      is at least one.

    ```mlir
    %sums:2 = fsdp.accumulate_gradients "h.0" line 0 (%dw, %db) at %microbatch
      : (tensor<4x4xf32>, tensor<4xf32>, tensor<f32>) -> (tensor<4x4xf32>, tensor<4xf32>)
    ```
  }];
  let arguments = (ins StrAttr:$unit, I64Attr:$line,
      Variadic<Onnx_FloatTensor>:$grads, Train_Scalar:$microbatch);
  let results = (outs Variadic<Onnx_FloatTensor>:$sums);
  let assemblyFormat = [{
    $unit `line` $line `(` $grads `)` `at` $microbatch
    attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Fsdp_LoadOp : Op<Fsdp_Dialect, "load",
    [MemoryEffects<[MemWrite<Onnx_ParameterResource>]>]> {
  let summary = "fills a line's shards from weights or initialisers";
  let description = [{
    Optimizer states begin as the line's rules say.
  }];
  let arguments = (ins StrAttr:$unit, I64Attr:$line);
  let assemblyFormat = "$unit `line` $line attr-dict";
}

def Fsdp_StoreOp : Fsdp_CommOp<"store"> {
  let summary = "hands gathered parameters to the checkpoint writer";
  let arguments = (ins StrAttr:$unit, I64Attr:$line,
                       Variadic<Onnx_Tensor>:$values);
  let assemblyFormat =
      "$unit `line` $line `(` $values `)` attr-dict `:` type($values)";
}

#endif
