//===- AssignOffsets.cpp - Every buffer's place in an arena ---------------===//
//
//   fsdprt.buffer 7 "h.0.fc" activation ... bytes 4096 arena 1 at -1
// becomes
//   fsdprt.buffer 7 "h.0.fc" activation ... bytes 4096 arena 1 at 65536
// and an fsdprt.arena is added for each arena.
//
//===----------------------------------------------------------------------===//
#include "passes/Plan/Buffers.h"
#include "passes/Plan/OffsetSearch.h"
#include "passes/Plan/Passes.h"
#include "passes/Target/Target.h"

#include "llvm/Support/MathExtras.h"

namespace fsdp {
#define GEN_PASS_DEF_PLANASSIGNOFFSETS
#include "passes/Plan/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

namespace {
struct AssignOffsets : public fsdp::impl::PlanAssignOffsetsBase<AssignOffsets> {
  using PlanAssignOffsetsBase::PlanAssignOffsetsBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (!module.getOps<rt::ArenaOp>().empty()) {
      module.emitError("offsets are assigned already");
      return signalPassFailure();
    }
    FailureOr<DenseMap<int64_t, Lifetime>> lives = computeLifetimes(module);
    FailureOr<std::unique_ptr<Target>> target = getTarget(module);
    if (failed(lives) || failed(target))
      return signalPassFailure();
    alignment = (*target)->getAlignment();
    int64_t workEnd = 0;
    DenseMap<int64_t, int64_t> ends; // of what lives over phases, by arena
    mostLive = 0;
    PhaseOrder order(module);
    SmallVector<size_t> groups = groupPhases(order);
    llvm::MapVector<size_t, SmallVector<rt::BufferOp>> phases;
    for (auto buffer :
         llvm::make_early_inc_range(module.getOps<rt::BufferOp>())) {
      if (buffer.getPhase().empty()) {
        int64_t &end = ends[buffer.getArena()];
        buffer.setOffset(llvm::alignTo(end, alignment));
        end = buffer.getOffset() + buffer.getBytes();
      } else if (lives->contains(buffer.getId())) {
        phases[groups[*order.find(buffer.getPhase())]].push_back(buffer);
      } else {
        buffer.erase(); // no dispatch uses it
      }
    }
    for (auto &[group, buffers] : phases)
      workEnd = std::max(workEnd, placePhases(buffers, *lives));
    addArenas(ends[kStateArena], workEnd, ends[kAccumulateArena]);
    peakBytes = plannedPeak(module);
  }

  /// For each phase the first of those that buffers tie it to: they are placed
  /// together.
  SmallVector<size_t> groupPhases(const PhaseOrder &order) {
    auto groups = llvm::to_vector(llvm::seq<size_t>(order.getPhases().size()));
    for (auto buffer : getOperation().getOps<rt::BufferOp>())
      if (!buffer.getPhase().empty() && buffer.getUntil())
        for (size_t i = *order.find(buffer.getPhase()),
                    last = *order.find(*buffer.getUntil()), group = groups[i];
             i <= last; ++i)
          groups[i] = std::min(groups[i], group);
    return groups;
  }

  /// Places the buffers of phases; returns the end of the highest.
  int64_t placePhases(ArrayRef<rt::BufferOp> buffers,
                      const DenseMap<int64_t, Lifetime> &lives) {
    SmallVector<Occupant> occupants;
    for (rt::BufferOp buffer : buffers)
      occupants.push_back(
          {int64_t(buffer.getBytes()), lives.lookup(buffer.getId())});
    mostLive = std::max(mostLive, ::fsdp::liveBytes(occupants));
    liveBytes = mostLive;
    auto [offsets, end] = searchOffsets(occupants, alignment);
    for (auto [buffer, offset] : llvm::zip(buffers, offsets))
      rt::BufferOp(buffer).setOffset(offset);
    return end;
  }

  int64_t mostLive = 0; ///< over the phases
  int64_t alignment = 1;

  void addArenas(int64_t stateEnd, int64_t workEnd, int64_t accumulateEnd) {
    OpBuilder builder = OpBuilder::atBlockBegin(getOperation().getBody());
    Location loc = getOperation().getLoc();
    rt::RunsAttr any;
    builder.create<rt::ArenaOp>(loc, "state", kStateArena, stateEnd, true, any);
    builder.create<rt::ArenaOp>(loc, "work", kWorkArena, workEnd, false, any);
    if (accumulateEnd)
      builder.create<rt::ArenaOp>(
          loc, "accumulate", kAccumulateArena, accumulateEnd, true,
          rt::RunsAttr::get(&getContext(), rt::Runs::Accumulate));
  }
};
} // namespace
