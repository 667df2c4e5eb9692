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
#include "passes/Schedule/UnitDepths.h"
#include "passes/Support/Step.h"

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

  void prefetch(const UnitDepths &depths) {
    size_t next = 1; // the first that nothing has started ahead of its wait
    for (auto [i, stretch] : llvm::enumerate(stretches)) {
      next = std::max(next, i + 1);
      size_t end = i + 1 + depths.of(stretch.unit);
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
    auto depths = [&](StringRef flag, ArrayRef<std::string> rules) {
      return UnitDepths::parse(getOperation(), flag, rules, 1);
    };
    FailureOr<UnitDepths> ahead = depths("--prefetch-forward", forward);
    FailureOr<UnitDepths> back = depths("--prefetch-backward", backward);
    if (!getFunction(getOperation(), kStep) || failed(ahead) || failed(back))
      return signalPassFailure();
    for (func::FuncOp func : getReaders(getOperation()))
      if (!findOp<train::MicrobatchBeginOp>(func.getBody().front()))
        prefetch(func, *ahead, *back);
    int64_t depth = std::max(ahead->largest(), back->largest());
    if (depth > 1)
      getOperation()->setAttr(
          kMaxGathered, Builder(&getContext()).getI64IntegerAttr(depth + 1));
  }

  void prefetch(func::FuncOp func, const UnitDepths &ahead,
                const UnitDepths &back) {
    Direction directions[2];
    bool isBackward = false;
    for (Operation &op : func.getBody().front()) {
      if (auto wait = dyn_cast<WaitOp>(op))
        if (auto start = wait.getPending().getDefiningOp<AllGatherStartOp>())
          directions[isBackward].add(start, wait,
                                     start.getUnit() == rootName());
      if (isa<train::BackwardBeginOp>(op)) {
        isBackward = true;
        directions[isBackward].addGathered(rootName(), &op);
      }
    }
    directions[0].prefetch(ahead);
    directions[1].prefetch(back);
  }

  StringRef rootName() {
    for (auto unit : getOperation().getOps<UnitOp>())
      if (unit.getRoot())
        return unit.getSymName();
    return "";
  }
};
} // namespace
