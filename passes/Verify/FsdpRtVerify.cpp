//===- FsdpRtVerify.cpp - Buffers, offsets, order -------------------------===//
//
// The model (DESIGN: streams and events): a rank issues its dispatches in one
// order; dispatches of a stream run in that order; a dispatch starts after the
// events it waits for. Everything else may run at any time, so two dispatches
// that touch the same bytes must be ordered by these rules alone.
//
//===----------------------------------------------------------------------===//
#include "passes/Plan/Lifetimes.h"
#include "passes/Plan/StreamClocks.h"
#include "passes/Verify/Passes.h"

namespace fsdp {
#define GEN_PASS_DEF_FSDPRTVERIFY
#include "passes/Verify/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

namespace {
/// One argument's bytes in an arena.
struct Touch {
  Operation *op;
  size_t stream;
  int64_t place; ///< in its stream, from 1
  int64_t arena, begin, end;
  bool writes;
};

class PhaseVerifier {
public:
  PhaseVerifier(const DenseMap<int64_t, rt::BufferOp> &buffers)
      : buffers(buffers) {}

  /// Checks that every touch of a collective is ordered with all others: those
  /// of the compute stream are ordered among themselves.
  LogicalResult verify(rt::PhaseOp phase) {
    Block &block = phase.getBody().front();
    if (block.empty() || !isa<rt::JoinOp>(block.back()))
      return phase.emitOpError("does not end by joining all streams "
                               "(fsdprt_v5)");
    for (Operation &op : block)
      issue(op);
    auto lateFirst = [](const Touch &t) {
      return t.stream != size_t(rt::Stream::Compute);
    };
    for (auto [i, touch] : llvm::enumerate(touches)) {
      if (!lateFirst(touch))
        continue;
      for (auto [j, other] : llvm::enumerate(touches))
        if (failed(check(touch, other)))
          return failure();
    }
    return success();
  }

private:
  void issue(Operation &op) {
    const Clock &clock = clocks.issue(op);
    size_t stream = streamOf(op);
    for (auto arg :
         op.getAttrOfType<ArrayAttr>("args").getAsRange<rt::ArgAttr>()) {
      rt::BufferOp buffer = buffers.lookup(arg.getBuffer());
      int64_t begin = int64_t(buffer.getOffset()) + arg.getBegin();
      touches.push_back({&op, stream, clock[stream], int64_t(buffer.getArena()),
                         begin, begin + arg.getBytes(),
                         arg.getAccess() != rt::Access::Read});
    }
  }

  LogicalResult check(const Touch &a, const Touch &b) {
    if (a.stream == b.stream || !(a.writes || b.writes) || a.arena != b.arena ||
        a.begin >= b.end || b.begin >= a.end)
      return success();
    bool ordered = clocks.of(b.op)[a.stream] >= a.place ||
                   clocks.of(a.op)[b.stream] >= b.place;
    if (ordered)
      return success();
    auto diagnostic = a.op->emitOpError("touches bytes [")
                      << a.begin << ", " << a.end << ") of arena " << a.arena
                      << " without an event that orders it with another "
                         "dispatch (fsdprt_v4)";
    diagnostic.attachNote(b.op->getLoc()) << "the other dispatch: " << *b.op;
    return diagnostic;
  }

  const DenseMap<int64_t, rt::BufferOp> &buffers;
  std::vector<Touch> touches;
  StreamClocks clocks;
};

struct FsdpRtVerify : public fsdp::impl::FsdpRtVerifyBase<FsdpRtVerify> {
  using FsdpRtVerifyBase::FsdpRtVerifyBase;

  void runOnOperation() override {
    FailureOr<DenseMap<int64_t, Lifetime>> lives =
        computeLifetimes(getOperation());
    if (failed(lives) || failed(verifyArenas()) ||
        failed(verifyOverlap(*lives)))
      return signalPassFailure();
    DenseMap<int64_t, rt::BufferOp> buffers;
    for (auto buffer : getOperation().getOps<rt::BufferOp>())
      buffers[buffer.getId()] = buffer;
    for (auto phase : getOperation().getOps<rt::PhaseOp>())
      if (failed(PhaseVerifier(buffers).verify(phase)))
        return signalPassFailure();
  }

  LogicalResult verifyArenas() {
    DenseMap<int64_t, int64_t> ends;
    for (auto buffer : getOperation().getOps<rt::BufferOp>()) {
      int64_t offset = buffer.getOffset();
      if (offset < 0)
        return buffer.emitOpError("has no offset (fsdprt_v2)");
      int64_t &end = ends[buffer.getArena()];
      end = std::max(end, int64_t(offset + buffer.getBytes()));
    }
    for (auto arena : getOperation().getOps<rt::ArenaOp>()) {
      int64_t end = ends.lookup(arena.getIndex());
      ends.erase(arena.getIndex());
      if (int64_t(arena.getBytes()) != end)
        return arena.emitOpError("has ")
               << arena.getBytes() << " bytes, but its last buffer ends at "
               << end << " (fsdprt_v2)";
    }
    if (!ends.empty())
      return getOperation().emitError("buffers lie in arena ")
             << ends.begin()->first << ", which is not declared (fsdprt_v2)";
    return success();
  }

  /// Sweeps over each phase's issue order and keeps the buffers alive by
  /// offset, those of all phases from the start: a new one may not reach into
  /// a neighbour.
  LogicalResult verifyOverlap(const DenseMap<int64_t, Lifetime> &lives) {
    struct Change {
      int64_t place;
      bool starts;
      rt::BufferOp buffer;
    };
    using Alive = std::map<std::pair<int64_t, int64_t>, rt::BufferOp>;
    Alive persistent;
    llvm::MapVector<StringRef, SmallVector<Change>> phases;
    for (auto buffer : getOperation().getOps<rt::BufferOp>()) {
      if (buffer.getPhase().empty()) {
        if (failed(insert(persistent, {buffer.getArena(), buffer.getOffset()},
                          buffer)))
          return failure();
        continue;
      }
      Lifetime life = lives.lookup(buffer.getId());
      auto &changes = phases[buffer.getPhase()];
      changes.push_back({life.first, true, buffer});
      changes.push_back({life.last + 1, false, buffer});
    }
    for (auto &[name, changes] : phases) {
      llvm::stable_sort(changes, [](const Change &a, const Change &b) {
        return std::pair(a.place, a.starts) < std::pair(b.place, b.starts);
      });
      Alive alive = persistent;
      for (Change &change : changes) {
        rt::BufferOp buffer = change.buffer;
        std::pair<int64_t, int64_t> key(buffer.getArena(), buffer.getOffset());
        if (!change.starts)
          alive.erase(key);
        else if (failed(insert(alive, key, buffer)))
          return failure();
      }
    }
    return success();
  }

  static LogicalResult
  insert(std::map<std::pair<int64_t, int64_t>, rt::BufferOp> &alive,
         std::pair<int64_t, int64_t> key, rt::BufferOp buffer) {
    auto reaches = [](rt::BufferOp low, rt::BufferOp high) {
      return low.getArena() == high.getArena() &&
             low.getOffset() + low.getBytes() > high.getOffset();
    };
    auto next = alive.lower_bound(key);
    rt::BufferOp other;
    if (next != alive.end() && reaches(buffer, next->second))
      other = next->second;
    if (next != alive.begin() && reaches(std::prev(next)->second, buffer))
      other = std::prev(next)->second;
    if (other) {
      auto diagnostic = buffer.emitOpError("shares bytes with buffer ")
                        << other.getId() << " while both are alive (fsdprt_v3)";
      diagnostic.attachNote(other.getLoc()) << "the other buffer: " << other;
      return diagnostic;
    }
    alive[key] = buffer;
    return success();
  }
};
} // namespace
