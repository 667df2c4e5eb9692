//===- Passes.td - When collectives run --------------------*- tablegen -*-===//
include "mlir/Pass/PassBase.td"

class Fsdp_SchedulePass<string flag> : Pass<flag, "::mlir::ModuleOp"> {
  let dependentDialects = ["::fsdp::sharding::FsdpDialect"];
}

def FsdpPrefetch : Fsdp_SchedulePass<"fsdp-prefetch"> {
  let summary = "starts all-gathers ahead of their use";
  let description = [{
    While a unit computes, the gathers of the next units run: with the depth N
    that its policy has for the direction, the starts of the next N gathers of
    the same direction are moved right behind the unit's own wait. What the root
    unit computes at the beginning of forward and of backward counts as a unit,
    and so does, in backward, one that stayed gathered. Depth 0 leaves each start
    at its wait. At most N + 1 units that are resharded after forward are
    gathered at once, beside the root.

    FSDP2 prefetches implicitly in forward, since its host runs ahead, and one
    unit deep in backward.
  }];
}

def FsdpOverlapReductions : Fsdp_SchedulePass<"fsdp-overlap-reductions"> {
  let summary = "waits for reduce-scatters after the next unit's backward";
  let description = [{
    Moves the wait for a reduce-scatter down to where `in-flight` later units
    have started theirs, or to the first use of its shards: meanwhile the next
    units' backward computes. A unit's gradients stay in memory until the
    wait, so at most `in-flight` + 1 units' are alive; FSDP2 has 1.
  }];
  let options = [
    Option<"inFlight", "in-flight", "int64_t", "1",
           "reduce-scatters under way while backward computes">];
}

def FsdpSinkGradients : Fsdp_SchedulePass<"fsdp-sink-gradients"> {
  let summary = "computes gradients of weights as late as memory likes";
  let description = [{
    A line's buffer of gradients, as large as the gathered line, is alive from
    its first gradient on. The first of the ops that lead to a reduce-scatter
    alone are moved down in their order: as far as the operands that they hold
    meanwhile are smaller than the line; else behind the release of the gathered
    line where that makes the most that is in memory together smaller; else they
    stay.
  }];
}
