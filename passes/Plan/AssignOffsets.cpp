//===- AssignOffsets.cpp - Every buffer's place in an arena ---------------===//
//
//   fsdprt.buffer 7 "h.0.fc" activation ... bytes 4096 arena 1 at -1
// becomes
//   fsdprt.buffer 7 "h.0.fc" activation ... bytes 4096 arena 1 at 65536
// and an fsdprt.arena is added for each arena.
//
//===----------------------------------------------------------------------===//
#include "passes/Plan/Buffers.h"
#include "passes/Plan/Lifetimes.h"
#include "passes/Plan/Passes.h"

#include "llvm/Support/MathExtras.h"

namespace fsdp {
#define GEN_PASS_DEF_PLANASSIGNOFFSETS
#include "passes/Plan/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

namespace {
constexpr int64_t kAlignment = 64;

struct Item {
  rt::BufferOp op;
  Lifetime life;
  int64_t bytes() const { return rt::BufferOp(op).getBytes(); }
};

bool overlap(const Lifetime &a, const Lifetime &b) {
  return a.first <= b.last && b.first <= a.last;
}

/// Places `items` in their order, each into the smallest gap between the
/// buffers alive with it that holds it; offsets by place, and the arena's end.
int64_t placeBestFit(ArrayRef<Item> items, SmallVectorImpl<int64_t> &offsets) {
  int64_t end = 0;
  offsets.assign(items.size(), 0);
  SmallVector<std::pair<int64_t, int64_t>> taken; // [begin, end)
  for (size_t i = 0; i < items.size(); ++i) {
    taken.clear();
    for (size_t j = 0; j < i; ++j)
      if (overlap(items[i].life, items[j].life))
        taken.push_back({offsets[j], offsets[j] + items[j].bytes()});
    llvm::sort(taken);
    int64_t size = items[i].bytes(), cursor = 0, best = -1, bestGap = INT64_MAX;
    for (auto [begin, finish] : taken) {
      int64_t gap = begin - cursor;
      if (gap >= size && gap < bestGap) {
        best = cursor;
        bestGap = gap;
      }
      cursor = std::max<int64_t>(cursor, llvm::alignTo(finish, kAlignment));
    }
    offsets[i] = best >= 0 ? best : cursor;
    end = std::max(end, offsets[i] + size);
  }
  return end;
}

/// Most bytes alive at one point: no arena can be smaller.
int64_t liveBytes(ArrayRef<Item> items) {
  std::map<int64_t, int64_t> change;
  for (const Item &item : items) {
    change[item.life.first] += item.bytes();
    change[item.life.last + 1] -= item.bytes();
  }
  int64_t live = 0, most = 0;
  for (auto [point, delta] : change)
    most = std::max(most, live += delta);
  return most;
}

struct AssignOffsets : public fsdp::impl::PlanAssignOffsetsBase<AssignOffsets> {
  using PlanAssignOffsetsBase::PlanAssignOffsetsBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (!module.getOps<rt::ArenaOp>().empty()) {
      module.emitError("offsets are assigned already");
      return signalPassFailure();
    }
    FailureOr<DenseMap<int64_t, Lifetime>> lives = computeLifetimes(module);
    if (failed(lives))
      return signalPassFailure();
    int64_t stateEnd = 0, workEnd = 0;
    mostLive = 0;
    llvm::MapVector<StringRef, SmallVector<Item>> phases;
    for (auto buffer :
         llvm::make_early_inc_range(module.getOps<rt::BufferOp>())) {
      if (buffer.getPhase().empty()) {
        int64_t offset = llvm::alignTo(stateEnd, kAlignment);
        buffer.setOffset(offset);
        stateEnd = offset + buffer.getBytes();
      } else if (lives->contains(buffer.getId())) {
        phases[buffer.getPhase()].push_back(
            {buffer, lives->lookup(buffer.getId())});
      } else {
        buffer.erase(); // no dispatch uses it
      }
    }
    for (auto &[name, items] : phases)
      workEnd = std::max(workEnd, placePhase(items));
    addArenas(stateEnd, workEnd);
    peakBytes = stateEnd + workEnd;
  }

  /// Tries several orders; returns the end of the best.
  int64_t placePhase(SmallVector<Item> &items) {
    mostLive = std::max(mostLive, ::liveBytes(items));
    liveBytes = mostLive;
    auto span = [](const Item &item) {
      return item.life.last - item.life.first + 1;
    };
    auto bySize = [&](const Item &a, const Item &b) {
      return a.bytes() > b.bytes();
    };
    auto byLife = [&](const Item &a, const Item &b) {
      return span(a) > span(b);
    };
    auto byLifeClass = [&](const Item &a, const Item &b) {
      auto classOf = [&](const Item &i) { return llvm::Log2_64(span(i)); };
      return std::pair(classOf(a), a.bytes()) >
             std::pair(classOf(b), b.bytes());
    };
    llvm::function_ref<bool(const Item &, const Item &)> orders[] = {
        bySize, byLifeClass, byLife};
    int64_t bestEnd = INT64_MAX;
    for (auto &order : orders) {
      std::stable_sort(items.begin(), items.end(), order);
      SmallVector<int64_t> offsets;
      int64_t end = placeBestFit(items, offsets);
      if (end >= bestEnd)
        continue;
      bestEnd = end;
      for (auto [item, offset] : llvm::zip(items, offsets))
        item.op.setOffset(offset);
    }
    return bestEnd;
  }

  int64_t mostLive = 0; ///< over the phases

  void addArenas(int64_t stateEnd, int64_t workEnd) {
    OpBuilder builder = OpBuilder::atBlockBegin(getOperation().getBody());
    Location loc = getOperation().getLoc();
    builder.create<rt::ArenaOp>(loc, "state", kStateArena, stateEnd, true);
    builder.create<rt::ArenaOp>(loc, "work", kWorkArena, workEnd, false);
  }
};
} // namespace
