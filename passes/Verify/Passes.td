//===- Passes.td - What must hold at the end of each stage -*- tablegen -*-===//
include "mlir/Pass/PassBase.td"

def TrainVerify : Pass<"train-verify", "::mlir::ModuleOp"> {
  let summary = "checks a training step on whole tensors";
  let description = [{
    - (train_v1) no op of the model is left that the compiler does not know.
    - (train_v2) every gradient has been consumed by an update.
    - (train_v3) a parameter is updated at most once, and only if it may be
      trained.
    - (train_v4) what is marked as computed again stands in backward and reads a
      barrier's result or something else that is computed again; so do barriers
      stand in backward.
  }];
}

def FsdpVerify : Pass<"fsdp-verify", "::mlir::ModuleOp"> {
  let summary = "checks a sharded step";
  let description = [{
    - (fsdp_v1) no parameter stands in two lines.
    - (fsdp_v2) a collective that was started is waited for exactly once.
    - (fsdp_v3) gathered parameters are released exactly once.
    - (fsdp_v4) nothing reads a gathered parameter, or what is computed from
      parameters alone, after the release.
    - (fsdp_v5) of the units beside the root that are resharded after forward at
      most two are gathered, or being gathered, at once, or one more than the
      largest depth of prefetch that a policy has.
    - (fsdp_v6) every trainable line is reduced once and then updated once.
    - (fsdp_v7) no parameter is read or updated but through its shards.
    - (fsdp_v8) no line is gathered after its update.
    - (fsdp_v9) every trainable line is accumulated once, or none is; behind
      `train.update_begin` nothing is gathered, only what has been accumulated
      before is reduced, and nothing else reads a gradient of one microbatch;
    - (fsdp_v10) before `train.microbatch_begin`, where there is one, everything
      is gathered that a step gathers, and nothing else happens.
    - (fsdp_v11) where backward begins no unit is gathered that is resharded after
      forward, and what is not resharded is gathered once.
  }];
}

def FsdpRtVerify : Pass<"fsdprt-verify", "::mlir::ModuleOp"> {
  let summary = "checks buffers, offsets and the order of a planned program";
  let description = [{
    - (fsdprt_v1) phases hold dispatches alone, arguments are ranges of
      declared buffers, and nothing is read before it is written.
    - (fsdprt_v2) every buffer lies inside its arena, and an arena ends with
      its last buffer.
    - (fsdprt_v3) buffers that are alive together do not share bytes.
    - (fsdprt_v4) two dispatches that touch the same bytes, one of them writing,
      are ordered by their streams and events.
    - (fsdprt_v5) every phase ends by joining all streams.
    - (fsdprt_v6) a collective is by a declared communicator, which has a number
      of its own, on its stream, and its line has a shard for each of its ranks.
    - (fsdprt_v7) all ranks issue the same collectives in the same order on each
      communicator, in the same phases, and have the same communicators.
    - (fsdprt_v8) no dispatch waits for itself, through whatever rank.
    - (fsdprt_v9) segments of a collective ascend, do not overlap, and end with
      the shard.
    - (fsdprt_v10) no dispatch writes, through one argument, bytes that it
      reads or writes through another, but a launch the whole range of an
      operand that the kernel's `fsdprt.in_place` allows.
    - (fsdprt_v11) the phases of a step stand in the order in which they run;
      a buffer lives in phases that there are and that use it; only what a
      microbatch writes lives longer than its phase, up to the update.
    - (fsdprt_v12) what is gathered for all microbatches of a step, in buffers of
      no phase, is written by phases that run `gather` alone.

    All ranks run one program, and two coordinates of each axis of the mesh stand
    for any number; with `peers` the other ranks run those, which
    tells if programs that were compiled apart can train together:
    `fsdp-opt plan.mlir --fsdprt-verify=peers=other.mlir`.
  }];
  let options = [
    ListOption<"peers", "peers", "std::string",
               "files with the programs of rank 1, 2, ...; default: the same">
  ];
}

def FsdpRtVerifyCopies : Pass<"fsdprt-verify-copies", "::mlir::ModuleOp"> {
  let summary = "checks that a step moves no parameters and gradients about";
  let description = [{
    Of the phases that run each step:
    - (copies_v1) no dispatch copies bytes of a shard, of gathered parameters,
      or of gradients, whole or reduced.
    - (copies_v2) no kernel that only rearranges or casts all that it reads
      reads such bytes alone, or writes them.

    What a step must copy is not an error of the program, so this is no part of
    the pipeline: `local_copy_bytes` of `fsdp-run` counts it.
  }];
}

def ProgramVerify : Pass<"program-verify", "::mlir::ModuleOp"> {
  let summary = "checks that a planned program has what the runtime needs";
  let description = [{
    - (program_v1) there are phases that run once and each microbatch.
    - (program_v2) every role is one that the runtime fills or reads, with a
      type, and one buffer has the tokens [batch, seq].
    - (program_v3) every kernel that is launched is in the program, as a module
      with a function of its name that returns the results of one `train.kernel`
      of its arguments, tensors of known size.
    - (program_v4) every line of every unit is loaded once, whole, and what
      names a line numbers it so.
    - (program_v5) arenas and communicators are numbered as they stand, these
      with names of their own.
    - (program_v6) data that a parameter has in the program is dense, and has at
      most 2^28 elements.
    - (program_v7) a reduce_scatter and an all_reduce have scratch for what all
      ranks add where the target sums there, and none where it does not.
    - (program_v8) communicators go over axes of the mesh.
    - (program_v9) the arguments of a launch have the bytes and uses of its
      kernel's operands and results, and on a GPU begin at multiples of 16
      bytes.
    - (program_v10) each buffer that the optimizer keeps is a named state of a
      line, with an element for each of its shard, of the type that the line's
      rules keep it in, so that checkpoints hold it.
  }];
}
