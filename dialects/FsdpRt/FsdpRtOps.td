//===- FsdpRtOps.td - Buffers, streams, events, dispatches -*- tablegen -*-===//
#ifndef FSDP_DIALECTS_FSDPRT_OPS
#define FSDP_DIALECTS_FSDPRT_OPS

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/IR/RegionKindInterface.td"

def FsdpRt_Dialect : Dialect {
  let name = "fsdprt";
  let cppNamespace = "::fsdp::rt";
  let summary = "which buffer, which stream, when";
  let description = [{
    The program as the runtime runs it: phases that are straight lines of
    dispatches, each on a stream, waiting for events and recording one, on
    byte ranges of numbered buffers. After planning every buffer has an offset
    in an arena. Each op is one call of runtime/abi/functions.def. SPEC.md
    beside this file has the rules.

    Attributes of modules:
    - (in_place_c1) `fsdprt.in_place`, of a kernel's module: pairs of the
      argument of an operand and that of a result which may be computed in its
      place.
    - (target_c1) `fsdprt.target`, of the program: what it is planned for, a
      `#fsdprt.cuda`; the CPU where it is missing.
  }];
  let hasOperationAttrVerify = 1;
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
}

class FsdpRt_Enum<string name, string summary, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::fsdp::rt";
  let genSpecializedAttr = 0;
}
// The numbers are those of runtime/abi/fsdprt.h.
def FsdpRt_Stream : FsdpRt_Enum<"Stream", "stream", [
  I32EnumAttrCase<"Compute", 0, "compute">,
  I32EnumAttrCase<"Gather", 1, "gather">,
  I32EnumAttrCase<"Reduce", 2, "reduce">,
  I32EnumAttrCase<"Copy", 3, "copy">]>;
def FsdpRt_StreamAttr : EnumAttr<FsdpRt_Dialect, FsdpRt_Stream, "stream">;
def FsdpRt_Access : FsdpRt_Enum<"Access", "access", [
  I32EnumAttrCase<"Read", 1, "read">,
  I32EnumAttrCase<"Write", 2, "write">,
  I32EnumAttrCase<"ReadWrite", 3, "update">,
  I32EnumAttrCase<"Scratch", 4, "scratch">]>;
def FsdpRt_BufferKind : FsdpRt_Enum<"BufferKind", "buffer kind", [
  I32EnumAttrCase<"Shard", 0, "shard">,
  I32EnumAttrCase<"Optimizer", 1, "optimizer">,
  I32EnumAttrCase<"Gathered", 2, "gathered">,
  I32EnumAttrCase<"Gradient", 3, "gradient">,
  I32EnumAttrCase<"Reduced", 4, "reduced">,
  I32EnumAttrCase<"Activation", 5, "activation">,
  I32EnumAttrCase<"Input", 6, "input">,
  I32EnumAttrCase<"Scalar", 7, "scalar">,
  I32EnumAttrCase<"Scratch", 8, "scratch">,
  I32EnumAttrCase<"Constant", 9, "constant">,
  I32EnumAttrCase<"Accumulator", 10, "accumulator">]>;
def FsdpRt_BufferKindAttr
    : EnumAttr<FsdpRt_Dialect, FsdpRt_BufferKind, "kind">;
// The numbers and words are those of runtime/abi/runs.def, which says when.
def FsdpRt_Runs : FsdpRt_Enum<"Runs", "when a phase runs", [
  I32EnumAttrCase<"Once", 0, "once">,
  I32EnumAttrCase<"Count", 1, "count">,
  I32EnumAttrCase<"Gather", 2, "gather">,
  I32EnumAttrCase<"Microbatch", 3, "microbatch">,
  I32EnumAttrCase<"Accumulate", 4, "accumulate">,
  I32EnumAttrCase<"Update", 5, "update">,
  I32EnumAttrCase<"Evaluate", 6, "evaluate">,
  I32EnumAttrCase<"Save", 7, "save">]>;
def FsdpRt_RunsAttr : EnumAttr<FsdpRt_Dialect, FsdpRt_Runs, "runs">;

def FsdpRt_ArgAttr : AttrDef<FsdpRt_Dialect, "Arg"> {
  let mnemonic = "arg";
  let summary = "bytes [begin, begin + bytes) of a buffer, and their use";
  let description = [{
    `#fsdprt.arg<read 12 [0 : 4096]>`

    **Constraints**
    - (arg_c1) the buffer's number, the begin and the bytes are not negative, and
      the end can be counted.
  }];
  let genVerifyDecl = 1;
  let parameters = (ins "::fsdp::rt::Access":$access, "int64_t":$buffer,
                        "int64_t":$begin, "int64_t":$bytes);
  let assemblyFormat = "`<` $access $buffer `[` $begin `:` $bytes `]` `>`";
}
def FsdpRt_Args : TypedArrayAttrBase<FsdpRt_ArgAttr, "dispatch arguments">;

def FsdpRt_CudaAttr : AttrDef<FsdpRt_Dialect, "Cuda"> {
  let mnemonic = "cuda";
  let summary = "NVIDIA GPUs of one architecture, by CUDA and NCCL";
  let description = [{
    `#fsdprt.cuda<"sm_90">`: the architecture is a name of ptxas, or `simulated`
    for GPUs that a test's library plays on the host. With `tf32 = true`
    products of f32 may be computed in TF32.
  }];
  let parameters = (ins StringRefParameter<>:$arch,
                        DefaultValuedParameter<"bool", "false">:$tf32);
  let assemblyFormat = "`<` $arch (`,` `tf32` `=` $tf32^)? `>`";
}

def FsdpRt_Event : TypeDef<FsdpRt_Dialect, "Event"> {
  let mnemonic = "event";
  let summary = "the end of one dispatch";
}

class FsdpRt_Op<string mnemonic, list<Trait> traits = []>
    : Op<FsdpRt_Dialect, mnemonic, traits> {
  let hasVerifier = 1;
}

def FsdpRt_ArenaOp : FsdpRt_Op<"arena"> {
  let summary = "one allocation of the program";
  let description = [{
    `bytes` is the highest end of any buffer in it. `persistent` arenas keep
    their contents over phases. One `for accumulate` is there only where phases
    run that do so: nothing else uses it.

    ```mlir
    fsdprt.arena 2 "accumulate" bytes 4096 persistent for accumulate
    ```

    **Constraints**
    - (arena_c1) the number, of 32 bits, and the bytes are not negative.
  }];
  let arguments = (ins StrAttr:$name, I64Attr:$index, I64Attr:$bytes,
                       UnitAttr:$persistent,
                       OptionalAttr<FsdpRt_RunsAttr>:$runs);
  let assemblyFormat = [{
    $index $name `bytes` $bytes (`persistent` $persistent^)? (`for` $runs^)?
    attr-dict
  }];
}

def FsdpRt_BufferOp : FsdpRt_Op<"buffer"> {
  let summary = "a range of an arena with one life";
  let description = [{
    `phase` is empty for a buffer that lives over all phases. With `until` it
    lives from `phase` on up to that later phase, through those between, whether
    they run or not. `offset` is -1 until the plan assigns it.

    ```mlir
    fsdprt.buffer 9 "h.0 reduced" reduced unit "h.0" phase "step" until "update"
      bytes 4096 arena 1 at 65536
    ```

    **Constraints**
    - (buffer_c1) number, bytes and arena are not negative, nor is the offset but
      for -1; the end can be counted.
  }];
  let arguments = (ins I64Attr:$id, StrAttr:$name, StrAttr:$unit,
      FsdpRt_BufferKindAttr:$kind, I64Attr:$bytes, StrAttr:$phase,
      OptionalAttr<StrAttr>:$until, I64Attr:$arena, I64Attr:$offset);
  let assemblyFormat = [{
    $id $name $kind `unit` $unit `phase` $phase (`until` $until^)? `bytes` $bytes
    `arena` $arena `at` $offset attr-dict
  }];
}

def FsdpRt_CommunicatorOp : FsdpRt_Op<"communicator"> {
  let summary = "ranks that exchange, on one stream";
  let description = [{
    `fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather`: each group
    of ranks whose coordinates differ in these axes of the mesh alone, one rank
    after the other in the order of the axes. Collectives name one by number.

    **Constraints**
    - (communicator_c1) the number, of 32 bits, is not negative; the axes are one
      or more, each once, with a size of 1 or more; the ranks can be counted.
  }];
  let arguments = (ins I64Attr:$number, StrAttr:$name, StrArrayAttr:$axes,
                       DenseI64ArrayAttr:$sizes, FsdpRt_StreamAttr:$stream);
  let assemblyFormat =
      "$number $name `over` $axes `of` $sizes `on` $stream attr-dict";
  let extraClassDeclaration = [{
    /// The ranks of one group.
    int64_t getNumRanks();
  }];
}

def FsdpRt_PhaseOp : FsdpRt_Op<"phase", [
    IsolatedFromAbove, Symbol, NoTerminator, SingleBlock,
    NoRegionArguments]> {
  let summary = "a straight line of dispatches with its own schedule";
  let description = [{
    `runs` says when the runtime runs it: `once` before training, in each step
    `count` and `microbatch` for each microbatch, `accumulate` after each of
    them, `update` after all, `evaluate` for each batch of a validation, `save`
    to write a checkpoint. Where a step has one microbatch, `count` and
    `accumulate` do not run.

    ```mlir
    fsdprt.phase @step runs microbatch { ... }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, FsdpRt_RunsAttr:$runs);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `runs` $runs attr-dict-with-keyword $body";
}

/// A call of the runtime: the head of every descriptor of fsdprt.h. For all
/// (SPEC.md): the arguments are as many as the call takes, each with its use
/// (dispatch_c1), and have the bytes that it says (dispatch_c2); numbers are in
/// the range of what they count (dispatch_c3); the runtime has a code for
/// element types (dispatch_c4); they stand in a phase, so that the events they wait
/// for are of theirs (dispatch_c5).
class FsdpRt_Dispatch<string mnemonic, dag extra, string extraFormat>
    : FsdpRt_Op<mnemonic> {
  let arguments = !con((ins StrAttr:$name, FsdpRt_StreamAttr:$stream,
      FsdpRt_Args:$args, Variadic<FsdpRt_Event>:$waits, StrAttr:$unit,
      StrAttr:$scope), extra);
  let results = (outs FsdpRt_Event:$done);
  let assemblyFormat = "$name " # extraFormat # [{ `on` $stream $args
    (`wait` `(` $waits^ `)`)? `unit` $unit `scope` $scope attr-dict}];
}

def FsdpRt_LaunchOp : FsdpRt_Dispatch<"launch",
    (ins FlatSymbolRefAttr:$kernel, I64Attr:$extent, I64Attr:$scratch_bytes,
         OptionalAttr<I64Attr>:$blocks, OptionalAttr<I64Attr>:$threads),
    "$kernel `extent` $extent `scratch` $scratch_bytes (`grid` $blocks^ `x` $threads)?"> {
  let summary = "runs a generated kernel over [0, extent)";
  let description = [{
    Arguments are the kernel's operands, its results, and scratch, of which each
    worker, or block, takes `scratch` bytes. On a GPU `grid` says how many blocks
    of how many threads share the extent.

    **Constraints**
    - (launch_c1) scratch is the last argument, enough for one worker, or for all
      blocks, and there if and only if a worker takes any.
    - (launch_c2) a grid has blocks and threads, 1 or more, at most 1024 threads.
  }];
}
def FsdpRt_GemmOp : FsdpRt_Dispatch<"gemm", (ins
    TypeAttr:$dtype, TypeAttr:$c_dtype, BoolAttr:$accumulate, I64Attr:$m, I64Attr:$n, I64Attr:$k,
    DenseI64ArrayAttr:$batch, DenseI64ArrayAttr:$a_strides,
    DenseI64ArrayAttr:$b_strides, DenseI64ArrayAttr:$c_strides,
    UnitAttr:$bias, UnitAttr:$residual, UnitAttr:$tf32),
    "$dtype `to` $c_dtype `accumulate` $accumulate $m `x` $n `x` $k `batch` $batch `strides` $a_strides $b_strides $c_strides (`bias` $bias^)? (`residual` $residual^)? (`tf32` $tf32^)?"> {
  let summary = "batched matrix product by the library";
  let description = [{
    Operands of element type `dtype`, the product in `c_dtype`. Arguments are A,
    B, C, then a row that is added to every row of C with `bias`, a matrix like
    C that is added with `residual`, and the library's scratch. Strides in
    elements: one a batch dimension, then row and column. With `tf32` the library
    may round operands of f32 to TF32.

    **Constraints**
    - (gemm_c1) extents are positive; a batch has at most 4 dimensions.
    - (gemm_c2) strides are not negative; rows or columns of A and B, and rows of
      C, have stride 1.
    - (gemm_c3) A, B, C and the residual have the bytes of their elements.
    - (gemm_c4) A and B are of f32, bf16 or f16, C of the same type or of f32.
  }];
}
/// A collective of a unit's line, on the communicator of this number. Without `segments` it exchanges whole shards:
/// rank r's stands at element r * count of the line. With them it exchanges
/// these, pairs of offset and elements in the shard, and each on its own: rank
/// r's part of one stands at element ranks * offset + r * elements of the line.
class FsdpRt_LineCollective<string mnemonic> : FsdpRt_Dispatch<mnemonic,
    (ins TypeAttr:$dtype, I64Attr:$count, I64Attr:$payload_bytes,
         OptionalAttr<DenseI64ArrayAttr>:$segments, I64Attr:$communicator),
    "$dtype `count` $count `payload` $payload_bytes (`segments` $segments^)? `by` $communicator">;
def FsdpRt_AllGatherOp : FsdpRt_LineCollective<"all_gather"> {
  let summary = "shard (count elements) -> line (ranks * count)";
  let description = [{
    With `segments`, pairs of offset and elements in the shard, several gathers
    in one: rank r's part of each stands at element ranks * offset + r *
    elements of the line.

    **Constraints**
    - (collective_c1) the line has the bytes of whole shards.
  }];
}
def FsdpRt_ReduceScatterOp : FsdpRt_LineCollective<"reduce_scatter"> {
  let summary = "line (ranks * count) -> summed shard (count)";
  let description = [{
    With `segments` as for `all_gather`; what no segment holds of the shard
    becomes 0. Where the target's ranks sum by themselves, scratch is the last
    argument.

    **Constraints**
    - (collective_c1) the line has the bytes of whole shards.
    - (collective_c2) scratch, if there is any, has those of the line.
  }];
}
def FsdpRt_AllReduceOp : FsdpRt_Dispatch<"all_reduce",
    (ins TypeAttr:$dtype, I64Attr:$count, I64Attr:$communicator),
    "$dtype `count` $count `by` $communicator"> {
  let summary = "sum of a small buffer over the ranks";
  let description = [{
    In place, with scratch as for `reduce_scatter`.

    **Constraints**
    - (collective_c2) scratch, if there is any, has at least the bytes of the
      buffer.
  }];
}
def FsdpRt_FillOp : FsdpRt_Dispatch<"fill", (ins I64Attr:$byte),
    "`byte` $byte"> {
  let summary = "fills a range with one byte";
}
def FsdpRt_CopyOp : FsdpRt_Dispatch<"copy", (ins), ""> {
  let summary = "copies the first argument's bytes to the second";
  let description = [{
    **Constraints**
    - (copy_c1) the arguments have as many bytes.
  }];
}
def FsdpRt_ConstantOp : FsdpRt_Dispatch<"constant", (ins ElementsAttr:$value),
    "$value"> {
  let summary = "writes data of the program to a buffer";
  let description = [{
    **Constraints**
    - (constant_c1) the data is dense, of numbers.
    - (constant_c2) it has less than 2^28 elements: it is in the program's code.
  }];
}
def FsdpRt_LoadOp : FsdpRt_Dispatch<"load",
    (ins I64Attr:$unit_index, I64Attr:$line), "$unit_index `line` $line"> {
  let summary = "fills a shard from weights or initialisers";
}
def FsdpRt_StoreOp : FsdpRt_Dispatch<"store",
    (ins I64Attr:$unit_index, I64Attr:$line), "$unit_index `line` $line"> {
  let summary = "hands a gathered line to the checkpoint writer";
}
def FsdpRt_JoinOp : FsdpRt_Dispatch<"join", (ins), ""> {
  let summary = "waits until every stream is idle";
}

#endif
