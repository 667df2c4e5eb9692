//===- Lifetimes.cpp - When buffers are used ------------------------------===//
#include "passes/Plan/Lifetimes.h"
#include "passes/Plan/StreamClocks.h"

using namespace mlir;
using namespace fsdp;

PhaseOrder::PhaseOrder(ModuleOp module) {
  int64_t begin = 0;
  for (auto phase : module.getOps<rt::PhaseOp>()) {
    numbers.try_emplace(phase.getSymName(), phases.size());
    phases.push_back(phase);
    begins.push_back(begin);
    begin += phase.getBody().front().getOperations().size();
  }
}

std::optional<size_t> PhaseOrder::find(StringRef name) const {
  auto found = numbers.find(name);
  return found == numbers.end() ? std::nullopt
                                : std::optional<size_t>(found->second);
}

/// A step of several microbatches runs its phases up to the accumulation again:
/// only what a microbatch itself writes anew may outlive its phase, up to the
/// update.
FailureOr<std::pair<size_t, size_t>>
PhaseOrder::phasesOf(rt::BufferOp buffer) const {
  std::optional<size_t> first = find(buffer.getPhase());
  std::optional<size_t> last =
      buffer.getUntil() ? find(*buffer.getUntil()) : first;
  auto fail = [&] {
    return buffer.emitOpError("lives in phase '")
           << buffer.getPhase() << "' until '"
           << buffer.getUntil().value_or(buffer.getPhase()) << "', ";
  };
  if (!first || !last)
    return fail() << "which the program does not have (fsdprt_v11)";
  if (first == last)
    return std::pair(*first, *last);
  if (*first > *last)
    return fail() << "which comes before (fsdprt_v11)";
  if (rt::PhaseOp(phases[*first]).getRuns() != rt::Runs::Microbatch)
    return fail() << "expected only what a microbatch writes to live longer "
                     "than its phase (fsdprt_v11)";
  for (size_t i = *first + 1; i <= *last; ++i) {
    rt::Runs runs = rt::PhaseOp(phases[i]).getRuns();
    if (runs != rt::Runs::Accumulate && runs != rt::Runs::Update)
      return fail() << "over phase '" << rt::PhaseOp(phases[i]).getSymName()
                    << "', which is none of the same step's (fsdprt_v11)";
  }
  return std::pair(*first, *last);
}

void fsdp::forEachArgument(
    rt::PhaseOp phase,
    llvm::function_ref<void(int64_t, Operation *, rt::ArgAttr)> visit) {
  int64_t place = 0;
  for (Operation &op : phase.getBody().front()) {
    if (auto args = op.getAttrOfType<ArrayAttr>("args"))
      for (auto arg : args.getAsRange<rt::ArgAttr>())
        visit(place, &op, arg);
    ++place;
  }
}

/// For each dispatch of a phase, the place up to which it may be running.
static SmallVector<int64_t> findEnds(rt::PhaseOp phase) {
  struct Running {
    int64_t place;
    size_t stream;
    int64_t number; ///< in its stream
  };
  StreamClocks clocks;
  SmallVector<int64_t> ends;
  SmallVector<Running> running;
  for (Operation &op : phase.getBody().front()) {
    int64_t place = ends.size();
    const Clock &clock = clocks.issue(op);
    size_t stream = streamOf(op);
    ends.push_back(place);
    if (stream != size_t(rt::Stream::Compute)) {
      running.push_back({place, stream, clock[stream]});
      continue;
    }
    llvm::erase_if(running, [&](const Running &other) {
      bool isOver = clock[other.stream] >= other.number;
      if (isOver)
        ends[other.place] = place - 1;
      return isOver;
    });
  }
  for (const Running &other : running)
    ends[other.place] = ends.size() - 1;
  return ends;
}

FailureOr<DenseMap<int64_t, Lifetime>> fsdp::computeLifetimes(ModuleOp module) {
  PhaseOrder order(module);
  DenseMap<int64_t, rt::BufferOp> buffers;
  DenseMap<int64_t, std::pair<size_t, size_t>> phasesOf;
  for (auto buffer : module.getOps<rt::BufferOp>()) {
    if (!buffers.try_emplace(buffer.getId(), buffer).second)
      return buffer.emitOpError("has the number of another buffer (fsdprt_v1)");
    if (buffer.getPhase().empty())
      continue;
    FailureOr<std::pair<size_t, size_t>> phases = order.phasesOf(buffer);
    if (failed(phases))
      return failure();
    phasesOf[buffer.getId()] = *phases;
  }
  DenseMap<int64_t, Lifetime> lives;
  LogicalResult result = success();
  SmallVector<int64_t> ends;
  size_t number = 0;
  auto visit = [&](int64_t inPhase, Operation *op, rt::ArgAttr arg) {
    if (failed(result))
      return;
    int64_t place = order.beginOf(number) + inPhase;
    rt::BufferOp buffer = buffers.lookup(arg.getBuffer());
    if (!buffer ||
        arg.getBegin() + arg.getBytes() > int64_t(buffer.getBytes())) {
      result = op->emitOpError("argument ")
               << arg << " is not a range of a declared buffer (fsdprt_v1)";
      return;
    }
    if (buffer.getPhase().empty())
      return;
    auto [first, last] = phasesOf.lookup(arg.getBuffer());
    if (number < first || number > last) {
      result = op->emitOpError("uses buffer ")
               << arg.getBuffer() << " of phase '" << buffer.getPhase()
               << "' in phase '"
               << cast<rt::PhaseOp>(op->getParentOp()).getSymName()
               << "' (fsdprt_v1)";
      return;
    }
    auto [it, isNew] =
        lives.try_emplace(arg.getBuffer(), Lifetime{place, place, place});
    it->second.lastUse = place;
    it->second.last =
        std::max(it->second.last, order.beginOf(number) + ends[inPhase]);
    bool reads = arg.getAccess() == rt::Access::Read ||
                 arg.getAccess() == rt::Access::ReadWrite;
    if (isNew && (reads || number != first))
      result = op->emitOpError(reads ? "reads buffer " : "writes buffer ")
               << arg.getBuffer() << " before anything wrote it in phase '"
               << buffer.getPhase() << "' (fsdprt_v1)";
  };
  for (rt::PhaseOp phase : order.getPhases()) {
    ends = findEnds(phase);
    forEachArgument(phase, visit);
    ++number;
  }
  if (failed(result))
    return failure();
  for (auto buffer : module.getOps<rt::BufferOp>()) {
    auto [first, last] = phasesOf.lookup(buffer.getId());
    if (first != last &&
        lives.lookup(buffer.getId()).lastUse < order.beginOf(last))
      return buffer.emitOpError("lives until phase '")
             << *buffer.getUntil() << "', which does not use it (fsdprt_v11)";
  }
  return lives;
}
