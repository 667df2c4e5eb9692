//===- FsdpRtVerify.cpp - Buffers, offsets, order -------------------------===//
//
// Offsets and lifetimes are checked here; what several ranks may do at once is
// checked on a model of them (ScheduleModel.h). All ranks run one program, so
// two of them stand for any number; `peers` are programs of others.
//
//===----------------------------------------------------------------------===//
#include "passes/Plan/Lifetimes.h"
#include "passes/Verify/Overlaps.h"
#include "passes/Verify/Passes.h"
#include "passes/Verify/PhaseSchedule.h"

#include "mlir/Parser/Parser.h"

namespace fsdp {
#define GEN_PASS_DEF_FSDPRTVERIFY
#include "passes/Verify/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

namespace {
struct FsdpRtVerify : public fsdp::impl::FsdpRtVerifyBase<FsdpRtVerify> {
  using FsdpRtVerifyBase::FsdpRtVerifyBase;

  void runOnOperation() override {
    if (failed(verifyPhases()))
      return signalPassFailure();
    FailureOr<DenseMap<int64_t, Lifetime>> lives =
        computeLifetimes(getOperation());
    if (failed(lives) || failed(verifyArenas()) ||
        failed(verifyOverlap(*lives)) || failed(verifyGatheredOnce()))
      return signalPassFailure();
    if (failed(verifyCommunicators(getOperation())))
      return signalPassFailure();
    for (auto phase : getOperation().getOps<rt::PhaseOp>())
      if (failed(verifyJoin(phase)) || failed(verifySegments(phase)) ||
          failed(verifyNoOverlaps(phase)))
        return signalPassFailure();
    if (failed(verifySchedules()))
      signalPassFailure();
  }

  /// Each collective is by a declared communicator, on its stream and among its
  /// ranks.
  static LogicalResult verifyCommunicators(ModuleOp module) {
    DenseMap<int64_t, rt::CommunicatorOp> known;
    for (auto op : module.getOps<rt::CommunicatorOp>())
      if (!known.try_emplace(op.getNumber(), op).second)
        return op.emitOpError("has the number of another communicator "
                              "(fsdprt_v6)");
    for (auto phase : module.getOps<rt::PhaseOp>())
      for (Operation &op : phase.getBody().front())
        if (std::optional<int64_t> number = rt::communicatorOf(&op))
          if (failed(verifyCommunicator(&op, *number, known.lookup(*number))))
            return failure();
    return success();
  }

  static LogicalResult verifyCommunicator(Operation *op, int64_t number,
                                          rt::CommunicatorOp communicator) {
    if (!communicator)
      return op->emitOpError("is by communicator ")
             << number << ", which is not declared (fsdprt_v6)";
    auto fail = [&] {
      auto diagnostic = op->emitOpError("is ");
      diagnostic.attachNote(communicator.getLoc())
          << "the communicator: " << communicator;
      return diagnostic;
    };
    rt::Stream stream = op->getAttrOfType<rt::StreamAttr>("stream").getValue();
    if (stream != communicator.getStream())
      return fail() << "on stream '" << rt::stringifyStream(stream)
                    << "', expected that of its communicator, '"
                    << rt::stringifyStream(communicator.getStream())
                    << "' (fsdprt_v6)";
    if (isa<rt::AllReduceOp>(op))
      return success();
    auto args = op->getAttrOfType<ArrayAttr>("args");
    int64_t first = cast<rt::ArgAttr>(args[0]).getBytes();
    int64_t second = cast<rt::ArgAttr>(args[1]).getBytes();
    int64_t shard = std::min(first, second), line = std::max(first, second);
    int64_t ranks = communicator.getNumRanks();
    if (shard == 0 || line / shard == ranks)
      return success();
    return fail() << "between a shard of " << shard << " bytes and a line of "
                  << line << ", expected " << ranks
                  << " shards, one of each rank of its communicator "
                     "(fsdprt_v6)";
  }

  /// What a step consists of runs in the order of runs.def, whatever the order
  /// of the text, which lifetimes are read from.
  LogicalResult verifyPhases() {
    std::optional<rt::PhaseOp> before;
    for (auto phase : getOperation().getOps<rt::PhaseOp>()) {
      if (phase.getRuns() < rt::Runs::Count ||
          phase.getRuns() > rt::Runs::Update)
        continue;
      if (before && phase.getRuns() < before->getRuns())
        return phase.emitOpError("runs '")
               << rt::stringifyRuns(phase.getRuns()) << "', expected before '"
               << before->getSymName() << "', which runs '"
               << rt::stringifyRuns(before->getRuns()) << "' (fsdprt_v11)";
      before = phase;
    }
    return success();
  }

  LogicalResult verifyGatheredOnce() {
    DenseSet<int64_t> shared;
    for (auto buffer : getOperation().getOps<rt::BufferOp>())
      if (buffer.getPhase().empty() &&
          buffer.getKind() == rt::BufferKind::Gathered)
        shared.insert(buffer.getId());
    LogicalResult result = success();
    for (auto phase : getOperation().getOps<rt::PhaseOp>())
      if (phase.getRuns() != rt::Runs::Gather)
        forEachArgument(phase, [&](int64_t, Operation *op, rt::ArgAttr arg) {
          if (succeeded(result) && arg.getAccess() != rt::Access::Read &&
              shared.contains(arg.getBuffer()))
            result = op->emitOpError("writes buffer ")
                     << arg.getBuffer()
                     << ", which is gathered for all microbatches of a step "
                        "(fsdprt_v12)";
        });
    return result;
  }

  static LogicalResult verifyJoin(rt::PhaseOp phase) {
    Block &block = phase.getBody().front();
    if (block.empty() || !isa<rt::JoinOp>(block.back()))
      return phase.emitOpError("does not end by joining all streams "
                               "(fsdprt_v5)");
    return success();
  }

  /// Overlapping segments would be written twice, at once.
  static LogicalResult verifySegments(rt::PhaseOp phase) {
    for (Operation &op : phase.getBody().front()) {
      auto segments = op.getAttrOfType<DenseI64ArrayAttr>("segments");
      if (!segments)
        continue;
      int64_t count = op.getAttrOfType<IntegerAttr>("count").getInt(), end = 0;
      ArrayRef<int64_t> pairs = segments.asArrayRef();
      bool valid = !pairs.empty() && pairs.size() % 2 == 0;
      for (size_t i = 0; valid && i < pairs.size(); i += 2) {
        valid = pairs[i] >= end && pairs[i] <= count && pairs[i + 1] >= 0 &&
                pairs[i + 1] <= count - pairs[i];
        end = pairs[i] + pairs[i + 1];
      }
      if (!valid)
        return op.emitOpError("has segments [")
               << pairs << "], expected pairs of offset and elements that "
               << "ascend, do not overlap and end by " << count
               << " (fsdprt_v9)";
    }
    return success();
  }

  LogicalResult verifySchedules() {
    SmallVector<OwningOpRef<ModuleOp>> others;
    for (const std::string &path : peers) {
      others.push_back(parseSourceFile<ModuleOp>(path, &getContext()));
      if (!others.back())
        return emitError(UnknownLoc::get(&getContext()),
                         "cannot read the peer's program '")
               << path << "'";
      if (failed(computeLifetimes(*others.back())) ||
          failed(verifyCommunicators(*others.back())) ||
          failed(verifySame(*others.back(), path)))
        return failure();
    }
    for (auto phase : getOperation().getOps<rt::PhaseOp>()) {
      SmallVector<rt::PhaseOp> ranks = {phase};
      for (auto &other : others)
        ranks.push_back(other->lookupSymbol<rt::PhaseOp>(phase.getSymName()));
      PhaseSchedule schedule =
          others.empty() ? PhaseSchedule(phase) : PhaseSchedule(ranks);
      if (failed(schedule.verify()))
        return failure();
    }
    return success();
  }

  LogicalResult verifySame(ModuleOp peer, StringRef path) {
    auto describe = [](ModuleOp module) {
      SmallVector<std::pair<int64_t, DictionaryAttr>> all;
      for (auto op : module.getOps<rt::CommunicatorOp>())
        all.emplace_back(op.getNumber(), op->getAttrDictionary());
      return all;
    };
    if (describe(getOperation()) != describe(peer))
      return getOperation().emitError(
                 "does not have the communicators of the peer's program '")
             << path << "' (fsdprt_v7)";
    auto namesOf = [](ModuleOp module) {
      SmallVector<std::pair<StringRef, rt::Runs>> names;
      for (auto phase : module.getOps<rt::PhaseOp>())
        names.emplace_back(phase.getSymName(), phase.getRuns());
      return names;
    };
    if (namesOf(getOperation()) == namesOf(peer))
      return success();
    return getOperation().emitError("does not have the phases of the peer's "
                                    "program '")
           << path << "' (fsdprt_v7)";
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

  /// Sweeps over the program's issue order and keeps the buffers alive by
  /// offset, those of all phases from the start: a new one may not reach into
  /// a neighbour.
  LogicalResult verifyOverlap(const DenseMap<int64_t, Lifetime> &lives) {
    struct Change {
      int64_t place;
      bool starts;
      rt::BufferOp buffer;
    };
    std::map<std::pair<int64_t, int64_t>, rt::BufferOp> alive;
    SmallVector<Change> changes;
    for (auto buffer : getOperation().getOps<rt::BufferOp>()) {
      if (buffer.getPhase().empty()) {
        if (failed(
                insert(alive, {buffer.getArena(), buffer.getOffset()}, buffer)))
          return failure();
        continue;
      }
      Lifetime life = lives.lookup(buffer.getId());
      changes.push_back({life.first, true, buffer});
      changes.push_back({life.last + 1, false, buffer});
    }
    llvm::stable_sort(changes, [](const Change &a, const Change &b) {
      return std::pair(a.place, a.starts) < std::pair(b.place, b.starts);
    });
    for (Change &change : changes) {
      rt::BufferOp buffer = change.buffer;
      std::pair<int64_t, int64_t> key(buffer.getArena(), buffer.getOffset());
      if (!change.starts)
        alive.erase(key);
      else if (failed(insert(alive, key, buffer)))
        return failure();
    }
    return success();
  }

  static LogicalResult
  insert(std::map<std::pair<int64_t, int64_t>, rt::BufferOp> &alive,
         std::pair<int64_t, int64_t> key, rt::BufferOp buffer) {
    if (int64_t(buffer.getBytes()) == 0) // it has no bytes to share
      return success();
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
