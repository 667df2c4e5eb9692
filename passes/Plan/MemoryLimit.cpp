//===- MemoryLimit.cpp - Plans that do not fit ----------------------------===//
#include "passes/Plan/Buffers.h"
#include "passes/Plan/Bytes.h"
#include "passes/Plan/Lifetimes.h"
#include "passes/Plan/Passes.h"

namespace fsdp {
#define GEN_PASS_DEF_PLANCHECKMEMORY
#include "passes/Plan/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

namespace {
constexpr size_t kMaxListed = 8;

/// The fullest point of one phase.
struct Peak {
  rt::PhaseOp phase;
  Operation *dispatch = nullptr;
  int64_t place = 0; ///< in the program's issue order
  int64_t bytes = 0;
};

struct CheckMemory : public fsdp::impl::PlanCheckMemoryBase<CheckMemory> {
  using PlanCheckMemoryBase::PlanCheckMemoryBase;

  void runOnOperation() override {
    std::optional<int64_t> bytes = parseBytes(limit);
    if (!limit.empty() && !bytes) {
      getOperation().emitError("cannot read --memory-limit '")
          << limit << "', expected bytes or a size such as 2GiB or 800MB";
      return signalPassFailure();
    }
    int64_t needed = plannedPeak(getOperation());
    if (limit.empty())
      return;
    int64_t more = accumulateBytes(getOperation());
    if (needed <= *bytes && needed + more > *bytes)
      getOperation().emitWarning("within --memory-limit ")
          << limit << " a step has one microbatch: to sum up several a rank "
          << "needs " << formatBytes(needed + more);
    if (needed <= *bytes)
      return;
    report(needed);
    signalPassFailure();
  }

  void report(int64_t needed) {
    auto diagnostic = getOperation().emitError("a rank needs ")
                      << formatBytes(needed) << " (" << needed
                      << " bytes), more than --memory-limit " << limit;
    FailureOr<DenseMap<int64_t, Lifetime>> lives =
        computeLifetimes(getOperation());
    if (failed(lives))
      return;
    Peak peak = findPeak(*lives);
    if (!peak.dispatch)
      return;
    diagnostic << "; the peak is phase '" << peak.phase.getSymName() << "', '"
               << nameOf(peak.dispatch) << "', with ";
    llvm::MapVector<std::pair<StringRef, StringRef>, int64_t> groups;
    for (auto buffer : getOperation().getOps<rt::BufferOp>())
      if (!isSeldom(buffer) && isAlive(buffer, peak, *lives))
        groups[{stringifyBufferKind(buffer.getKind()), buffer.getUnit()}] +=
            buffer.getBytes();
    auto sorted = groups.takeVector();
    llvm::stable_sort(sorted, [](const auto &a, const auto &b) {
      return a.second > b.second;
    });
    for (auto [i, group] : llvm::enumerate(sorted)) {
      if (i == kMaxListed) {
        diagnostic << " and " << sorted.size() - kMaxListed << " more";
        break;
      }
      auto [kind, unit] = group.first;
      diagnostic << (i ? ", " : "") << formatBytes(group.second) << " of "
                 << kind << (unit.empty() ? "" : " of ") << unit;
    }
    diagnostic << "; use more ranks, a smaller batch or sequence, less "
                  "prefetch, --recompute or --param-dtype bfloat16";
  }

  static std::string nameOf(Operation *dispatch) {
    auto text = [&](StringRef name) {
      auto attr = dispatch->getAttrOfType<StringAttr>(name);
      return attr ? attr.getValue() : StringRef();
    };
    StringRef scope = text("scope").empty() ? text("unit") : text("scope");
    return (scope + (scope.empty() ? "" : " ") + text("name")).str();
  }

  /// Whether it lies in an arena that not all runs have.
  bool isSeldom(rt::BufferOp buffer) {
    return llvm::any_of(
        getOperation().getOps<rt::ArenaOp>(), [&](rt::ArenaOp arena) {
          return arena.getIndex() == buffer.getArena() && arena.getRuns();
        });
  }

  static bool isAlive(rt::BufferOp buffer, Peak peak,
                      const DenseMap<int64_t, Lifetime> &lives) {
    if (buffer.getPhase().empty())
      return true;
    Lifetime life = lives.lookup(buffer.getId());
    return life.first <= peak.place && peak.place <= life.last;
  }

  /// Of all phases.
  Peak findPeak(const DenseMap<int64_t, Lifetime> &lives) {
    Peak most;
    std::map<int64_t, int64_t> change;
    for (auto buffer : getOperation().getOps<rt::BufferOp>())
      if (!buffer.getPhase().empty()) {
        Lifetime life = lives.lookup(buffer.getId());
        change[life.first] += buffer.getBytes();
        change[life.last + 1] -= buffer.getBytes();
      }
    int64_t live = 0, place = 0;
    for (auto phase : getOperation().getOps<rt::PhaseOp>())
      for (Operation &op : phase.getBody().front()) {
        live += change[place];
        if (live > most.bytes)
          most = {phase, &op, place, live};
        ++place;
      }
    return most;
  }
};
} // namespace
