//===- Passes.td - From one device to a mesh ---------------*- tablegen -*-===//
include "mlir/Pass/PassBase.td"

class Fsdp_ShardPass<string flag> : Pass<flag, "::mlir::ModuleOp"> {
  let dependentDialects = ["::fsdp::sharding::FsdpDialect"];
}

def FsdpAssignUnits : Fsdp_ShardPass<"fsdp-assign-units"> {
  let summary = "groups parameters into FSDP units and lays them over a mesh";
  let description = [{
    A unit is a module: each parameter belongs to the unit whose path is the
    longest prefix of its name, a tied parameter to the nearest common one, the
    rest to the root unit. Without `units`, the elements of the outermost
    module lists are units (`transformer.h.0`). A unit's parameters of one
    dtype that the optimizer keeps the same states of, or that nothing updates,
    form a line; those of one rule lie beside each other, those that decay
    first. With
    `param-dtype` a line of f32 parameters gets shards in that type beside its
    own, which the step gathers; with `reduce-dtype` its gradients are reduced
    in that type. `placement` says how a line is cut over the ranks: `flat`
    anywhere, `dim0` each parameter between rows. The step is not changed.
  }];
  let options = [
    Option<"mesh", "mesh", "std::string", "\"shard=1\"",
           "axes and sizes, outermost first: shard=8">,
    ListOption<"units", "units", "std::string",
               "module paths (glob patterns) that are units">,
    Option<"paramDtype", "param-dtype", "std::string", "\"\"",
           "float32, bfloat16 or float16: what a step gathers f32 parameters in">,
    Option<"reduceDtype", "reduce-dtype", "std::string", "\"\"",
           "float32, bfloat16 or float16: what their gradients are reduced in">,
    Option<"placement", "placement", "std::string", "\"flat\"",
           "flat or dim0: how lines are cut">];
  let statistics = [Statistic<"numUnits", "units", "units, root included">];
}

def FsdpApplyStrategy : Fsdp_ShardPass<"fsdp-apply-strategy"> {
  let summary = "gives each unit the policy that the user asks for";
  let description = [{
    Options speak of all units (`2`) or of those that a pattern matches
    (`h.*=2`; the last one that does holds); the root is called `(root)`. What
    they do not speak of stays as the unit's policy has it. No later pass has
    options of this kind: it reads `#fsdp.policy`.
  }];
  let options = [
    ListOption<"reshardAfterForward", "reshard-after-forward", "std::string",
               "true or false, or PATTERN=true for units (default true, the "
               "root's false)">,
    ListOption<"prefetchForward", "prefetch-forward", "std::string",
               "depth in forward: N, or PATTERN=N for units (default 1)">,
    ListOption<"prefetchBackward", "prefetch-backward", "std::string",
               "depth in backward: N, or PATTERN=N for units (default 1)">];
  let statistics = [Statistic<"numKept", "kept",
                              "units that stay gathered until backward">];
}

def FsdpInsertGathers : Fsdp_ShardPass<"fsdp-insert-gathers"> {
  let summary = "reads parameters through all-gathers";
  let description = [{
    Every `onnx.read` in `@step` becomes a result of an all-gather of its unit.
    There is one for each visit: a stretch of forward or of backward that reads
    the parameters of this unit and of no other but the root. So a module that
    is called several times (a looped block) is gathered for each call and for
    the backward of each. It is released after the visit's last use. A unit that
    is not resharded after forward, as the root unless its policy says so, is
    gathered once and stays until its last use in backward. Chains
    computed from parameters alone are computed in each visit that uses them, so
    that no full weight lives from one visit to the next.

    With `accumulate-gathered` each line is gathered once for all microbatches of
    a step, before `train.microbatch_begin`, and released behind the backward.
    That of FSDP2's `set_reshard_after_backward(False)`.
  }];
  let options = [
    Option<"accumulateGathered", "accumulate-gathered", "bool", "false",
           "gather once for all microbatches of a step">];
  let statistics = [
    Statistic<"numGathers", "gathers", "all-gathers in a step">,
    Statistic<"numCloned", "cloned", "ops on weights alone computed once more for another visit">];
}

def FsdpInsertReductions : Fsdp_ShardPass<"fsdp-insert-reductions"> {
  let summary = "reduces gradients to shards and updates shards";
  let description = [{
    A line's gradients are reduce-scattered right after the last of them is
    computed; norm, clipping and optimizer work on the shards; sums over the
    ranks become all-reduces. Where the step has microbatches, each sums up its
    reduced gradients behind `train.update_begin`; with `accumulate-sync=last`
    whole gradients are summed up, and reduced there once.
  }];
  let options = [Option<"accumulateSync", "accumulate-sync", "std::string",
                        "\"every\"", "every or last">];
  let statistics = [Statistic<"numReductions", "reductions",
                              "reduce-scatters in a step">];
}

def FsdpBuildPhases : Fsdp_ShardPass<"fsdp-build-phases"> {
  let summary = "adds the phases init and export";
  let description = [{
    `@init` loads or initialises every line's shards; `@export` gathers one line
    after the other and hands it to the checkpoint writer.
  }];
}
