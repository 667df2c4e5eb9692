//===- Simulate.h - A phase on streams and events ---------------*- C++ -*-===//
#ifndef FSDP_PASSES_PLAN_SIMULATE_H
#define FSDP_PASSES_PLAN_SIMULATE_H

#include "dialects/FsdpRt/FsdpRt.h"

namespace fsdp {
/// When a dispatch runs, in seconds from the start of its phase.
struct SimulatedDispatch {
  double issued = 0; ///< when the issuing thread reaches it
  double start = 0;
  double end = 0;
};

/// Runs `phase` in the order of the runtime (runtime/device/ComputeStream.h,
/// CommunicationThread.h): with `computesAtIssue` the issuing thread runs
/// compute as it comes and sleeps until its events are recorded, else (a GPU,
/// whose host is ahead) it is a stream like others; any other dispatch starts
/// after its issue, after the one before it on its stream and after its events.
/// `seconds` is the time of each dispatch once it runs. What one communication
/// thread does for several streams at once (sums, copies of a rank's own part)
/// counts as if there were one thread a stream.
llvm::SmallVector<SimulatedDispatch>
simulate(rt::PhaseOp phase, bool computesAtIssue,
         llvm::function_ref<double(mlir::Operation &)> seconds);
} // namespace fsdp

#endif // FSDP_PASSES_PLAN_SIMULATE_H
