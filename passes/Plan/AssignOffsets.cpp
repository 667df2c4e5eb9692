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
    int64_t stateEnd = 0, workEnd = 0;
    mostLive = 0;
    llvm::MapVector<StringRef, SmallVector<rt::BufferOp>> phases;
    for (auto buffer :
         llvm::make_early_inc_range(module.getOps<rt::BufferOp>())) {
      if (buffer.getPhase().empty()) {
        int64_t offset = llvm::alignTo(stateEnd, alignment);
        buffer.setOffset(offset);
        stateEnd = offset + buffer.getBytes();
      } else if (lives->contains(buffer.getId())) {
        phases[buffer.getPhase()].push_back(buffer);
      } else {
        buffer.erase(); // no dispatch uses it
      }
    }
    for (auto &[name, buffers] : phases)
      workEnd = std::max(workEnd, placePhase(buffers, *lives));
    addArenas(stateEnd, workEnd);
    peakBytes = stateEnd + workEnd;
  }

  /// Places the buffers of one phase; returns the end of the highest.
  int64_t placePhase(ArrayRef<rt::BufferOp> buffers,
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

  void addArenas(int64_t stateEnd, int64_t workEnd) {
    OpBuilder builder = OpBuilder::atBlockBegin(getOperation().getBody());
    Location loc = getOperation().getLoc();
    builder.create<rt::ArenaOp>(loc, "state", kStateArena, stateEnd, true);
    builder.create<rt::ArenaOp>(loc, "work", kWorkArena, workEnd, false);
  }
};
} // namespace
