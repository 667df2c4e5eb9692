//===- Prefetch.cpp - All-gathers ahead of their use ----------------------===//
//
//   %a = fsdp.wait %pa                    %a = fsdp.wait %pa
//   ... h.0 computes ...                  %pb = fsdp.all_gather_start "h.1" ...
//   fsdp.release "h.0" (%a)       ->      ... h.0 computes ...
//   %pb = fsdp.all_gather_start "h.1"     fsdp.release "h.0" (%a)
//   %b = fsdp.wait %pb                    %b = fsdp.wait %pb
//
//===----------------------------------------------------------------------===//
#include "passes/Schedule/Passes.h"
#include "passes/Support/Step.h"

#include "llvm/ADT/StringSet.h"

namespace fsdp {
#define GEN_PASS_DEF_FSDPPREFETCH
#include "passes/Schedule/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;
using namespace fsdp::sharding;

namespace {
/// A stretch of the step in which one unit computes, from `begin` on, and the
/// gathers that bring its parameters (none: it is gathered already).
struct Stretch {
  StringRef unit;
  Operation *begin;
  SmallVector<AllGatherStartOp, 1> starts;
};

/// The stretches of one direction, in order: one for each visit of a unit,
/// whose lines are gathered together, and one for the root.
class Direction {
public:
  void add(AllGatherStartOp start, WaitOp wait, bool isRoot) {
    for (Stretch &stretch : llvm::reverse(stretches)) {
      if (stretch.unit == start.getUnit()) {
        stretch.starts.push_back(start);
        return;
      }
      if (!isRoot)
        break;
    }
    stretches.push_back({start.getUnit(), wait, {start}});
  }
  void addGathered(StringRef unit, Operation *begin) {
    stretches.push_back({unit, begin, {}});
  }

  /// `depthOf`: how many stretches are gathered for while a unit computes.
  void prefetch(llvm::function_ref<int64_t(StringRef)> depthOf) {
    size_t next = 1; // the first that nothing has started ahead of its wait
    for (auto [i, stretch] : llvm::enumerate(stretches)) {
      next = std::max(next, i + 1);
      size_t end = i + 1 + depthOf(stretch.unit);
      Operation *place = stretch.begin;
      for (; next < std::min(end, stretches.size()); ++next)
        for (AllGatherStartOp start : stretches[next].starts)
          place = moveAfter(start, place);
    }
  }

private:
  /// Moves a start and the reading of its shards; the last op moved.
  static Operation *moveAfter(AllGatherStartOp start, Operation *place) {
    Operation *read = start.getShards().front().getDefiningOp();
    read->moveAfter(place);
    start->moveAfter(read);
    return start;
  }

  SmallVector<Stretch> stretches;
};

struct Prefetch : public fsdp::impl::FsdpPrefetchBase<Prefetch> {
  using FsdpPrefetchBase::FsdpPrefetchBase;

  void runOnOperation() override {
    if (!getFunction(getOperation(), kStep))
      return signalPassFailure();
    policies.clear(); // of another module
    for (auto unit : getOperation().getOps<UnitOp>())
      policies[unit.getSymName()] = unit.getEffectivePolicy();
    for (func::FuncOp func : getReaders(getOperation()))
      if (!findOp<train::MicrobatchBeginOp>(func.getBody().front()))
        prefetch(func);
  }

  void prefetch(func::FuncOp func) {
    Direction directions[2];
    bool isBackward = false;
    llvm::StringSet<> computing; // in backward, of those that stayed gathered
    for (Operation &op : func.getBody().front()) {
      for (StringRef unit : unitsKeptFor(op))
        if (isBackward && computing.insert(unit).second)
          directions[isBackward].addGathered(unit, op.getPrevNode());
      if (auto wait = dyn_cast<WaitOp>(op))
        if (auto start = wait.getPending().getDefiningOp<AllGatherStartOp>())
          directions[isBackward].add(start, wait,
                                     start.getUnit() == rootName());
      if (isa<train::BackwardBeginOp>(op)) {
        isBackward = true;
        directions[isBackward].addGathered(rootName(), &op);
      }
    }
    directions[0].prefetch(
        [&](StringRef unit) { return policyOf(unit).getPrefetchForward(); });
    directions[1].prefetch(
        [&](StringRef unit) { return policyOf(unit).getPrefetchBackward(); });
  }

  /// The units beside the root that `op` reads and that are not resharded after
  /// forward.
  SmallVector<StringRef, 1> unitsKeptFor(Operation &op) {
    SmallVector<StringRef, 1> units;
    for (Value operand : op.getOperands())
      if (auto wait = operand.getDefiningOp<WaitOp>())
        if (auto start = wait.getPending().getDefiningOp<AllGatherStartOp>();
            start && start.getUnit() != rootName() && !isa<ReleaseOp>(op) &&
            !policyOf(start.getUnit()).getReshardAfterForward())
          units.push_back(start.getUnit());
    return units;
  }

  StringRef rootName() {
    for (auto unit : getOperation().getOps<UnitOp>())
      if (unit.getRoot())
        return unit.getSymName();
    return "";
  }

  PolicyAttr policyOf(StringRef unit) {
    PolicyAttr policy = policies.lookup(unit);
    return policy ? policy : PolicyAttr::get(&getContext(), true, 1, 1);
  }

  llvm::StringMap<PolicyAttr> policies; ///< by unit
};
} // namespace
