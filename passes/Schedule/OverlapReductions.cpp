//===- OverlapReductions.cpp - Reduce-scatters beside backward ------------===//
//
//   %p1 = fsdp.reduce_scatter_start "h.1"       %p1 = ... "h.1"
//   %s1 = fsdp.wait %p1                         ... backward of h.0 ...
//   ... backward of h.0 ...                ->   %s1 = fsdp.wait %p1
//   %p0 = fsdp.reduce_scatter_start "h.0"       %p0 = ... "h.0"
//   %s0 = fsdp.wait %p0                         %s0 = fsdp.wait %p0
//
//===----------------------------------------------------------------------===//
#include "passes/Schedule/Passes.h"
#include "passes/Support/Step.h"

namespace fsdp {
#define GEN_PASS_DEF_FSDPOVERLAPREDUCTIONS
#include "passes/Schedule/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;
using namespace fsdp::sharding;

namespace {
struct OverlapReductions
    : public fsdp::impl::FsdpOverlapReductionsBase<OverlapReductions> {
  using FsdpOverlapReductionsBase::FsdpOverlapReductionsBase;

  void runOnOperation() override {
    func::FuncOp func = getFunction(getOperation(), kStep);
    if (!func)
      return signalPassFailure();
    if (inFlight < 0) {
      getOperation().emitError("in-flight is ")
          << int64_t(inFlight) << ", expected 0 or more";
      return signalPassFailure();
    }
    // The lines of a unit are reduced together.
    SmallVector<SmallVector<ReduceScatterStartOp, 1>> units;
    for (auto start : func.getBody().front().getOps<ReduceScatterStartOp>()) {
      if (units.empty() || units.back().front().getUnit() != start.getUnit())
        units.emplace_back();
      units.back().push_back(start);
    }
    Block &block = func.getBody().front();
    Operation *end = findOp<train::UpdateBeginOp>(block);
    if (!end)
      end = block.getTerminator();
    for (size_t i = 0; inFlight > 0 && i < units.size(); ++i) {
      size_t next = i + inFlight;
      Operation *place = next < units.size() ? units[next].front() : end;
      // Behind the microbatches nothing computes: each waits as late as it can.
      if (next >= units.size() && end->isBeforeInBlock(units[i].front()))
        place = block.getTerminator();
      for (ReduceScatterStartOp start : units[i])
        sinkWait(start, place);
    }
  }

  /// Moves the wait for `start` down to `place`, or to its first user.
  static void sinkWait(ReduceScatterStartOp start, Operation *place) {
    for (Operation *wait : start.getPending().getUsers()) {
      for (Operation *user : wait->getUsers())
        if (user->isBeforeInBlock(place))
          place = user;
      if (wait->isBeforeInBlock(place))
        wait->moveBefore(place);
    }
  }
};
} // namespace
