//===- PhaseSchedule.cpp - A phase on several ranks, as a schedule --------===//
#include "passes/Verify/PhaseSchedule.h"
#include "passes/Plan/Communicators.h"
#include "passes/Plan/StreamClocks.h"

#include <numeric>

using namespace mlir;
using namespace fsdp;
using schedule::Place;
using schedule::Violation;

//===----------------------------------------------------------------------===//
// From dispatches to the model
//===----------------------------------------------------------------------===//

static std::optional<schedule::Collective> collectiveOf(Operation *op) {
  std::optional<int> communicator = communicatorOf(op);
  if (!communicator)
    return std::nullopt;
  Type dtype = op->getAttrOfType<TypeAttr>("dtype").getValue();
  std::string kind;
  llvm::raw_string_ostream(kind)
      << op->getName().stripDialect() << " of " << dtype;
  if (auto segments = op->getAttrOfType<DenseI64ArrayAttr>("segments"))
    llvm::raw_string_ostream(kind) << " in " << segments;
  int64_t bytes = op->getAttrOfType<IntegerAttr>("count").getInt() *
                  int64_t(llvm::divideCeil(dtype.getIntOrFloatBitWidth(), 8));
  StringRef unit = op->getAttrOfType<StringAttr>("unit").getValue();
  return schedule::Collective{size_t(*communicator), kind, unit.str(), bytes};
}

static std::vector<schedule::Touch>
touchesOf(Operation *op, const DenseMap<int64_t, rt::BufferOp> &buffers) {
  std::vector<schedule::Touch> touches;
  for (auto arg :
       op->getAttrOfType<ArrayAttr>("args").getAsRange<rt::ArgAttr>()) {
    rt::BufferOp buffer = buffers.lookup(arg.getBuffer());
    int64_t begin = int64_t(buffer.getOffset()) + arg.getBegin();
    touches.push_back({int64_t(buffer.getArena()), begin,
                       begin + arg.getBytes(),
                       arg.getAccess() != rt::Access::Read});
  }
  return touches;
}

PhaseSchedule::PhaseSchedule(ArrayRef<rt::PhaseOp> phases) {
  std::vector<size_t> all(phases.size());
  std::iota(all.begin(), all.end(), 0);
  model.communicators.assign(FSDPRT_NUM_COMMS, all);
  for (rt::PhaseOp phase : phases)
    addRank(phase);
}

void PhaseSchedule::addRank(rt::PhaseOp phase) {
  DenseMap<int64_t, rt::BufferOp> buffers;
  for (auto buffer : phase->getParentOfType<ModuleOp>().getOps<rt::BufferOp>())
    buffers[buffer.getId()] = buffer;
  DenseMap<Operation *, size_t> numbers;
  std::array<std::optional<size_t>, kNumStreams> last;
  std::vector<schedule::Dispatch> dispatches;
  for (Operation &op : phase.getBody().front()) {
    schedule::Dispatch dispatch;
    dispatch.stream = streamOf(op);
    for (Value event : op.getOperands())
      dispatch.waits.push_back(numbers.at(event.getDefiningOp()));
    if (isa<rt::JoinOp>(op))
      for (std::optional<size_t> other : last)
        if (other)
          dispatch.waits.push_back(*other);
    dispatch.touches = touchesOf(&op, buffers);
    dispatch.collective = collectiveOf(&op);
    last[dispatch.stream] = numbers[&op] = dispatches.size();
    dispatches.push_back(std::move(dispatch));
  }
  model.ranks.push_back(std::move(dispatches));
  ops.emplace_back();
  for (Operation &op : phase.getBody().front())
    ops.back().push_back(&op);
}

//===----------------------------------------------------------------------===//
// From a violation to a message
//===----------------------------------------------------------------------===//

LogicalResult PhaseSchedule::verify() const {
  std::optional<Violation> found = schedule::findViolation(model);
  return found ? LogicalResult(report(*found)) : success();
}

InFlightDiagnostic PhaseSchedule::report(const Violation &found) const {
  switch (found.rule) {
  case schedule::Rule::Event:
    break; // events are SSA values: MLIR itself rejects this
  case schedule::Rule::Stream:
    return reportStream(found);
  case schedule::Rule::Order:
    return reportOrder(found);
  case schedule::Rule::Cycle:
    return reportCycle(found);
  case schedule::Rule::Race:
    return reportRace(found);
  }
  llvm_unreachable("no event is waited for before it is recorded");
}

static StringRef streamName(Operation *op) {
  return rt::stringifyStream(rt::Stream(streamOf(*op)));
}

InFlightDiagnostic PhaseSchedule::reportStream(const Violation &found) const {
  Operation *op = opAt(found.at), *other = opAt(*found.other);
  auto diagnostic = op->emitOpError("uses the ")
                    << communicatorName(*communicatorOf(op))
                    << " communicator on stream '" << streamName(op)
                    << "', expected one stream for all its collectives, '"
                    << streamName(other) << "' (fsdprt_v6)";
  diagnostic.attachNote(other->getLoc()) << "first used by: " << *other;
  return diagnostic;
}

/// The error stands where rank 0 is, if it takes part.
InFlightDiagnostic PhaseSchedule::reportOrder(const Violation &found) const {
  Place at = found.at;
  std::optional<Place> other = found.other;
  if (other && other->rank < at.rank)
    std::swap(at, *other);
  Operation *op = opAt(at);
  auto diagnostic = op->emitOpError("is what rank ")
                    << at.rank << " issues next on the "
                    << communicatorName(*communicatorOf(op))
                    << " communicator, but ";
  if (!other) {
    diagnostic << "another rank issues no more there (fsdprt_v7)";
    return diagnostic;
  }
  diagnostic << "rank " << other->rank
             << " issues something else: all its members issue the same "
                "collectives in the same order (fsdprt_v7)";
  diagnostic.attachNote(opAt(*other)->getLoc())
      << "rank " << other->rank << " issues: " << *opAt(*other);
  return diagnostic;
}

InFlightDiagnostic PhaseSchedule::reportCycle(const Violation &found) const {
  auto diagnostic =
      opAt(found.at)->emitOpError("never ends: it waits for itself, through ")
      << found.cycle.size() << " dispatches (fsdprt_v8)";
  for (size_t i = 0; i < found.cycle.size(); ++i) {
    Place next = found.cycle[(i + 1) % found.cycle.size()];
    diagnostic.attachNote(opAt(found.cycle[i])->getLoc())
        << "on rank " << found.cycle[i].rank
        << " this waits for the next one, on rank " << next.rank << ": "
        << *opAt(found.cycle[i]);
  }
  return diagnostic;
}

/// The error stands at the dispatch that should wait.
InFlightDiagnostic PhaseSchedule::reportRace(const Violation &found) const {
  size_t early = found.other->dispatch, late = found.at.dispatch;
  if (early > late)
    std::swap(early, late);
  Operation *op = ops[found.at.rank][late];
  Operation *other = ops[found.at.rank][early];
  auto diagnostic = op->emitOpError("touches bytes [")
                    << found.touch.begin << ", " << found.touch.end
                    << ") of arena " << found.touch.arena
                    << " without an event that orders it with another "
                       "dispatch (fsdprt_v4)";
  diagnostic.attachNote(other->getLoc())
      << "the other dispatch, issued before: " << *other;
  return diagnostic;
}
